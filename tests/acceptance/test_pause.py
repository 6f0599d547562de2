"""Pause, resume and quiet, with real processes: what is taken, what goes on, and how it is seen."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from acceptance.goophry_process import Goophry, entry
from acceptance.stats_client import metric, wait_metric
from acceptance.tally import Tally
from conftest import RedisServer as OwnServer
from conftest import eventually, free_port
from fakes import settings_for

from goophry import exit_codes
from goophry.store.client import LinkPool, RedisServer
from goophry.store.pauses import Pauses

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]


@pytest.fixture
def pauses(redis_address: str, queue_key: str) -> Iterator[Pauses]:
    """What the command line and the API pause with."""
    links = LinkPool(RedisServer(settings_for(redis_address, queue_key)))
    yield Pauses(links, queue_key=queue_key)
    links.close()


def about(process: Goophry) -> dict[str, Any]:
    """Return what the heartbeat of the process says."""
    beats = [
        json.loads(process.client.get(key) or b"{}")
        for key in process.client.scan_iter(f"{process.queue_key}:instance:*", count=1000)
    ]
    return next(beat for beat in beats if beat.get("Pid") == process.pid)


def test_a_pause_holds_on_every_instance_and_what_runs_is_finished(
    goophry: Start, tally: Callable[[str], Tally], script: Callable[..., Path], tmp_path: Path, pauses: Pauses
) -> None:
    ports = [free_port(), free_port()]
    long = script(
        f'touch "{tmp_path}/up"; while [ ! -e "{tmp_path}/go" ]; do sleep 0.02; done; touch "{tmp_path}/done"'
    )
    made, other = tally("held"), tally("free")
    tasks = [
        {"Type": "held", "Script": made.script},
        {"Type": "long", "Script": str(long)},
        {"Type": "free", "Script": other.script},
    ]
    both = [goophry(*tasks, StatsInterface=f"127.0.0.1:{port}") for port in ports]
    both[0].push("long", "1")
    eventually((tmp_path / "up").exists)

    pauses.pause("held")
    pauses.pause("long")
    for process in both:
        process.wait_event("type.paused", type="held")
        process.wait_event("type.paused", type="long")
    both[0].push("held", "now")
    both[0].client.zadd(f"{{{both[0].queue('held')}}}:delayed", {entry("delayed"): 1})
    both[0].client.publish(f"{both[0].queue_key}:events", b'{"Event":"delayed","Type":"held","Due":1}')
    both[0].push("long", "2")
    both[0].push("free", "1")
    (tmp_path / "go").touch()
    eventually((tmp_path / "done").exists)
    eventually(lambda: both[0].waiting("held") == [entry("now"), entry("delayed")], what="what is due still moves")
    late = goophry(*tasks)
    eventually(lambda: other.lines() == ["1"])
    late.push("free", "2")
    eventually(lambda: other.lines() == ["1", "2"])

    assert made.lines() == []
    assert both[0].waiting("long") == [entry("2")]
    for port in ports:
        wait_metric(port, "goophry_type_paused", 1, type="held")
        assert metric(port, "goophry_type_paused", type="free") == 0
    (tmp_path / "done").unlink()
    pauses.resume("held")
    pauses.resume("long")
    eventually(lambda: sorted(made.lines()) == ["delayed", "now"])
    eventually((tmp_path / "done").exists)
    wait_metric(ports[0], "goophry_type_paused", 0, type="held")
    assert [process.stop() for process in (*both, late)] == [exit_codes.OK] * 3
    assert all(process.drained("held", "long", "free") for process in both)


def test_paused_and_resumed_under_load_every_entry_runs_once(
    goophry: Start, tally: Callable[[str], Tally], pauses: Pauses
) -> None:
    made = tally("a")
    both = [goophry({"Type": "a", "Script": made.script, "Workers": 3}) for _ in range(2)]
    names = [f"{number:04d}" for number in range(500)]

    def produce() -> None:
        for name in names:
            both[0].push("a", name)
            time.sleep(0.003)

    producer = threading.Thread(target=produce)
    producer.start()
    while producer.is_alive():
        pauses.pause("a")
        time.sleep(0.02)
        pauses.resume("a")
        time.sleep(0.01)
    producer.join()

    eventually(lambda: both[0].drained("a"))
    assert made.counts() == dict.fromkeys(names, 1)
    assert all(len(process.events("type.paused")) > 3 for process in both)


def test_what_was_paused_while_redis_was_out_of_reach_is_seen_when_it_is_back(
    goophry: Start, tally: Callable[[str], Tally], own_redis: Callable[..., OwnServer]
) -> None:
    server = own_redis("--save", "3600 1")
    made = tally("a")
    with server.client() as client:
        process = goophry({"Type": "a", "Script": made.script}, client=client, RedisAddress=server.address)
        process.push("a", "0")
        eventually(lambda: made.lines() == ["0"])
        client.sadd(f"{process.queue_key}:paused", "a")  # by hand, so that nobody is told
        client.save()
        server.stop(signal.SIGKILL)
        process.wait_event("store.lost")
        server.start()
        process.wait_event("type.paused", type="a")
        process.push("a", "1")
        client.delete(f"{process.queue_key}:paused")

        eventually(lambda: made.lines() == ["0", "1"])
        assert process.stop() == exit_codes.OK


def test_quiet_is_seen_in_the_heartbeat_in_a_metric_and_in_readyz(
    goophry: Start, tally: Callable[[str], Tally], r: "redis.Redis[bytes]"
) -> None:
    port = free_port()
    made = tally("a")
    task = {"Type": "a", "Script": made.script}
    process = goophry(task, StatsInterface=f"127.0.0.1:{port}")
    assert about(process)["Quiet"] is False
    assert metric(port, "goophry_quiet") == 0

    process.send(signal.SIGUSR1)
    wait_metric(port, "goophry_quiet", 1)
    process.push("a", "1")
    process.reload(task, {"Type": "b", "Script": made.script})
    process.push("b", "2")
    eventually(lambda: about(process)["Quiet"] is True)

    assert about(process)["Types"] == ["a", "b"]
    assert process.stop() == exit_codes.OK
    assert made.lines() == []
    assert process.waiting("a") == [entry("1")]
    assert process.waiting("b") == [entry("2")]
