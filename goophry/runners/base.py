"""The seam between the engine and whatever executes an entry."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from goophry.entry import TaskEntry
from goophry.outcome import Captured, Outcome, Verdict


class Written(Protocol):
    """Looks at what a run has written so far, without a stop."""

    def __call__(self, stream: Literal["stdout", "stderr"]) -> Captured:
        """Return what is kept of it."""
        ...


class Interrupt:
    """Another thread's wish that one run should end before its time.

    The engine makes one for each run and keeps it while the run lasts. `set` may come at any
    moment, also before the runner looks and after the run has ended; only the first reason
    counts. A runner attaches the eventfd that wakes it, *then* looks at `reason`, so no wish is
    missed; a wake-up without a reason is a stale one and is ignored.
    """

    __slots__ = ("_lock", "_wake_fd", "grace_s", "reason", "written")

    def __init__(self) -> None:
        self.reason: Verdict | None = None
        self.grace_s: float | None = None
        """Seconds between TERM and KILL; None = the type's KillGrace, 0 = KILL at once."""
        self.written: Written | None = None
        """Set by a runner that can tell while the run lasts; may be called from any thread, also after its end."""
        self._wake_fd: int | None = None
        # A wish that comes late must not write to a descriptor that is something else by now.
        self._lock = threading.Lock()

    def attach(self, wake_fd: int) -> None:
        """Name the eventfd that wakes the runner of this run."""
        with self._lock:
            self._wake_fd = wake_fd

    def detach(self) -> None:
        """Say that the run is over; the eventfd is not touched from now on."""
        with self._lock:
            self._wake_fd = None

    def set(self, reason: Verdict, *, grace_s: float | None = None) -> None:
        """Ask for the end of the run, for `reason` (`CANCELLED` or `INTERRUPTED`).

        A later call keeps the first reason but may shorten the grace.
        """
        if self.reason is None:
            self.reason = reason
        self.grace_s = grace_s
        with self._lock:
            if self._wake_fd is not None:
                os.eventfd_write(self._wake_fd, 1)


@dataclass(slots=True)
class Job:
    """One run of one entry, as a runner sees it."""

    entry: TaskEntry
    run_id: str
    """Unique for each run; the script sees it as GOOPHRY_RUN."""
    attempt: int = 1
    recovered: int = 0
    """How often the entry was taken over from a dead instance."""
    interrupt: Interrupt = field(default_factory=Interrupt)

    def timeout_s(self, usual_s: float) -> float:
        """Return the seconds that the run may take, 0 = no limit: the entry's own, else `usual_s`, its type's."""
        return usual_s if self.entry.timeout_s is None else self.entry.timeout_s


class Runner(Protocol):
    """Executes entries of one task type for one worker; `run` and `close` are called by that worker's thread."""

    def run(self, job: Job) -> Outcome:
        """Run the entry to its end and say how it ended. Never raises for what the task did."""
        ...

    def close(self) -> None:
        """Free what is held between runs. No run is in progress; called once."""
        ...


RunnerFactory = Callable[[], Runner]
"""Makes the runner of one worker; called in the worker's thread."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What the ErrorScript is told. All but `message` goes into its environment, unless empty."""

    message: str
    type: str = ""
    entry_id: str | None = None
    run_id: str = ""
    attempt: int = 0
    outcome: str = ""


class ErrorScriptCaller(Protocol):
    """Runs ErrorScripts; may be used by several threads at a time."""

    def run(self, path: Path, notice: Notice, *, interrupt: Interrupt | None = None) -> tuple[str, str]:
        """Run the ErrorScript to its end and return verdict and problem.

        The verdict is `ok`, `failed`, `timeout`, `output` or, when `interrupt` asked,
        `interrupted`. The problem is empty when it went well; for `output` it is what was
        written to stdout, else the reason. Never raises for what the script did.
        """
        ...
