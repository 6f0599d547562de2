"""poulpe's door, put together: what it asks of goophry, and what it keeps of jobs."""

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from goophry.config_door_types import poulpe_type
from goophry.doors.base import Stop
from goophry.doors.poulpe import Info, Said, result_message, short_result
from goophry.doors.poulpe_job import Job, allowed_workers, place_of
from goophry.doors.poulpe_run import FIELD, OK, dead_letter, error_text, submission_of
from goophry.engine.intake import Intake
from goophry.engine.listener import Hear
from goophry.entry import NOTES, TaskEntry
from goophry.outcome import Outcome, Verdict
from goophry.record import TaskRecord
from goophry.store import keys
from goophry.store.client import Command
from goophry.store.poulpe import OUTBOX, Load, PoulpeStore
from goophry.submission import InvalidSubmission

_MORE: Final = b"."
_LAST: Final = b"!"


Listen = Callable[[str, Hear], Stop]
"""As `Listener.listen`."""


class Desk:
    """What the door asks of goophry; see `PoulpeDesk`."""

    def __init__(self, intake: Intake, store: PoulpeStore, listen: Listen, *, queue_key: str, workers: int) -> None:
        self._intake = intake
        self._store = store
        self._listen = listen
        self._queue_key = queue_key
        self._workers = workers
        self._types = [poulpe_type(worker) for worker in range(workers)]
        # Two jobs at a time would both go to the worker that is idle.
        self._choosing = threading.Lock()

    def take(self, jobs: Sequence[tuple[Job, str]]) -> None:
        """Take jobs in. Raises `InvalidSubmission` for the first that is none; the others are taken in."""
        for problem in self.take_each(jobs):
            if problem is not None:
                raise problem

    def take_each(self, jobs: Sequence[tuple[Job, str]]) -> Sequence[InvalidSubmission | None]:
        """Take jobs in, no key twice; returns of each what speaks against it."""
        with self._choosing:
            replaced = self._store.enter([(job.key, place_of(job.key), ticket) for job, ticket in jobs])
            loads = self._store.loads(self._types)
            before = {old: self._worker_of(old, loads) for old in replaced if old is not None}
            choice = _Choice(loads)
            tasks = [
                submission_of(job, ticket=ticket, worker=choice.worker(job, after=before.get(old or "")))
                for (job, ticket), old in zip(jobs, replaced, strict=True)
            ]
            received = self._intake.submit_many(tasks)
        problems: list[InvalidSubmission | None] = []
        for (job, ticket), old, reception in zip(jobs, replaced, received, strict=True):
            problem = reception if isinstance(reception, InvalidSubmission) else None
            problems.append(problem)
            if problem is not None:
                self._store.left(job.key, ticket, old)
            elif old is not None:
                self._intake.withdraw(old)
        return problems

    def fire(self, job: Job) -> None:
        """Take in the job of a moment of the cron file, unless the moment has been taken. Raises `InvalidSubmission`.

        Moment and job are noted in one step, and the task's Id is made of the moment. So whoever dies
        on the way leaves what another puts in, and who comes second puts in nothing.
        """
        if self._store.has_fired(job.key):
            return
        with self._choosing:
            worker = _Choice(self._store.loads(self._types)).worker(job, after=None)
            note = json.dumps({"Worker": worker, "Job": job.to_fields()}).encode()
            if self._store.fire(job.key, _ticket(job), note):
                self._put_in(job, worker)

    def take_up(self, *, before_s: float) -> None:
        """Put in what somebody noted for a moment before `before_s` and has not put in. Raises `InvalidSubmission`."""
        for key, note in self._store.firing().items():
            noted = _noted(note)
            if noted is None:  # somebody else's, or rubbish
                self._store.is_in(key)
            elif noted[0].posted < before_s:
                self._put_in(*noted)

    def _put_in(self, job: Job, worker: int) -> None:
        """Put in the job of the cron file; it may be in already, or have been."""
        ticket = _ticket(job)
        try:
            self._intake.submit(submission_of(job, ticket=ticket, worker=worker))
        except InvalidSubmission:
            self._store.left(job.key, ticket, None)
            self._store.is_in(job.key)
            raise
        self._store.is_in(job.key)

    def watch(self, place: str, told: Callable[[], None]) -> Stop:
        """Have `told` called whenever something may have been said there."""
        return self._listen(keys.poulpe_said_channel(self._queue_key, place), lambda _: told())

    def said(self, place: str) -> Said | None:
        """Take what was said first."""
        raw = self._store.said(place)
        return None if raw is None else Said(raw[1:].decode(errors="replace"), is_last=raw[:1] == _LAST)

    def put_back(self, place: str, said: Said) -> None:
        """Put back what was taken last."""
        self._store.put_back(place, _raw(said.text, is_last=said.is_last))

    def info(self) -> Info:
        """Return all jobs, but those that have been replaced."""
        working, later = self._store.entries(self._types)
        tickets = self._store.tickets()
        waits: dict[str, int] = {}
        wrong = [key for key, _ in self._store.dead().values()]
        for entry, due_ms in later:
            if entry.get("Id") not in tickets:
                continue
            if (entry.get(NOTES) or {}).get("Attempt", 1) > 1:
                wrong.append(_key(entry))
            else:
                waits[_key(entry)] = due_ms // 1000
        sizes = {worker: load.waiting for worker, load in enumerate(self._store.loads(self._types))}
        runs = [_key(entry) for entry in working if entry.get("Id") in tickets]
        return Info(sizes, sorted(waits.items()), sorted(set(runs)), sorted(set(wrong)))

    def _worker_of(self, ticket: str, loads: Sequence[Load]) -> int | None:
        """Return which worker runs the job, or may begin it any moment; None if none does."""
        record = self._intake.record(ticket)
        if record is None or record.type not in self._types:
            return None
        worker = self._types.index(record.type)
        is_next = record.status == "waiting" and loads[worker].waiting + loads[worker].running <= 1
        return worker if is_next or record.status == "running" else None


