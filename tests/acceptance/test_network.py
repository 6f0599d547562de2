"""A path to Redis on which packets vanish: no reset, no error, nothing. In network namespaces, so root is needed."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from acceptance.goophry_process import Goophry, entry
from acceptance.tally import Tally
from conftest import eventually
from hosts.network import Host, HostRedis, Network, why_not

from goophry import exit_codes

pytest_plugins = ("acceptance.fixtures",)


@pytest.fixture
def far_apart(tmp_path: Path) -> Iterator[tuple[Host, HostRedis]]:
    """A host, and a redis-server on another one."""
    if reason := why_not():
        pytest.skip(reason)
    with Network() as network:
        server = HostRedis(tmp_path / "redis", host=network.host("redis")).start()
        yield network.host("goophry"), server
        server.end()


def test_a_path_that_drops_everything_is_noticed_by_every_loop_and_costs_nothing(
    goophry: Callable[..., Goophry],
    far_apart: tuple[Host, HostRedis],
    tally: Callable[[str], Tally],
    script: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """An idle type, one with a run in progress, the heartbeat: each within 15 s."""
    near, far = far_apart
    client = far.client()
    idle = tally("idle")
    busy = script(f'echo "$1" >> {tmp_path}/ran; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done')
    running = goophry(
        {"Type": "idle", "Script": idle.script},
        {"Type": "busy", "Script": str(busy)},
        client=client,
        process={"prefix": near.prefix},
        RedisAddress=far.address,
    )
    client.rpush(running.queue("busy"), entry("1"), entry("2"))
    eventually((tmp_path / "ran").exists)

    near.cut_off()
    cut_at = time.monotonic()
    (tmp_path / "go").touch()
    for who in ("idle", "busy", "heartbeat"):
        running.wait_event("store.lost", who=who, within=20)
    assert time.monotonic() - cut_at < 15
    near.plug_in()
    for who in ("idle", "busy", "heartbeat"):
        running.wait_event("store.back", who=who, within=20)

    eventually(lambda: running.drained("busy"))
    running.push("idle", "3")
    eventually(lambda: idle.lines() == ["3"])
    assert (tmp_path / "ran").read_text().split() == ["1", "2"]
    assert running.stop() == exit_codes.OK
    client.close()
