"""What runs in this instance now."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

from goophry.clock import Clock
from goophry.engine.task import Task
from goophry.outcome import Verdict
from goophry.runners.base import Job

#: Runs that a heartbeat tells of, and characters of the arguments of each.
MOST_SHOWN: Final = 100
SHOWN_ARGS: Final = 200


class Run(NamedTuple):
    """One run in progress."""

    type: str
    task: Task
    job: Job
    started_s: float
    """Unix seconds."""
    timeout_s: float
    """0 = no limit."""


class RunningTasks:
    """All runs of all types, the oldest first. Thread-safe; two steps for each task."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        # One step of a dict is atomic, and a lock would be shared by all workers.
        self._runs: dict[str, Run] = {}

    def begin(self, task_type: str, task: Task, job: Job, *, timeout_s: float) -> None:
        """Note that a run begins."""
        self._runs[job.run_id] = Run(task_type, task, job, self._clock.now(), timeout_s)

    def end(self, job: Job) -> None:
        """Note that a run has ended."""
        self._runs.pop(job.run_id, None)

    def all(self) -> list[Run]:
        """Return what runs now, the oldest first."""
        while True:
            try:
                return list(self._runs.values())
            except RuntimeError:  # one began or ended meanwhile
                continue

    def with_id(self, entry_id: str) -> list[Run]:
        """Return the runs of the task with this Id; more than one only while an instance takes it from itself."""
        return [run for run in self.all() if run.job.entry.id == entry_id]

    def with_run(self, run_id: str) -> Run | None:
        """Return the run of this id; None if there is none here."""
        return self._runs.get(run_id)

    def cancel_run(self, run_id: str) -> None:
        """End one run, with all its processes; its task may have no Id."""
        run = self.with_run(run_id)
        if run is not None:
            run.task.interrupt.set(Verdict.CANCELLED)

    def cancel(self, entry_id: str) -> int:
        """End the runs of the task with this Id, with all their processes; returns how many there are."""
        runs = self.with_id(entry_id)
        for run in runs:
            run.task.interrupt.set(Verdict.CANCELLED)
        return len(runs)

    def shown(self) -> list[dict[str, Any]]:
        """Return what the heartbeat tells of the oldest runs."""
        return list(islice(self._shown(), MOST_SHOWN))

    def _shown(self) -> Iterator[dict[str, Any]]:
        for run in self.all():
            shown = {
                "Type": run.type,
                "Run": run.job.run_id,
                "Args": _short(run.job.entry.args),
                "Started": round(run.started_s, 3),
                "Timeout": run.timeout_s,
                "Attempt": run.job.attempt,
            }
            yield shown if run.job.entry.id is None else shown | {"Id": run.job.entry.id}


def _short(args: tuple[str, ...]) -> str:
    """Return the arguments as a person reads them, at most `SHOWN_ARGS` characters."""
    text = ""
    for arg in args:
        text += f'{" " if text else ""}"{arg[:SHOWN_ARGS]}"'
        if len(text) > SHOWN_ARGS:
            return text[: SHOWN_ARGS - 1] + "…"
    return text
