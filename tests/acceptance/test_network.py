"""A path to Redis on which packets vanish: no reset, no error, nothing. In a network namespace, so root is needed."""

import contextlib
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from acceptance.goophry_process import Goophry, entry
from acceptance.tally import Tally
from conftest import eventually, redis_binary

from goophry import exit_codes

pytest_plugins = ("acceptance.fixtures",)

#: An address of the link layer that nobody has: what is sent there is dropped without a word.
NOBODY = "02:00:00:00:00:01"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)


class Far:
    """A redis-server in a network namespace, at the end of a pair of virtual interfaces."""

    def __init__(self, folder: Path) -> None:
        name = uuid.uuid4().hex[:8]
        self.space, self.near, self.far = f"goophry-{name}", f"gn{name}", f"gf{name}"
        # A network of four addresses in 10.213/16, by chance; tests may run beside one another.
        base = int(name, 16) % 16_384 * 4
        prefix = f"10.213.{base // 256}"
        self.near_address, self.address = f"{prefix}.{base % 256 + 1}", f"{prefix}.{base % 256 + 2}"
        ip("netns", "add", self.space)
        ip("link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.space)
        ip("addr", "add", f"{self.near_address}/30", "dev", self.near)
        ip("link", "set", self.near, "up")
        ip("-n", self.space, "addr", "add", f"{self.address}/30", "dev", self.far)
        ip("-n", self.space, "link", "set", self.far, "up")
        command = ["ip", "netns", "exec", self.space, redis_binary(), "--bind", self.address, "--port", "6379"]
        command += ["--save", "", "--dir", str(folder), "--protected-mode", "no"]
        self.server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def client(self) -> "redis.Redis[bytes]":
        return redis.Redis(host=self.address, socket_timeout=2, socket_connect_timeout=2)

    def cut(self) -> None:
        """From now on every packet of either side is dropped."""
        ip("neigh", "replace", self.address, "lladdr", NOBODY, "dev", self.near, "nud", "permanent")
        ip(
            "-n",
            self.space,
            "neigh",
            "replace",
            self.near_address,
            "lladdr",
            NOBODY,
            "dev",
            self.far,
            "nud",
            "permanent",
        )

    def mend(self) -> None:
        ip("neigh", "del", self.address, "dev", self.near)
        ip("-n", self.space, "neigh", "del", self.near_address, "dev", self.far)

    def remove(self) -> None:
        self.server.kill()
        self.server.wait()
        for words in (("netns", "del", self.space), ("link", "del", self.near)):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip(*words)


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and the ip command")
    try:
        made = Far(tmp_path)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace to be had: {error.stderr.decode(errors='replace').strip()}")
    yield made
    made.remove()


def test_a_path_that_drops_everything_is_noticed_by_every_loop_and_costs_nothing(
    goophry: Callable[..., Goophry],
    far: Far,
    tally: Callable[[str], Tally],
    script: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """An idle type, one with a run in progress, the heartbeat: each within 15 s."""
    client = far.client()

    def answers() -> bool:
        with contextlib.suppress(redis.RedisError):
            return bool(client.ping())
        return False

    eventually(answers, what="the far Redis answers")
    idle = tally("idle")
    busy = script(f'echo "$1" >> {tmp_path}/ran; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done')
    running = goophry(
        {"Type": "idle", "Script": idle.script},
        {"Type": "busy", "Script": str(busy)},
        client=client,
        RedisAddress=f"{far.address}:6379",
    )
    client.rpush(running.queue("busy"), entry("1"), entry("2"))
    eventually((tmp_path / "ran").exists)

    far.cut()
    cut_at = time.monotonic()
    (tmp_path / "go").touch()
    for who in ("idle", "busy", "heartbeat"):
        running.wait_event("store.lost", who=who, within=20)
    assert time.monotonic() - cut_at < 15
    far.mend()
    for who in ("idle", "busy", "heartbeat"):
        running.wait_event("store.back", who=who, within=20)

    eventually(lambda: running.drained("busy"))
    running.push("idle", "3")
    eventually(lambda: idle.lines() == ["3"])
    assert (tmp_path / "ran").read_text().split() == ["1", "2"]
    assert running.stop() == exit_codes.OK
    client.close()
