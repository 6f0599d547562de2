"""SIGTERM at random moments, under load."""

import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from acceptance.goophry_process import Goophry
from chaos.fleet import Fleet
from chaos.invariants import Row, account
from chaos.recorder import by_number

from goophry import exit_codes

#: Seconds that a stop may take here: the longest task, KillGrace, and room for a busy machine.
BUDGET_S = 8.0


#: ShutdownTimeout of each stop in turn: half of them wait for what runs, half interrupt it, at once or after a moment.
PATIENCE: Final[tuple[dict[str, float], ...]] = ({}, {"ShutdownTimeout": 0}, {}, {"ShutdownTimeout": 0.05})


def stops(folder: Path, *, seed: int, count: int) -> Row:
    """Start, stop, look, again and again: exit status 0, nothing counted, run + left = pushed.

    While one instance stops, the next one starts.
    """
    row = Row("stop")
    slowest, waited = 0.0, set()
    with Fleet(folder, seed=seed) as fleet:
        member = _next(fleet, 0)
        for turn in range(count):
            fleet.ready(member)
            coming = _next(fleet, turn + 1)
            time.sleep(fleet.random.uniform(0, 0.25))
            if not PATIENCE[turn % len(PATIENCE)]:
                waited.add(member.pid)
            slowest = max(slowest, _stop(fleet, row, member))
            member = coming
        _stop(fleet, row, fleet.ready(member))
        row.require(slowest < BUDGET_S, f"a stop took {slowest:.1f} s")
        twice = _judge(row, fleet, waited)
        row.note = f"slowest {slowest:.2f} s; {twice} ended just as they were interrupted, and ran again"
    row.kills = count
    return row


def _next(fleet: Fleet, turn: int) -> Goophry:
    """Start the instance of this turn, with something to do; it is not ready yet."""
    types = fleet.record_type(workers=6, KillGrace=1), fleet.record_type("u", workers=2, KillGrace=1)
    fleet.configure(*types, **PATIENCE[turn % len(PATIENCE)])
    fleet.push(max(0, 120 - len(fleet.waiting())), acts=lambda: _act(fleet))
    fleet.push(20, name="u", acts=lambda: _act(fleet))
    return fleet.start(turn % 2, ready=False)


def _stop(fleet: Fleet, row: Row, member: Goophry) -> float:
    """Stop it and return the seconds that this took."""
    began = time.monotonic()
    code = member.stop()
    took_s = time.monotonic() - began
    row.require(code == exit_codes.OK, f"exit status {code}")
    left = [key for key in fleet.keys(":running:") if f"-{member.pid}-".encode() in key]
    row.require(not left, "something is still in the running list of a stopped instance")
    return took_s


def _judge(row: Row, fleet: Fleet, waited: Collection[int]) -> int:
    """Look at all runs; returns how many tasks came to their end twice. `waited` are the patient instances."""
    runs = account(row, fleet)
    row.require(not any(run.recovered for run in runs), "an interrupted entry was counted as recovered")
    row.require(all(raw.startswith(b"{") for raw in fleet.waiting()), "an entry that was put back carries a mark")
    cut = [run for run in runs if run.ended_ns is None and run.instance_pid in waited]
    row.require(not cut, "a stop without ShutdownTimeout did not wait for a run")
    twice = [same for same in by_number(runs).values() if sum(bool(run.ended_ns) for run in same) > 1]
    again = [same for same in twice if same[0].instance_pid in waited]
    row.require(not again, "a task that a stop had waited for came to its end twice")
    return len(twice)


def _act(fleet: Fleet) -> tuple[str, int]:
    act = fleet.random.choice(("ok", "ok", "ok", "fail", "print"))
    return act, fleet.random.choice((0, 0, 5, 30, 200, 600))
