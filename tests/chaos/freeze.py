"""SIGSTOP of an instance for longer than its heartbeat lives, and back."""

import os
import signal
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from acceptance.goophry_process import Goophry
from chaos.fleet import KEY, Fleet, number_of
from chaos.invariants import Row, account
from chaos.recorder import Run, by_number
from conftest import eventually

from goophry.store.leases import HEARTBEAT_TTL_S

#: Numbers of the tasks that run when their instance is frozen, and long after.
LONG: Final = frozenset({0, 1})


def freeze(folder: Path, *, seed: int, tasks: int, frozen_s: float, scripts_too: bool) -> Row:
    """Freeze one of two instances; what it held runs elsewhere, what others hold runs once.

    Its long tasks are still running when it comes back: it must end them and settle none of them.
    """
    row = Row("freeze, scripts too" if scripts_too else "freeze")
    with Fleet(folder, seed=seed) as fleet:
        _set_to_work(fleet, long_ms=int((frozen_s + 6) * 1000))
        fleet.push(tasks, acts=fleet.mixed)
        frozen = fleet.members[0]
        mine = [run for run in fleet.recorder.runs() if run.instance_pid == frozen.pid and run.number in LONG]
        pids = [frozen.pid, *(run.pid for run in mine if scripts_too)]

        _send(pids, signal.SIGSTOP)
        frozen_ns = time.monotonic_ns()
        held = _held_by(fleet, frozen)
        time.sleep(frozen_s)
        _send(pids, signal.SIGCONT)
        frozen.wait_event("ownership.lost")
        eventually(lambda: not any(_lives(run.pid) for run in mine), what="the runs that others took are ended")
        eventually(lambda: not fleet.client.llen(f"{KEY}:t"), within=60, what="the other type is done")

        runs = account(row, fleet, frozen=held)
        row.recovery_s = _judge(row, runs, frozen, frozen_ns, held)
        row.require(fleet.alive(), "an instance ended")
        row.note = f"{len(held)} held, {sum(bool(run.beside) for run in runs)} ran beside the frozen one's"
    return row


def _set_to_work(fleet: Fleet, *, long_ms: int) -> None:
    """Start two instances, each with two long tasks; only the second has workers to spare."""
    fleet.configure(fleet.record_type("long", workers=2, KillGrace=1), fleet.record_type())
    fleet.start(0)
    fleet.push(2, name="long", acts=lambda: ("ok", long_ms))
    eventually(lambda: len(fleet.recorder.runs()) == 2)
    fleet.configure(fleet.record_type("long", workers=4, KillGrace=1), fleet.record_type())
    fleet.start(1)
    fleet.push(2, name="long", acts=lambda: ("ok", long_ms))
    eventually(lambda: len(fleet.recorder.runs()) == 4)


def _held_by(fleet: Fleet, frozen: Goophry) -> set[int]:
    time.sleep(0.3)  # a command on its way may still reach Redis
    lists = [key for key in fleet.keys(":running:") if f"-{frozen.pid}-".encode() in key]
    return {number_of(raw) for key in lists for raw in fleet.client.lrange(key, 0, -1)}


def _judge(row: Row, runs: Sequence[Run], frozen: Goophry, frozen_ns: int, held: Collection[int]) -> float:
    """Look at who ran what; returns the seconds until all that was held had started elsewhere."""
    found = by_number(runs)
    # What it had popped but not started, it starts when it comes back, and ends at its next look.
    elsewhere = {n: [run for run in found.get(n, ()) if run.instance_pid != frozen.pid] for n in held}
    again = {number: others[0] for number, others in elsewhere.items() if others}
    recovery_s = max((first.started_ns - frozen_ns for first in again.values()), default=0) / 1e9
    twice = [number for number, same in found.items() if len(same) > 1 and number not in held]
    row.require(again.keys() >= LONG, f"of the frozen instance's long tasks only these ran again: {sorted(again)}")
    row.require(not twice, f"tasks of a living instance ran twice: {twice[:5]}")
    row.require(recovery_s < HEARTBEAT_TTL_S + 5, f"a recovery took {recovery_s:.1f} s")
    row.require(not any(found[number][0].ended_ns for number in LONG), "a run that others took came to its end")
    return recovery_s


def long_task(folder: Path, *, seed: int, task_s: float) -> Row:
    """A task far longer than the heartbeat's life, under the eyes of two others, runs once."""
    row = Row("long task")
    with Fleet(folder, seed=seed) as fleet:
        fleet.configure(fleet.record_type(workers=1))
        for index in range(3):
            fleet.start(index)
        fleet.push(2, acts=lambda: ("ok", int(task_s * 1000)))
        fleet.drain(within=task_s + 30)
        account(row, fleet)
        row.require(row.duplicates == 0, "it ran twice")
        row.note = f"{task_s:.0f} s, heartbeat {HEARTBEAT_TTL_S} s"
    return row


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _lives(pid: int) -> bool:
    try:
        return b") Z" not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
