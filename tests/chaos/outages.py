"""Redis away in every way that can be made here, under load, with everything back afterwards."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import redis
from chaos.fleet import DURABLE, Fleet
from chaos.invariants import Row, account, longest_gap_s
from conftest import RedisServer, eventually, free_port

#: Seconds from the end of an outage to the next start: the longest back-off is 3 s, a beat 2.5 s, and
#: answers that never come are waited for 5 to 9 s.
RESUME_LIMIT_S: Final = 15.0

Harm = Callable[[Fleet, float], None]


def outage(folder: Path, kind: str, *, seed: int, times: int = 1, away_s: float = 2.0, instances: int = 2) -> Row:
    """Take Redis away `times` times for `away_s` seconds each; nothing is lost, and work goes on afterwards."""
    row = Row(f"outage: {kind}")
    with Fleet(folder, seed=seed, redis_options=DURABLE) as fleet:
        fleet.configure(fleet.record_type(), MaxRecoveries=1_000_000)
        for index in range(instances):
            fleet.start(index)
        for _ in range(times):
            _one_outage(fleet, row, HARMS[kind], away_s=away_s)
        fleet.drain(within=90)
        account(row, fleet)
        row.require(row.duplicates == 0, f"{row.duplicates} ran twice")
        row.require(fleet.alive(), "an instance ended")
        row.note = f"{times} × {away_s:g} s, went on after {row.resume_s:.2f} s at most"
    return row


def _one_outage(fleet: Fleet, row: Row, harm: Harm, *, away_s: float) -> None:
    fleet.push(300, acts=fleet.mixed)
    began_size = fleet.recorder.size()
    eventually(lambda: fleet.recorder.size() > began_size, what="tasks run")
    time.sleep(fleet.random.uniform(0, 0.2))
    begin_ns = time.monotonic_ns()
    harm(fleet, away_s)
    back_ns = time.monotonic_ns()
    # New work shows that every instance takes again, also when the old was done before the outage.
    fleet.push(300, acts=lambda: ("ok", 10))
    eventually(lambda: any(run.started_ns > back_ns for run in fleet.recorder.runs()), every=0.1, within=30)
    runs = fleet.recorder.runs()
    resumed_ns = min(run.started_ns for run in runs if run.started_ns > back_ns)
    resume_s = (resumed_ns - back_ns) / 1e9
    row.resume_s = max(row.resume_s, resume_s)
    row.require(resume_s < RESUME_LIMIT_S, f"nothing ran for {resume_s:.1f} s after Redis was back")
    row.outage_s = max(row.outage_s, longest_gap_s(runs, begin_ns=begin_ns, end_ns=resumed_ns))


def _restart(fleet: Fleet, away_s: float) -> None:
    fleet.server.stop(signal.SIGTERM if fleet.random.random() < 0.5 else signal.SIGKILL)
    time.sleep(away_s)
    fleet.server.start()


def _freeze(fleet: Fleet, away_s: float) -> None:
    fleet.server.freeze()
    time.sleep(away_s)
    fleet.server.thaw()


def _pause(fleet: Fleet, away_s: float) -> None:
    fleet.client.execute_command("CLIENT", "PAUSE", int(away_s * 1000), "ALL")
    time.sleep(away_s)


def _kill_connections(fleet: Fleet, away_s: float) -> None:
    end = time.monotonic() + away_s
    while time.monotonic() < end:
        fleet.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        time.sleep(fleet.random.uniform(0, 0.1))


def _fill_memory(fleet: Fleet, away_s: float) -> None:
    fleet.client.config_set("maxmemory", 1)
    time.sleep(away_s)
    fleet.client.config_set("maxmemory", 0)


def _unblock(fleet: Fleet, away_s: float) -> None:
    end = time.monotonic() + away_s
    while time.monotonic() < end:
        for client in fleet.client.client_list():
            fleet.client.execute_command("CLIENT", "UNBLOCK", client["id"], "ERROR")
        time.sleep(0.05)


def _refuse_writes(fleet: Fleet, away_s: float) -> None:
    """Make it a replica, READONLY to all that hold a connection, and a master again."""
    fleet.client.replicaof("127.0.0.1", free_port())
    time.sleep(away_s)
    fleet.client.replicaof("NO", "ONE")


def _promote(fleet: Fleet, away_s: float) -> None:
    """Fail over to a replica by hand: writes stop, the replica has all, it takes over the address."""
    with _second_server(fleet) as replica:
        _wait_synced(replica, fleet)
        fleet.client.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
        client = replica.client()
        eventually(lambda: _offsets_agree(fleet.client, client), what="the replica has all")
        client.replicaof("NO", "ONE")
        eventually(lambda: not client.info("persistence")["aof_rewrite_in_progress"], what="its disk has all")
        fleet.server.stop(signal.SIGKILL)
        time.sleep(away_s)
        client.close()
        # The new master moves to the old one's port, as a virtual address would.
        replica.stop(signal.SIGTERM)
        replica.port, fleet.server = fleet.server.port, replica
        fleet.server.start()
        fleet.connect_anew()


@contextmanager
def _second_server(fleet: Fleet) -> Iterator[RedisServer]:
    number = len(list(fleet.folder.glob("redis*")))
    server = RedisServer(fleet.folder / f"redis-{number}", *DURABLE).start()
    try:
        yield server
    finally:
        if server is not fleet.server:
            server.stop(signal.SIGKILL)


def _wait_synced(replica: RedisServer, fleet: Fleet) -> None:
    client = replica.client()
    client.replicaof("127.0.0.1", fleet.server.port)
    eventually(lambda: client.info("replication").get("master_link_status") == "up", what="the replica is in step")
    client.close()


def _offsets_agree(master: "redis.Redis[bytes]", replica: "redis.Redis[bytes]") -> bool:
    there = replica.info("replication")
    return bool(master.info("replication")["master_repl_offset"] == there["slave_repl_offset"])


HARMS: Final[dict[str, Harm]] = {
    "restart": _restart,
    "freeze": _freeze,
    "pause": _pause,
    "kill connections": _kill_connections,
    "unblock": _unblock,
    "out of memory": _fill_memory,
    "read-only": _refuse_writes,
    "promote": _promote,
}
