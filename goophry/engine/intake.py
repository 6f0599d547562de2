"""The only way in: whatever goophry itself puts into a queue comes through here."""

import contextlib
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Literal

from goophry.clock import Clock
from goophry.config import TaskType
from goophry.engine.prepared import Prepared, prepare
from goophry.entry import TaskEntry, parse
from goophry.errors import StoreError, StoreFull, StoreRefused, StoreWrongKind, UnreadableEntry
from goophry.events import HelperRepaired, Observer, TaskRefused
from goophry.likeness import digest
from goophry.outcome import Verdict
from goophry.record import TaskRecord
from goophry.store import keys
from goophry.store.channel import publish
from goophry.store.client import LinkPool
from goophry.store.queues import split_mark
from goophry.store.records import Records
from goophry.store.tasks import Entrance, Submitted, Tasks
from goophry.submission import Accepted, Duplicate, InvalidSubmission, Moment, Reception, Submission, UnknownType

#: A task that is there is looked for before another is refused for its sake, once it has been there for
#: so many seconds, and that often: it may have been removed by hand.
DOUBT_S: Final = 60.0

#: Seconds that the end of a cancelled task is kept when its type, and so its ResultTTL, is not known here.
UNKNOWN_TTL_S: Final = 3600

#: Tasks that go to Redis in one round trip at most.
MANY: Final = 200

#: What Redis says of a task that it knows already, which may have been removed by hand.
_THERE: Final = ("id", "unique", "overlap")

Cancellation = Literal["removed", "told", "ended", "unknown"]
"""`removed`: it waited, and is gone. `told`: it runs or is about to, and whoever has it was told. `ended`: it
had ended before. `unknown`: there is no such task."""


