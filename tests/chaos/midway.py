"""A master lost in the midst of many tasks of eight types: of a set with three sentinels, and of a cluster, also while slots move.

The replicas have all tasks before that, so none may be missing afterwards. What was *done* in the last moment may be
forgotten, and done again.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import redis
from chaos.fleet import KEY, Fleet
from chaos.invariants import Row, account, longest_gap_s
from conftest import RedisServer, eventually
from redis_cluster import NODE_TIMEOUT_MS, RedisCluster
from sentinel_set import DOWN_AFTER_MS, SentinelSet

#: Seconds from the moment when another master is there until the tasks go on.
RESUME_LIMIT_S: Final = 15.0

TYPES: Final = tuple(f"t{number}" for number in range(8))


def in_a_set(folder: Path, *, seed: int, tasks: int) -> Row:
    """Kill the master that three sentinels watch over, when half of the tasks are done."""
    row = Row("midway: sentinels, kill")
    watched = SentinelSet(folder / "set")
    with _halfway(folder, watched, seed=seed, tasks=tasks, copied=lambda: _copied(watched)) as fleet:
        old = watched.master()
        begin_ns = time.monotonic_ns()
        old.stop(signal.SIGKILL)
        eventually(lambda: watched.master() is not old, within=60, what="a replica is promoted")
        named_ns = time.monotonic_ns()
        fleet.connect_anew()
        _end(fleet, row, TYPES, begin_ns=begin_ns, whole_ns=named_ns)
        row.note = f"sentinels wait {DOWN_AFTER_MS / 1000:g} s; {row.note}"
    return row


def in_a_cluster(folder: Path, *, seed: int, tasks: int, kill: bool, move: bool) -> Row:
    """Kill a master, move slots between the others, or both, when half of the tasks are done."""
    row = Row(f"midway: cluster {'+'.join(['kill'] * kill + ['move'] * move)}")
    nodes = RedisCluster(folder / "nodes")
    with _halfway(folder, nodes, seed=seed, tasks=tasks, copied=nodes.await_copied) as fleet:
        doomed = nodes.owner(f"{KEY}:{fleet.random.choice(TYPES)}")
        owned = [name for name in TYPES if nodes.owner(f"{KEY}:{name}") is doomed]
        with _moving(fleet, nodes, row, stays=doomed) if move else contextlib.nullcontext():
            begin_ns = whole_ns = time.monotonic_ns()
            if kill:
                time.sleep(1.0)
                begin_ns, whole_ns = _kill(nodes, doomed)
                fleet.connect_anew()
            _end(fleet, row, owned, begin_ns=begin_ns, whole_ns=whole_ns, killed=kill)
        if kill:
            row.note = f"{len(owned)} types on it, cluster-node-timeout {NODE_TIMEOUT_MS / 1000:g} s; {row.note}"
    return row


@contextmanager
def _halfway(
    folder: Path, server: SentinelSet | RedisCluster, *, seed: int, tasks: int, copied: Callable[[], object]
) -> Iterator[Fleet]:
    """Start two instances, push all tasks, and yield when half of the tasks have been taken."""
    with Fleet(folder, seed=seed, server=server) as fleet:
        fleet.configure(*[fleet.record_type(name, workers=2) for name in TYPES], MaxRecoveries=1_000_000)
        for index in range(2):
            fleet.start(index)
        for name in TYPES:
            fleet.push(tasks // len(TYPES), name=name, acts=fleet.mixed)
        copied()
        eventually(lambda: _waiting(fleet) <= tasks // 2, within=60 + tasks / 50, every=0.2, what="half is taken")
        yield fleet


def _end(fleet: Fleet, row: Row, types: Collection[str], *, begin_ns: int, whole_ns: int, killed: bool = True) -> None:
    """Wait until all is settled; note what became of it, and when tasks of these types went on."""
    # The sentinels name a master shortly before they say that it is well.
    eventually(lambda: _answers(fleet), within=30, what="the new master answers")
    for name in types if killed else ():
        # With few tasks all may be done by now.
        fleet.push(1, name=name, acts=lambda: ("ok", 0))
    fleet.drain(within=60 + len(fleet.pushed) / 50)
    runs = account(row, fleet, forgetful=killed)
    row.require(fleet.alive(), "an instance ended")
    if not killed:
        return
    affected = [run for run in runs if fleet.pushed[run.number][0] in types]
    resumed_ns = min(run.started_ns for run in affected if run.started_ns > whole_ns)
    row.kills = 1
    row.resume_s = (resumed_ns - whole_ns) / 1e9
    row.outage_s = longest_gap_s(affected, begin_ns=begin_ns, end_ns=resumed_ns)
    row.require(row.resume_s < RESUME_LIMIT_S, f"nothing ran for {row.resume_s:.1f} s after the promotion")
    row.note += (
        f"went on {row.resume_s:.2f} s after the promotion, {(resumed_ns - begin_ns) / 1e9:.2f} s after the kill"
    )


def _kill(nodes: RedisCluster, master: RedisServer) -> tuple[int, int]:
    """Kill a master; returns when that was, and when the cluster was whole again."""
    begin_ns = time.monotonic_ns()
    master.stop(signal.SIGKILL)
    eventually(lambda: nodes.serves(replicas=False), within=60, what="a replica is promoted")
    whole_ns = time.monotonic_ns()
    master.start()
    return begin_ns, whole_ns


@contextmanager
def _moving(fleet: Fleet, nodes: RedisCluster, row: Row, *, stays: RedisServer) -> Iterator[None]:
    """Move the slots of types to and fro, all the while, but for those on one master."""
    moves, over, failures = 0, threading.Event(), list[BaseException]()

    def move() -> None:
        nonlocal moves
        movable = [name for name in TYPES if nodes.owner(f"{KEY}:{name}") is not stays]
        while not over.is_set():
            for name in movable:
                source = nodes.owner(f"{KEY}:{name}")
                others = [each for each in nodes.running_masters() if each not in {source, stays}]
                _move(nodes, nodes.slot(f"{KEY}:{name}"), others[0], pause=over.wait)
                moves += 1

    def run() -> None:
        try:
            move()
        except BaseException as error:  # the scenario is broken, and says why
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(120)
        row.require(not failures, f"slots could not be moved: {failures}")
        row.note += f"{'; ' if row.note else ''}{moves} slots moved"


def _move(nodes: RedisCluster, slot: int, target: RedisServer, *, pause: Callable[[float], object]) -> None:
    """Move a slot; while the cluster is down nothing can be, so that is tried again, as tools do when told to fix it."""
    give_up = time.monotonic() + 30
    while True:
        try:
            return nodes.move_slot(slot, target, between=lambda: pause(0.02))
        except redis.RedisError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)


def _answers(fleet: Fleet) -> bool:
    with contextlib.suppress(redis.RedisError):
        return bool(fleet.client.ping())
    return False


def _waiting(fleet: Fleet) -> int:
    return sum(fleet.client.llen(f"{KEY}:{name}") for name in TYPES)


def _copied(watched: SentinelSet) -> None:
    with watched.master().client() as client:
        client.rpush("last", "one")
        assert client.wait(1, 60_000) == 1, "the replica did not get the tasks"
