"""An entry that kills whoever runs it."""

import time
from pathlib import Path

from chaos.fleet import Fleet
from chaos.invariants import Row, account
from conftest import eventually

MAX_RECOVERIES = 3


def poison(folder: Path, *, seed: int, tasks: int, instances: int = 2) -> Row:
    """Two poisonous entries, one after the other, end as lost after MaxRecoveries; the other type goes on."""
    row = Row("poison")
    with Fleet(folder, seed=seed) as fleet:
        fleet.configure(fleet.record_type("poison", workers=1), fleet.record_type(), MaxRecoveries=MAX_RECOVERIES)
        for index in range(instances):
            fleet.start(index)
        # It waits a little before it kills: what runs beside it then is another task each time.
        fleet.push(2, name="poison", acts=lambda: ("poison", fleet.random.randint(100, 250)))
        fleet.push(tasks, acts=lambda: ("ok", fleet.random.choice((0, 1, 5))))
        deadline = time.monotonic() + 120
        while len(fleet.client.lrange("chaos:poison:failed", 0, -1)) < 2 and time.monotonic() < deadline:
            for member in fleet.members.values():
                if member.process.poll() is not None and (0, member.pid) not in fleet.kills:
                    fleet.kills.append((0, member.pid))
            fleet.revive()
            time.sleep(0.02)
        fleet.revive()
        eventually(fleet.drained, within=60, every=0.05)
        account(row, fleet, given_up={0, 1})
        runs = [run for run in fleet.recorder.runs() if run.number in (0, 1)]
        wanted = 2 * (MAX_RECOVERIES + 1)
        row.require(len(runs) == wanted, f"ran {len(runs)} times, expected {wanted}")
        row.require([run.recovered for run in runs].count(False) == 2, "a run was not told that it is a repetition")
        row.note = f"each ran {len(runs) // 2} times, then lost"
    return row