class Intake:
    """Takes tasks in, tells of them, cancels them. Thread-safe; every method raises `StoreError`."""

    def __init__(
        self,
        types: Callable[[], Mapping[str, TaskType]],
        *,
        links: LinkPool,
        queue_key: str,
        max_entry_bytes: Callable[[], int],
        observer: Observer,
        clock: Clock,
    ) -> None:
        """`types` returns the task types that there are now, by name."""
        self._types = types
        self._links = links
        self._queue_key = queue_key
        self._max_entry_bytes = max_entry_bytes
        self._observer = observer
        self._clock = clock
        self._tasks = Tasks(links, queue_key=queue_key)
        self._records = Records(links, queue_key=queue_key)
        self._doubted: dict[str, float] = {}

    def submit(self, submission: Submission, *, moment: Moment | None = None) -> Reception | None:
        """Take the task in.

        An Id that a task has which is there, or whose result is kept, makes it a `Duplicate`: so a
        submission may be repeated when it is unknown whether it arrived. With a `moment` the answer
        is None if that has been taken; whether it has, counts before all else, and nobody hears of a refusal.
        Raises `UnknownType` and `InvalidSubmission`.
        """
        prepared = self._prepared(submission)
        if moment is None and self._ended([submission]):
            return self._refused(submission.type, prepared.record.id, "id")
        (found,) = self._put([prepared], moment=moment)
        if found.state in _THERE and not self._is_there(submission.type, found.owner or prepared.record.id):
            (found,) = self._put([prepared], moment=moment)
        if found.state not in {"accepted", "id"} and found.noted:
            self._records.forget(prepared.record)
        return self._received(submission.type, prepared.record.id, found, moment)

    def submit_many(self, submissions: Sequence[Submission]) -> list[Reception | InvalidSubmission]:
        """Take many tasks in, a few hundred in each round trip; returns what became of each, in order.

        One that is invalid harms no other. Of those after a `StoreError` it is not known which were
        taken in; with Ids they may be submitted again. Raises `UnknownType`.
        """
        received: list[Reception | InvalidSubmission] = []
        for start in range(0, len(submissions), MANY):
            some = submissions[start : start + MANY]
            received += self._submit_some(some, [self._tried(each) for each in some])
        return received

    def submit_all(self, submissions: Sequence[Submission]) -> list[Reception]:
        """Take all of them in as `submit_many` does, or none if one cannot be a task. Raises `UnknownType`, `InvalidSubmission`."""
        prepared = [self._prepared(each) for each in submissions]
        received: list[Reception | InvalidSubmission] = []
        for start in range(0, len(submissions), MANY):
            received += self._submit_some(submissions[start : start + MANY], prepared[start : start + MANY])
        return [each for each in received if not isinstance(each, InvalidSubmission)]

    def _submit_some(
        self, submissions: Sequence[Submission], tried: Sequence[Prepared | InvalidSubmission]
    ) -> list[Reception | InvalidSubmission]:
        ended = self._ended(submissions)
        prepared = [
            each for each in tried if isinstance(each, Prepared) and (each.record.type, each.record.id) not in ended
        ]
        found = {id(each): state for each, state in zip(prepared, self._put(prepared), strict=True)}
        received: list[Reception | InvalidSubmission] = []
        for submission, each in zip(submissions, tried, strict=True):
            if isinstance(each, InvalidSubmission):
                received.append(each)
            elif (state := found.get(id(each))) is not None and state.state == "accepted":
                received.append(Accepted(each.record.id, state.due_s))
            else:  # the rare ones: refused, or to be looked for before
                if state is not None and state.noted:
                    self._records.forget(each.record)
                reception = self.submit(submission)
                received.append(reception if reception is not None else Duplicate(each.record.id, "id"))
        return received

    def record(self, entry_id: str) -> TaskRecord | None:
        """Return what is known of the task; None if there is none of this Id, or its result is not kept any more."""
        record = self._records.read(entry_id)
        if record is not None:
            return record
        for task_type in self._tasks.types_of(entry_id, list(self._types())):
            return TaskRecord(entry_id, task_type, "waiting")
        return None

    def cancel(self, entry_id: str) -> Cancellation:
        """Have the task not run, or not go on, wherever it is."""
        return self._wish(entry_id, tell=True)

    def withdraw(self, entry_id: str) -> Cancellation:
        """Have the task not begin, or not once more; what runs goes on."""
        return self._wish(entry_id, tell=False)

    def _wish(self, entry_id: str, *, tell: bool) -> Cancellation:
        record = self._records.read(entry_id)
        types = self._types()
        known = set(self._tasks.types_of(entry_id, list(types)))
        if record is not None and record.is_final:
            if not known:  # else there is another one of this Id, or this one was put back after it had failed
                return "ended"
        elif record is not None:
            known.add(record.type)
        # First the wish, then the look: what begins in between sees it.
        self._records.wish_cancelled(entry_id)
        if tell:
            publish(self._links, keys.events(self._queue_key), {"Event": "cancel", "Id": entry_id})
        for task_type in known or types:
            found = self._tasks.find(task_type, entry_id)
            if found is None:
                continue
            place, raw = found
            if place != "running" and self.remove(task_type, raw):
                self._records.forget_wish(entry_id)  # what cannot be read has no end that would
                return "removed"
            return "told"
        if known and self._is_heard(entry_id, known, before=record):
            return "told"
        # It would be the end of the next task with this Id.
        self._records.forget_wish(entry_id)
        return "ended" if known else "unknown"

    def remove(self, task_type: str, raw: bytes) -> bool:
        """Have the task not run whose entry waits, or is put off, as `raw`; returns whether it still was there."""
        try:
            entry = parse(split_mark(raw)[1])
        except UnreadableEntry:
            entry = TaskEntry()
        definition = self._types().get(task_type)
        by = "" if definition is None or definition.unique is None else definition.unique.by
        like = digest(entry.args, entry.fields, by=by)
        if not self._tasks.remove(task_type, raw, entry_id=entry.id or "", digest=like):
            return False
        if entry.id is None:
            return True
        now = self._clock.now()
        record = TaskRecord(
            entry.id,
            task_type,
            "finished",
            outcome=Verdict.CANCELLED.value,
            error="cancelled before it began",
            attempt=entry.attempt,
            enqueued=entry.enqueued_s,
            due=entry.due_s,
            finished=now,
        )
        ttl_s = UNKNOWN_TTL_S if definition is None else definition.result_ttl
        self._records.finish(record, ttl_s=ttl_s, also=self._tasks.released(task_type, entry_id=entry.id, digest=""))
        return True

    def _prepared(self, submission: Submission) -> Prepared:
        task_type = self._types().get(submission.type)
        if task_type is None:
            raise UnknownType(submission.type)
        return prepare(
            submission,
            task_type,
            entry_id=submission.id or secrets.token_hex(12),
            now_s=self._clock.now(),
            max_entry_bytes=self._max_entry_bytes(),
        )

    def _tried(self, submission: Submission) -> Prepared | InvalidSubmission:
        try:
            return self._prepared(submission)
        except InvalidSubmission as problem:
            return problem

    def _put(self, prepared: Sequence[Prepared], *, moment: Moment | None = None) -> list[Submitted]:
        entrances = [
            Entrance(
                each.record.type,
                each.raw,
                entry_id=each.record.id,
                due=each.due,
                unique=each.unique,
                moment=moment,
                first=self._records.created(each.record),
            )
            for each in prepared
        ]
        try:
            return self._tasks.submit(entrances)
        except (StoreFull, StoreRefused, StoreWrongKind):
            with contextlib.suppress(StoreError):  # the first trouble is the one to tell of
                self._forget_refused([each.record for each in prepared])
            raise

    def _forget_refused(self, records: Sequence[TaskRecord]) -> None:
        """Have nobody wait for a task that Redis did not take although it took its record."""
        for record in records:
            if self._tasks.since(record.type, entry_id=record.id) is None:
                self._records.forget(record)

    def _received(self, task_type: str, entry_id: str, found: Submitted, moment: Moment | None) -> Reception | None:
        if found.repaired:
            queue = keys.queue(self._queue_key, task_type)
            self._observer.notify(HelperRepaired(queue, f"{found.repaired} keys held another kind of value"))
        if found.state == "accepted":
            return Accepted(entry_id, found.due_s)
        if found.state == "moment":
            return None
        if moment is not None:
            return Duplicate(found.owner or entry_id, found.state)
        return self._refused(task_type, found.owner or entry_id, "unique" if found.state == "unique" else "id")

    def _refused(self, task_type: str, owner: str, why: Literal["id", "unique"]) -> Duplicate:
        self._observer.notify(TaskRefused(task_type, why))
        return Duplicate(owner, why)

    def _ended(self, submissions: Sequence[Submission]) -> set[tuple[str, str]]:
        """Return type and Id of those of which a result is kept; that of another type's task makes room for theirs."""
        named = {(each.type, each.id) for each in submissions if each.id is not None}
        records = self._records.read_many([entry_id for _, entry_id in named])
        final = {(record.type, record.id): record for record in records.values() if record.is_final}
        for record in [final[task] for task in final.keys() - named]:
            self._records.forget(record)
        return named & final.keys()

    def _is_there(self, task_type: str, entry_id: str) -> bool:
        """Whether a task that Redis has noted is really there; if not, the note is removed."""
        since = self._tasks.since(task_type, entry_id=entry_id)
        if since is None:
            return False
        now = self._clock.now()
        if now - max(since, self._doubted.get(entry_id, 0.0)) < DOUBT_S:
            return True
        self._doubted = {name: when for name, when in self._doubted.items() if now - when < DOUBT_S} | {entry_id: now}
        if self._tasks.find(task_type, entry_id) is not None or self._runs(entry_id):
            return True
        self._tasks.release(task_type, entry_id=entry_id, digest="")
        self._records.forget_wish(entry_id)
        queue = keys.queue(self._queue_key, task_type)
        self._observer.notify(HelperRepaired(queue, f"the Id {entry_id} of a task that is not there"))
        return False

    def _is_heard(self, entry_id: str, types: Collection[str], *, before: TaskRecord | None) -> bool:
        """Whether a task that was there, and is in no list, has not ended, or has ended for the wish: it will be heard, or was."""
        if self._tasks.types_of(entry_id, list(types)):
            return True
        record = self._records.read(entry_id)
        if record is None or not record.is_final:
            return record is not None
        return record.outcome == Verdict.CANCELLED and before is not None and not before.is_final

    def _runs(self, entry_id: str) -> bool:
        """Whether a live instance says that it runs the task: at most once, no list holds what runs."""
        record = self._records.read(entry_id)
        if record is None or record.status != "running":
            return False
        return self._records.is_alive(record.instance)
