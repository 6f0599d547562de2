"""poulpe's door, put together: what it asks of goophry, and what it keeps of jobs."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from goophry.clock import Clock
from goophry.config_door_types import poulpe_type
from goophry.doors.base import Stop
from goophry.doors.poulpe import Info, Said, result_message, short_result
from goophry.doors.poulpe_job import Job, place_of
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
from goophry.wiring.poulpe_places import Choice, Placed

_MORE: Final = b"."
_LAST: Final = b"!"


Listen = Callable[[str, Hear], Stop]
"""As `Listener.listen`."""


class Desk:
    """What the door asks of goophry; see `PoulpeDesk`."""

    def __init__(
        self, intake: Intake, store: PoulpeStore, listen: Listen, *, queue_key: str, workers: int, clock: Clock
    ) -> None:
        self._clock = clock
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
            placed = self._placed(jobs, replaced)
            self._store.hold([(each.job.key, each.note) for each in placed if each.after])
            at_once = [each for each in placed if not each.after]
            received = self._intake.submit_many(
                [submission_of(each.job, ticket=each.ticket, worker=each.worker) for each in at_once]
            )
        problems = {
            each.ticket: problem
            for each, problem in zip(at_once, received, strict=True)
            if isinstance(problem, InvalidSubmission)
        }
        for each, old in zip(placed, replaced, strict=True):
            if each.ticket in problems:
                self._store.left(each.job.key, each.ticket, old)
            elif old is not None and self._intake.withdraw(old) == "removed" and each.after:
                self._put_in(each)
        return [problems.get(ticket) for _, ticket in jobs]

    def _placed(self, jobs: Sequence[tuple[Job, str]], replaced: Sequence[str | None]) -> list[Placed]:
        """Choose a worker for each job, and tell which are to wait for the end of another."""
        loads = self._store.loads(self._types)
        choice = Choice(loads)
        noted = self._store.notes([job.key for (job, _), old in zip(jobs, replaced, strict=True) if old is not None])
        placed: list[Placed] = []
        for (job, ticket), old in zip(jobs, replaced, strict=True):
            note = noted.get(job.key, b"")
            before = Placed.of_note(note)
            # The one before may itself wait for one that runs.
            first = before.after if before is not None and before.after else old
            runs_at = None if first is None else self._worker_of(first, loads)
            worker = choice.worker(job, after=runs_at)
            waits = first is not None and runs_at is not None and worker != runs_at
            if note and not waits:
                self._store.is_in(job.key, note)
            placed.append(Placed(job, ticket, worker, after=first or "" if waits else ""))
        return placed

    def fire(self, job: Job) -> None:
        """Take in the job of a moment of the cron file, unless the moment has been taken. Raises `InvalidSubmission`.

        Moment and job are noted in one step, and the task's Id is made of the moment. So whoever dies
        on the way leaves what another puts in, and who comes second puts in nothing.
        """
        if self._store.has_fired(job.key):
            return
        with self._choosing:
            worker = Choice(self._store.loads(self._types)).worker(job, after=None)
            placed = Placed(job, f"poulpe.{job.key}", worker)
            if self._store.fire(job.key, placed.ticket, placed.note):
                self._put_in(placed)

    def take_up(self, *, before_s: float) -> None:
        """Put in what may run now, and what somebody noted for a moment before `before_s` and has not put in.

        Raises `InvalidSubmission`.
        """
        for key, note in self._store.noted().items():
            placed = Placed.of_note(note)
            if placed is None:  # somebody else's, or rubbish
                self._store.is_in(key, note)
            elif (placed.after and self._worker_of(placed.after) is None) or (
                not placed.after and placed.job.posted < before_s
            ):
                self._put_in(placed)

    def _put_in(self, placed: Placed) -> None:
        """Put in a job of which there is a note; it may be in already, or have been."""
        job, ticket = placed.job, placed.ticket
        try:
            self._intake.submit(submission_of(job, ticket=ticket, worker=placed.worker, now=self._clock.now()))
        except InvalidSubmission:
            self._store.left(job.key, ticket, None)
            self._store.is_in(job.key, placed.note)
            raise
        self._store.is_in(job.key, placed.note)

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
        runs += self._store.noted()
        return Info(sizes, sorted(waits.items()), sorted(set(runs)), sorted(set(wrong)))

    def _worker_of(self, ticket: str, loads: Sequence[Load] = ()) -> int | None:
        """Return which worker runs the job, or, by the `loads`, may begin it any moment; None if none does."""
        record = self._intake.record(ticket)
        if record is None or record.type not in self._types:
            return None
        worker = self._types.index(record.type)
        is_next = bool(loads) and record.status == "waiting" and loads[worker].waiting + loads[worker].running <= 1
        return worker if is_next or record.status == "running" else None


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
