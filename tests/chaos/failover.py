"""A master that is lost under load, and the replica that three real sentinels promote in its place.

What the tasks are is known to the replica before the master is lost (`WAIT`), so none may be
missing afterwards. Redis copies asynchronously: what was *done* in the last moment may be
forgotten, and is then done again. How much Redis itself forgets is measured beside, by pushes to
a list of nobody's.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import redis
from chaos.fleet import Fleet
from chaos.invariants import Row, account, longest_gap_s
from conftest import RedisServer, eventually
from sentinel_set import DOWN_AFTER_MS, SentinelSet

#: Seconds from the moment when the sentinels name the new master until work goes on.
RESUME_LIMIT_S: Final = 15.0

#: Seconds of writes that `lag` has Redis forget.
LAG_S: Final = 0.3

#: A list that no task type has.
_CANARY: Final = "canary"


def failover(
    folder: Path, *kinds: str, seed: int, tasks: int, instances: int = 3, workers: int = 4, all_fail: bool = False
) -> Row:
    """Lose the master in each of these ways, one after the other, while `tasks` are worked off each time.

    With `all_fail` each moment is one in which some task is in the failed list and not yet removed.
    """
    row = Row(f"failover: {', '.join(dict.fromkeys(kinds))}{', all fail' if all_fail else ''}")
    forgotten = pushes = 0
    watched = SentinelSet(folder / "set", password="pw")
    with Fleet(folder, seed=seed, server=watched) as fleet:
        fleet.configure(fleet.record_type(workers=workers), MaxRecoveries=1_000_000, RedisPassword="pw")
        for index in range(instances):
            fleet.start(index)
        for kind in kinds:
            eventually(watched.replicas_in_step, within=60, what="the replica is in step")
            fleet.push(tasks, acts=(lambda: ("fail", 0)) if all_fail else fleet.mixed)
            canaries = _one_failover(fleet, watched, row, kind)
            pushes += canaries.pushed
            # The last one may have come through without an answer.
            forgotten += max(0, canaries.pushed - fleet.client.llen(_CANARY))
            fleet.client.delete(_CANARY)
        fleet.drain(within=90)
        account(row, fleet, forgetful="lag" in kinds)
        row.require(fleet.alive(), "an instance ended")
        row.note = (
            f"{len(kinds)} ×, went on {row.resume_s:.2f} s after the new master was named (sentinels wait "
            f"{DOWN_AFTER_MS / 1000:g} s); Redis forgot {forgotten} of {pushes} other pushes"
        )
    return row


class _Canaries:
    """Pushes one by one, each acknowledged before the next, until the master is lost."""

    def __init__(self, server: RedisServer) -> None:
        self.pushed = 0
        self._client = server.client()
        self._thread = threading.Thread(target=self._push, daemon=True)

    def _push(self) -> None:
        with contextlib.suppress(redis.RedisError):
            while True:
                self._client.rpush(_CANARY, self.pushed)
                self.pushed += 1

    @contextmanager
    def flying(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            # A frozen server keeps it waiting.
            with contextlib.suppress(redis.RedisError, OSError, ValueError):
                self._client.connection_pool.disconnect()
            self._client.close()


def _one_failover(fleet: Fleet, watched: SentinelSet, row: Row, kind: str) -> _Canaries:
    size = fleet.recorder.size()
    row.require(fleet.client.wait(1, 10_000) == 1, "the replica did not get the tasks")
    eventually(lambda: fleet.recorder.size() > size, what="tasks run")
    old = watched.master()
    canaries = _Canaries(old)
    with canaries.flying():
        time.sleep(fleet.random.uniform(0.05, 0.3))
        begin_ns = time.monotonic_ns()
        WAYS[kind](watched, old)
        eventually(lambda: watched.master() is not old, within=60, what="a replica is promoted")
    named_ns = time.monotonic_ns()
    fleet.connect_anew()
    began = "a task begins after the failover; were all done before, more --tasks are needed"
    eventually(
        lambda: any(run.started_ns > named_ns for run in fleet.recorder.runs()), every=0.1, within=60, what=began
    )
    runs = fleet.recorder.runs()
    resumed_ns = min(run.started_ns for run in runs if run.started_ns > named_ns)
    resume_s = (resumed_ns - named_ns) / 1e9
    row.resume_s = max(row.resume_s, resume_s)
    row.require(resume_s < RESUME_LIMIT_S, f"nothing ran for {resume_s:.1f} s after the new master was named")
    row.outage_s = max(row.outage_s, longest_gap_s(runs, begin_ns=begin_ns, end_ns=resumed_ns))
    fleet.drain(within=90)
    # It comes back as a replica.
    if old.process is None:
        old.start()
    old.thaw()
    for server in watched.servers:
        with server.client() as client:
            client.config_set("masterauth", watched.password)
    return canaries


def _kill(watched: SentinelSet, master: RedisServer) -> None:
    master.stop(signal.SIGKILL)


def _freeze(watched: SentinelSet, master: RedisServer) -> None:
    """As a machine that hangs: connections stay open, and nothing answers."""
    master.freeze()


def _ask(watched: SentinelSet, master: RedisServer) -> None:
    """As for maintenance."""
    watched.fail_over()


def _lag(watched: SentinelSet, master: RedisServer) -> None:
    """Kill it when the replica has not heard of it for a while, as on a bad network."""
    for server in watched.servers:
        with server.client() as client:
            if server is not master:
                client.config_set("masterauth", "wrong")
    with master.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "replica")
    time.sleep(LAG_S)
    master.stop(signal.SIGKILL)


WAYS: Final[dict[str, Callable[[SentinelSet, RedisServer], None]]] = {
    "kill": _kill,
    "freeze": _freeze,
    "ask": _ask,
    "lag": _lag,
}