class _Choice:
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


class KeepSaid:
    """An `Ending`: what clients are told of each attempt, and the dead letter of the last."""

    def __init__(self, store: PoulpeStore) -> None:
        self._store = store

    def failed(self, entry: TaskEntry, record: TaskRecord, outcome: Outcome) -> Sequence[Command]:
        """See `Ending.failed`."""
        job = _job(entry)
        return () if job is None else self._say(job, record, error_text(job, outcome), is_last=False)

    def ended(self, entry: TaskEntry, record: TaskRecord, outcome: Outcome) -> Sequence[Command]:
        """See `Ending.ended`."""
        job = _job(entry)
        if job is None:
            return ()
        if outcome.verdict is Verdict.CANCELLED:  # by an operator, or replaced by another
            return self._store.ended(job.key, record.id, attempt=record.attempt, place="", said=b"", is_last=True)
        if outcome.ok:
            return self._say(job, record, OK, is_last=True)
        error = error_text(job, outcome)
        return self._say(
            job, record, error, is_last=True, dead=dead_letter(job, error=error, retries=record.attempt - 1)
        )

    def _say(self, job: Job, record: TaskRecord, text: str, *, is_last: bool, dead: bytes = b"") -> Sequence[Command]:
        place, said = "", _raw(text, is_last=is_last)
        if job.source == "web":
            place = place_of(job.key)
        elif job.source == "ws" and job.wait:
            place, said = record.id, _raw(result_message(job.key, text), is_last=is_last)
        elif job.source == "kafka" and job.wait:
            place, said = OUTBOX, short_result(job.key, text)
        return self._store.ended(
            job.key, record.id, attempt=record.attempt, place=place, said=said, is_last=is_last, dead=dead
        )


def _ticket(job: Job) -> str:
    """Return the Id of the task that a moment of the cron file makes: always the same."""
    return f"poulpe.{job.key}"


def _noted(note: bytes) -> tuple[Job, int] | None:
    """Read what `fire` noted."""
    try:
        value = json.loads(note)
        return Job.from_fields(value["Job"]), int(value["Worker"])
    except (ValueError, TypeError, KeyError):
        return None


def _raw(text: str, *, is_last: bool) -> bytes:
    return (_LAST if is_last else _MORE) + text.encode(errors="replace")


def _job(entry: TaskEntry) -> Job | None:
    """Return the job of an entry; None for one that somebody else has pushed."""
    fields: Any = entry.fields.get(FIELD)
    try:
        return Job.from_fields(fields)
    except (TypeError, KeyError):
        return None


def _key(entry: dict[str, Any]) -> str:
    fields = entry.get(FIELD)
    return str(fields.get("key", "")) if isinstance(fields, dict) else ""
