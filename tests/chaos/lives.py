"""Tasks with Ids that are put off, tried again and looked up, while their instances are killed.

Beside what holds for all tasks: each Id has the result that its task came to, and nothing is
left of the ended ones that would keep a task of the same Id or the same arguments out.
"""

import json
from pathlib import Path
from typing import Any, Final

from chaos.fleet import KEY, Fleet
from chaos.invariants import GOOD, Row, account
from chaos.kill_storm import INSTANCES, kill_one

#: Seconds between the tries of a task that fails.
RETRY: Final = [0.1, 0.3]


def kill_lives(folder: Path, *, seed: int, tasks: int, kills: int) -> Row:
    """Kill at random moments; each task with an Id ends with the right result."""
    row = Row("kill storm, lives")
    with Fleet(folder, seed=seed) as fleet:
        fleet.configure(fleet.record_type(Retry=RETRY, Unique={"Until": "end"}), MaxRecoveries=1_000_000)
        push_lives(fleet, tasks // 2)
        for index in range(INSTANCES):
            fleet.start(index)
        for count in range(kills):
            kill_one(fleet, fleet.random.uniform(0, 0.4))
            if count == kills // 2:
                push_lives(fleet, tasks - tasks // 2)
        fleet.revive()
        fleet.drain(within=60 + tasks / 50)
        account(row, fleet)
        judge_lives(row, fleet)
        row.require(fleet.alive(), "an instance ended by itself")
    return row


def push_lives(fleet: Fleet, count: int) -> None:
    """Push tasks of every kind: some have an Id, some are put off, some succeed only at the second try."""

    def acts() -> tuple[str, int]:
        return ("retry", fleet.random.choice((0, 5))) if fleet.random.random() < 0.15 else fleet.mixed()

    def fields(number: int) -> dict[str, Any]:
        chosen: dict[str, Any] = {"Id": id_of(number)} if number % 2 else {}
        return chosen | ({"Delay": round(fleet.random.uniform(0.05, 1.5), 3)} if fleet.random.random() < 0.2 else {})

    fleet.push(count, acts=acts, fields=fields)


def id_of(number: int) -> str:
    return f"task-{number}"


def judge_lives(row: Row, fleet: Fleet) -> None:
    """Look at the records of all tasks with an Id, and for what is left of them."""
    wrong = []
    for number, (_, act) in fleet.pushed.items():
        if number % 2 == 0:
            continue
        record = json.loads(fleet.client.get(f"{KEY}:result:{id_of(number)}") or b"{}")
        found = (record.get("Status"), record.get("Outcome") == "success", record.get("Attempt"))
        attempts = GOOD.get(act, len(RETRY) + 1)
        if found != ("finished", act in GOOD, attempts):
            wrong.append((number, act, found))
    row.require(not wrong, f"records that are not as they should be: {wrong[:3]} of {len(wrong)}")
    for part in ("ids", "unique", "delayed"):
        key = f"{{{KEY}:t}}:{part}"
        row.require(not fleet.client.exists(key), f"{part} is left over: {fleet.client.type(key)}")
    row.note = f"{sum(number % 2 for number in fleet.pushed)} with an Id, all with the right result"
