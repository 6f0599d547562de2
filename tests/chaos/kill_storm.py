"""SIGKILL of a random instance, again and again, under load."""

import time
from pathlib import Path

from chaos.fleet import Fleet
from chaos.invariants import Row, account

INSTANCES = 3


def kill_storm(folder: Path, *, seed: int, tasks: int, kills: int) -> Row:
    """Kill at random moments, start again at once or later; at the end everything pushed has ended."""
    row = Row("kill storm")
    with Fleet(folder, seed=seed) as fleet:
        # Three deaths in a row of the same innocent entry are likely here; poison has its own scenario.
        fleet.configure(fleet.record_type(), MaxRecoveries=1_000_000)
        fleet.push(tasks // 2, acts=fleet.mixed)
        for index in range(INSTANCES):
            fleet.start(index)
        for count in range(kills):
            kill_one(fleet, fleet.random.uniform(0, 0.4))
            if count == kills // 2:
                fleet.push(tasks - tasks // 2, acts=fleet.mixed)
        fleet.revive()
        fleet.drain(within=60 + tasks / 100)
        account(row, fleet)
        row.require(fleet.alive(), "an instance ended by itself")
    return row


def swept_kills(folder: Path, *, seed: int, tasks: int, sweeps: int, step_s: float = 0.002) -> Row:
    """Kill a fresh instance a little later each time, from its first heartbeat on."""
    row = Row("kill sweep")
    with Fleet(folder, seed=seed) as fleet:
        fleet.configure(fleet.record_type(workers=8), MaxRecoveries=1_000_000)
        fleet.push(tasks, acts=fleet.mixed)
        for count in range(sweeps):
            fleet.start(0)
            time.sleep(count * step_s)
            fleet.kill(0)
        fleet.start(0)
        fleet.drain(within=60 + tasks / 100)
        account(row, fleet)
    return row


def kill_one(fleet: Fleet, after_s: float) -> None:
    """Kill a random instance after a while; mostly all that are dead are started again."""
    time.sleep(after_s)
    running = [index for index, member in fleet.members.items() if member.process.poll() is None]
    index = fleet.random.choice(running)
    fleet.kill(index)
    if len(running) > 1 and fleet.random.random() < 0.3:
        return  # this one stays away until another is killed
    fleet.revive()
