"""The records of one type's tasks: what those who know an Id can learn of its task.

A task without an Id has no record, and costs nothing here.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, Protocol

from goophry.clock import Clock
from goophry.config import TaskType
from goophry.engine.exchange import Exchange
from goophry.engine.outage import Outage, insist
from goophry.engine.task import Task
from goophry.entry import TaskEntry
from goophry.events import HelperRepaired, Observer
from goophry.likeness import digest
from goophry.outcome import Outcome
from goophry.record import Status, TaskRecord, kept
from goophry.runners.base import Job
from goophry.store.client import Command, Link
from goophry.store.records import Records
from goophry.store.tasks import Tasks


class Ending(Protocol):
    """What somebody keeps of tasks that have ended, beside their records: a door that tells its clients in its own way."""

    def failed(self, entry: TaskEntry, record: TaskRecord, outcome: Outcome) -> Sequence[Command]:
        """Return the commands that keep that a run failed which is tried again; as `ended`."""
        ...

    def ended(self, entry: TaskEntry, record: TaskRecord, outcome: Outcome) -> Sequence[Command]:
        """Return the commands that keep it; sent before the task is done with, and perhaps more than once."""
        ...


Endings = Callable[[str], Ending | None]
"""Returns whoever keeps something of the tasks of a type."""


def no_endings(task_type: str) -> None:
    """Nobody keeps anything."""


Beginning = Literal["go", "cancelled", "wait"]


class Ledger:
    """Notes how far the tasks of one type are; insists while Redis is away, as all settling does."""

    def __init__(
        self,
        task_type: TaskType,
        *,
        instance: str,
        exchange: Exchange,
        tasks: Tasks,
        records: Records,
        outage: Outage,
        observer: Observer,
        give_up: threading.Event,
        clock: Clock,
        ending: Ending | None = None,
    ) -> None:
        self._type = task_type
        self._instance = instance
        self._exchange = exchange
        self._tasks = tasks
        self._records = records
        self._outage = outage
        self._observer = observer
        self._give_up = give_up
        self._clock = clock
        self._ending = ending

    def begin(self, task: Task, job: Job) -> Beginning:
        """Note that the task begins; returns whether it may, was cancelled meanwhile, or is not to begin here."""
        if job.entry.id is None:
            return "go"
        record = replace(self._record(job, "running"), started=self._clock.now())
        until_start = self._type.unique is not None and self._type.unique.until == "start"
        also = self._tasks.registered(
            self._type.type, entry_id=job.entry.id, digest=self._likeness(job.entry) if until_start else ""
        )
        cancelled = False

        def note() -> None:
            nonlocal cancelled
            cancelled, emptied = self._records.begin(record, also=also)
            self._tell(emptied)

        if not self._insist(task, note):
            return "wait"
        return "cancelled" if cancelled else "go"

    def retry(self, task: Task, job: Job, outcome: Outcome, *, due_s: float) -> bool:
        """Note that the task is tried again; returns whether it may be put off here."""
        if job.entry.id is None:
            return not task.taken
        record = replace(self._after(job, "delayed", outcome), due=due_s)
        own = () if self._ending is None else self._ending.failed(job.entry, record, outcome)
        left_s = due_s - self._clock.now()
        return self._insist(task, lambda: self._records.write(record, left_s=left_s, first=own))

    def delayed(self, entry: TaskEntry, *, due_s: float) -> None:
        """Note that a task which its producer pushed is put off. Raises `StoreError`."""
        if entry.id is not None:
            record = TaskRecord(entry.id, self._type.type, "delayed", enqueued=entry.enqueued_s, due=due_s)
            self._records.write(record, left_s=due_s - self._clock.now())

    def finish(self, task: Task, job: Job, outcome: Outcome) -> bool:
        """Keep the result and tell those who wait for it; returns whether the entry is now done with."""
        if job.entry.id is None:
            return not task.taken
        record = self._after(job, "finished", outcome)
        own = () if self._ending is None else self._ending.ended(job.entry, record, outcome)

        def finish(link: Link) -> None:
            self._finish(link, record, job.entry, first=own)

        return self._insist(task, lambda: self._exchange.write(task, finish))

    def lost(self, task: Task, entry: TaskEntry, outcome: Outcome) -> bool:
        """As `finish`, for a task that is given up without another run."""
        return self.finish(task, Job(entry, "", entry.attempt, task.recovered), outcome)

    def _finish(self, link: Link, record: TaskRecord, entry: TaskEntry, *, first: Sequence[Command]) -> None:
        released = self._tasks.released(self._type.type, entry_id=record.id, digest=self._likeness(entry))
        self._tell(self._records.finish(record, ttl_s=self._type.result_ttl, also=released, first=first, link=link))

    def _tell(self, emptied: int) -> None:
        if emptied:
            what = "the notes of Ids and of equal tasks held another kind of value"
            self._observer.notify(HelperRepaired(self._exchange.queue.name, what))

    def _likeness(self, entry: TaskEntry) -> str:
        unique = self._type.unique
        return digest(entry.args, entry.fields, by="" if unique is None else unique.by)

    def _insist(self, task: Task, note: Callable[[], None]) -> bool:
        def note_if_ours() -> None:
            if self._exchange.still_owns(task):
                note()

        done = insist(note_if_ours, outage=self._outage, give_up=self._give_up, worth_it=lambda: not task.taken)
        return done and not task.taken

    def _record(self, job: Job, status: Status) -> TaskRecord:
        return TaskRecord(
            id=job.entry.id or "",
            type=self._type.type,
            status=status,
            attempt=job.attempt,
            recovered=job.recovered,
            enqueued=job.entry.enqueued_s,
            due=job.entry.due_s,
            instance=self._instance,
            run=job.run_id,
        )

    def _after(self, job: Job, status: Status, outcome: Outcome) -> TaskRecord:
        now = self._clock.now()
        return replace(
            self._record(job, status),
            outcome=outcome.verdict.value,
            exit_code=outcome.exit_code,
            signal=outcome.signal,
            output=kept(outcome.stdout),
            stderr=kept(outcome.stderr),
            error=outcome.message,
            started=now - outcome.duration_s,
            finished=now,
        )
