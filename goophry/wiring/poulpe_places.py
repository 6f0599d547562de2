"""Which worker gets a job of poulpe's clients, and jobs that have been taken in and are in no queue yet."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from goophry.doors.poulpe_job import Job, allowed_workers
from goophry.store.poulpe import Load


class Choice:
    """Chooses the worker with the least to do, and counts what it has chosen."""

    def __init__(self, loads: Sequence[Load]) -> None:
        self._loads = [(load.waiting + load.running, load.delayed) for load in loads]

    def worker(self, job: Job, *, after: int | None) -> int:
        """Return the worker for a job; `after` is the one that runs an earlier job of the same key."""
        allowed = allowed_workers(job.cc, workers=len(self._loads))
        later = job.delay > 0
        least = min(allowed, key=lambda worker: (self._load(worker, later=later), worker))
        chosen = after if after in allowed and after is not None else least
        busy, delayed = self._loads[chosen]
        self._loads[chosen] = (busy, delayed + 1) if later else (busy + 1, delayed)
        return chosen

    def _load(self, worker: int, *, later: bool) -> int:
        busy, delayed = self._loads[worker]
        # What is due later counts for what is due later too: it will come at the same time, perhaps.
        return busy + delayed if later else busy


@dataclass(frozen=True, slots=True)
class Placed:
    """A job and its worker. In Redis it is a note, until the job is in the worker's queue."""

    job: Job
    ticket: str
    worker: int
    after: str = ""
    """Ticket of a job of the same key that may run at a worker which cc forbids this one: that is to end first."""

    @property
    def note(self) -> bytes:
        """Return what `of_note` reads."""
        value = {"Job": self.job.to_fields(), "Ticket": self.ticket, "Worker": self.worker, "After": self.after}
        return json.dumps(value).encode()

    @classmethod
    def of_note(cls, note: bytes) -> Self | None:
        """Read a note; None if it is none."""
        try:
            value = json.loads(note)
            return cls(Job.from_fields(value["Job"]), str(value["Ticket"]), int(value["Worker"]), str(value["After"]))
        except (ValueError, TypeError, KeyError):
            return None
