"""What must hold however often and wherever things broke."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from chaos.fleet import Fleet, number_of
from chaos.recorder import Run, by_number

#: Seconds from the death of an instance to the second start of what it held: the issue's bound.
RECOVERY_LIMIT_S = 15.0


#: Acts that come to a good end, and at which attempt.
GOOD: Final = {"ok": 1, "retry": 2}


@dataclass(slots=True)
class Row:
    """One line of the table."""

    scenario: str
    tasks: int = 0
    kills: int = 0
    lost: int = 0
    duplicates: int = 0
    doubles: int = 0
    recovery_s: float = 0.0
    resume_s: float = 0.0
    outage_s: float = 0.0
    took_s: float = 0.0
    note: str = ""
    problems: list[str] = field(default_factory=list)

    def require(self, holds: object, sentence: str) -> None:
        """Note what was to hold, if it does not."""
        if not holds:
            self.problems.append(sentence)

    @property
    def verdict(self) -> str:
        return "BROKEN" if self.problems else "holds"


def account(
    row: Row, fleet: Fleet, *, frozen: Collection[int] = (), given_up: Collection[int] = (), forgetful: bool = False
) -> list[Run]:
    """Compare what was pushed with what became of it, fill the row and return the runs.

    Runs beside a living first run are forgiven for the tasks in `frozen`, those that an instance
    held when it was frozen, and for all if Redis was `forgetful` of who had taken what. Tasks in `given_up` must be in the failed list as lost, no others may.
    """
    runs = fleet.recorder.runs()
    found = by_number(runs)
    failed: dict[int, str] = {number_of(raw): json.loads(raw)["ErrorMessage"] for raw in fleet.failed()}
    queued = {number_of(raw) for raw in (*fleet.waiting(), *fleet.delayed(), *fleet.held())}
    good = {number for number, (_, act) in fleet.pushed.items() if act in GOOD}
    succeeded = {
        number
        for number in good
        if any(run.ended_ns and run.attempt >= GOOD[fleet.pushed[number][1]] for run in found.get(number, ()))
    }
    lost = fleet.pushed.keys() - succeeded - failed.keys() - queued
    doubles = [run for run in runs if run.beside and run.number not in frozen]
    given = {number for number, message in failed.items() if message.startswith("lost:")}

    row.tasks, row.kills = len(fleet.pushed), len(fleet.kills)
    row.lost, row.doubles = len(lost), len(doubles)
    row.duplicates = len(runs) - len({(run.number, run.attempt) for run in runs})
    row.recovery_s = longest_recovery_s(fleet, runs)
    row.require(not lost, f"lost: {[(number, fleet.pushed[number]) for number in sorted(lost)[:5]]} of {len(lost)}")
    row.require(forgetful or not doubles, f"ran beside a living run of the same entry: {doubles[:3]} of {len(doubles)}")
    row.require(found.keys() <= fleet.pushed.keys(), "something ran that nobody pushed")
    row.require(given == set(given_up), f"failed as lost: {sorted(given)[:5]}, expected {sorted(given_up)[:5]}")
    row.require(not (failed.keys() & good) - given, "a success is in the failed list")
    row.require(row.recovery_s < RECOVERY_LIMIT_S, f"a recovery took {row.recovery_s:.1f} s")
    faults = fleet.faults()
    row.require(not faults, f"goophry's own faults in the log: {faults[:2]}")
    return runs


def longest_recovery_s(fleet: Fleet, runs: Sequence[Run]) -> float:
    """Return the longest time from a kill to the next start of a task that the killed instance held."""
    killed = {pid: at_ns for at_ns, pid in fleet.kills}
    longest = 0
    for same in by_number(runs).values():
        for first, second in pairwise(same):
            if first.attempt != second.attempt:
                continue  # it was tried again, when its time and its turn had come
            at_ns = killed.get(first.instance_pid)
            if at_ns is not None and first.started_ns < at_ns < second.started_ns:
                longest = max(longest, second.started_ns - at_ns)
    return longest / 1e9


def longest_gap_s(runs: Sequence[Run], *, begin_ns: int, end_ns: int) -> float:
    """Return the longest time between two starts of any tasks that touches this span."""
    starts = sorted(run.started_ns for run in runs)
    gaps = [later - sooner for sooner, later in pairwise(starts) if later > begin_ns and sooner < end_ns]
    return max(gaps, default=0) / 1e9
