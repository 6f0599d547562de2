"""A network that swallows packets without a word: goophry in a namespace of its own, on a veth pair.

The packets are made to vanish by a wrong link address for the other end: the route, the carrier
and the sockets stay as they are, nothing answers and nothing is refused. The two namespaces
know only each other; the harness speaks with Redis through a Unix socket.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import redis
from chaos.fleet import DURABLE, Fleet
from chaos.invariants import Row, account, longest_gap_s
from conftest import RedisServer, eventually

#: Address of each end of the cable, and a link address that nobody has.
HERE, THERE = "10.213.7.1", "10.213.7.2"
NOBODY: Final = "02:00:00:00:00:99"

#: Seconds within which a dead path must be noticed, and a further beat and back-off until work goes on.
NOTICE_LIMIT_S: Final = 15.0
RESUME_LIMIT_S: Final = 20.0


def possible() -> bool:
    """Whether this user may make network namespaces here."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    name = f"chaos-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    if made:
        _ip("netns", "del", name)
    return made


class NetworkRedis(RedisServer):
    """A redis-server in the namespace at the other end of the cable."""

    def __init__(self, folder: Path, *options: str, namespace: str) -> None:
        super().__init__(folder, *options)
        self._namespace = namespace
        self.socket = folder / "redis.sock"
        self.options = (*self.options, "--bind", THERE, "--protected-mode", "no", "--unixsocket", str(self.socket))

    @property
    def address(self) -> str:
        return f"{THERE}:{self.port}"

    def client(self) -> "redis.Redis[bytes]":
        return redis.Redis(unix_socket_path=str(self.socket))

    def start(self) -> "NetworkRedis":
        with (self.folder / "redis.log").open("ab") as log:
            arguments = ["--port", str(self.port), "--dir", str(self.folder), "--save", "", *self.options]
            command = ["ip", "netns", "exec", self._namespace, "redis-server", *arguments]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        eventually(lambda: self.socket.exists() and self._answers(), what="redis-server answers")
        return self


def network_cut(folder: Path, *, seed: int, times: int, away_s: float) -> Row:
    """Drop all packets between goophry and Redis, both ways; every loop notices and goes on afterwards."""
    row = Row("network cut")
    with _cable() as (here, there):
        server = NetworkRedis(folder / "redis", *DURABLE, namespace=there)
        with Fleet(folder, seed=seed, prefix=("ip", "netns", "exec", here), server=server) as fleet:
            fleet.configure(fleet.record_type(), fleet.record_type("idle"), MaxRecoveries=1_000_000)
            member = fleet.start(0)
            for turn in range(times):
                _cut_once(fleet, row, here, there, away_s=away_s, turn=turn)
            fleet.drain(within=90)
            account(row, fleet)
            lost = [line for line in member.events("store.lost") if line["who"] != "heartbeat"]
            row.require(len(lost) >= 2, "a loop did not notice that the path was dead")
            row.require(fleet.alive(), "an instance ended")
            row.note = f"{times} × {away_s:g} s, noticed after {row.resume_s:.1f} s at most"
    return row


def _cut_once(fleet: Fleet, row: Row, here: str, there: str, *, away_s: float, turn: int) -> None:
    member = fleet.members[0]
    known = len(member.events("store.lost"))
    fleet.push(300, acts=fleet.mixed)
    size = fleet.recorder.size()
    eventually(lambda: fleet.recorder.size() > size, what="tasks run")
    began = time.monotonic()
    begin_ns = time.monotonic_ns()
    with _swallowed(here, there):
        # Three parts speak with Redis: both loops and the heartbeat.
        eventually(lambda: len(member.events("store.lost")) >= known + 3, within=30, every=0.1, what="all notice")
        noticed_s = time.monotonic() - began
        time.sleep(max(0, away_s - noticed_s))
    back_ns = time.monotonic_ns()
    fleet.push(20, name="idle", acts=lambda: ("ok", 5))
    fleet.push(20, acts=lambda: ("ok", 5))
    eventually(lambda: not fleet.waiting(), within=60, every=0.1, what=f"work goes on after cut {turn}")
    runs = fleet.recorder.runs()
    resumed_ns = min(run.started_ns for run in runs if run.started_ns > back_ns)
    row.resume_s = max(row.resume_s, noticed_s)
    row.outage_s = max(row.outage_s, longest_gap_s(runs, begin_ns=begin_ns, end_ns=resumed_ns))
    row.require(noticed_s < NOTICE_LIMIT_S, f"the dead path was noticed after {noticed_s:.1f} s")
    row.require((resumed_ns - back_ns) / 1e9 < RESUME_LIMIT_S, "work did not go on in time")


@contextmanager
def _cable() -> Iterator[tuple[str, str]]:
    here, there = f"chaos-{os.getpid()}-a", f"chaos-{os.getpid()}-b"
    made: list[str] = []
    try:
        for name in (here, there):
            _ip("netns", "add", name)
            made.append(name)
        _ip("-n", here, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", there)
        for name, address in ((here, HERE), (there, THERE)):
            _ip("-n", name, "addr", "add", f"{address}/30", "dev", "cable")
            _ip("-n", name, "link", "set", "cable", "up")
            _ip("-n", name, "link", "set", "lo", "up")
        yield here, there
    finally:
        for name in made:
            _ip("netns", "del", name)


@contextmanager
def _swallowed(here: str, there: str) -> Iterator[None]:
    ends = ((here, THERE), (there, HERE))
    for name, other in ends:
        _ip("-n", name, "neigh", "replace", other, "lladdr", NOBODY, "dev", "cable", "nud", "permanent")
    try:
        yield
    finally:
        for name, other in ends:
            _ip("-n", name, "neigh", "del", other, "dev", "cable")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
