"""A cluster under load: a master is lost and its replica promoted, and slots move from node to node.

As in `failover`, the replicas have all tasks before a master is lost, so none may be missing
afterwards; what was done in the last moment may be forgotten, and done again.
"""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from chaos.fleet import KEY, Fleet
from chaos.invariants import Row, account, longest_gap_s
from conftest import eventually
from redis_cluster import NODE_TIMEOUT_MS, RedisCluster

#: Seconds from the moment when the cluster serves all slots again until every type goes on.
RESUME_LIMIT_S: Final = 15.0

TYPES: Final = 8


def cluster(folder: Path, *kinds: str, seed: int, tasks: int, instances: int = 2, types: int = TYPES) -> Row:
    """Break the cluster in each of these ways, one after the other, while `tasks` are worked off each time."""
    row = Row(f"cluster: {', '.join(dict.fromkeys(kinds))}")
    nodes = RedisCluster(folder / "nodes")
    with Fleet(folder, seed=seed, server=nodes) as fleet:
        names = [f"t{number}" for number in range(types)]
        fleet.configure(*[fleet.record_type(name, workers=2) for name in names], MaxRecoveries=1_000_000)
        for index in range(instances):
            fleet.start(index)
        for kind in kinds:
            eventually(nodes.serves, within=60, what="the cluster serves")
            size = fleet.recorder.size()
            for name in names:
                fleet.push(tasks // types, name=name, acts=fleet.mixed)
            nodes.await_copied()
            eventually(lambda size=size: fleet.recorder.size() > size, what="tasks run")
            WAYS[kind](fleet, nodes, row)
            fleet.drain(within=60 + tasks / 100)
        account(row, fleet)
        row.require(fleet.alive(), "an instance ended")
        owners = {nodes.slot(f"{KEY}:{name}") for name in names}
        row.note = f"{types} types in {len(owners)} slots; {row.note}"
    return row


def _kill(fleet: Fleet, nodes: RedisCluster, row: Row) -> None:
    """Kill the master of a type; measure until that type goes on."""
    name = fleet.random.choice(sorted(fleet.types()))
    master = nodes.owner(f"{KEY}:{name}")
    time.sleep(fleet.random.uniform(0.05, 0.3))
    begin_ns = time.monotonic_ns()
    master.stop(signal.SIGKILL)
    eventually(lambda: nodes.serves(replicas=False), within=60, what="a replica is promoted")
    _await_progress(fleet, nodes, row, name, begin_ns)
    master.start()


def _freeze(fleet: Fleet, nodes: RedisCluster, row: Row) -> None:
    """The same with a machine that hangs, and comes back when another has its place."""
    name = fleet.random.choice(sorted(fleet.types()))
    master = nodes.owner(f"{KEY}:{name}")
    begin_ns = time.monotonic_ns()
    master.freeze()
    eventually(lambda: nodes.serves(replicas=False), within=60, what="a replica is promoted")
    _await_progress(fleet, nodes, row, name, begin_ns)
    master.thaw()


def _await_progress(fleet: Fleet, nodes: RedisCluster, row: Row, name: str, begin_ns: int) -> None:
    """Wait until a task of the type starts that was pushed after the cluster was whole again."""
    whole_ns = time.monotonic_ns()
    fleet.connect_anew()
    first = len(fleet.pushed)
    fleet.push(20, name=name, acts=lambda: ("ok", 5))
    eventually(lambda: any(run.number >= first for run in fleet.recorder.runs()), every=0.1, within=90)
    runs = [run for run in fleet.recorder.runs() if fleet.pushed[run.number][0] == name]
    resumed_ns = min(run.started_ns for run in runs if run.started_ns > whole_ns)
    resume_s = (resumed_ns - whole_ns) / 1e9
    row.resume_s = max(row.resume_s, resume_s)
    row.outage_s = max(row.outage_s, longest_gap_s(runs, begin_ns=begin_ns, end_ns=resumed_ns))
    row.require(resume_s < RESUME_LIMIT_S, f"nothing of the type ran for {resume_s:.1f} s")
    row.note = (
        f"the type went on {row.resume_s:.2f} s after a replica was promoted "
        f"(cluster-node-timeout {NODE_TIMEOUT_MS / 1000:g} s)"
    )


def _move(fleet: Fleet, nodes: RedisCluster, row: Row) -> None:
    """Move the slots of all types to and fro, slowly, as long as there are tasks."""
    moves = 0
    slowest = 0.0
    while not moves or any(fleet.client.llen(f"{KEY}:{name}") for name in fleet.types()):
        name = fleet.random.choice(sorted(fleet.types()))
        slot, source = nodes.slot(f"{KEY}:{name}"), nodes.owner(f"{KEY}:{name}")
        target = fleet.random.choice([each for each in nodes.running_masters() if each is not source])
        began = time.monotonic()
        # Half of the moves pause between the keys, while commands find some here and some there.
        pause_s = fleet.random.choice((0.0, 0.05))
        nodes.move_slot(slot, target, between=lambda pause_s=pause_s: time.sleep(pause_s))
        slowest = max(slowest, time.monotonic() - began)
        moves += 1
    row.note += f"{'; ' if row.note else ''}{moves} slots moved, {slowest:.1f} s at most"


WAYS: Final[dict[str, Callable[[Fleet, RedisCluster, Row], None]]] = {"kill": _kill, "freeze": _freeze, "move": _move}
