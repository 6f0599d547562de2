"""Coyotes' door, put together: what it asks of goophry, and what is kept of tasks that failed."""

import json
import re
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

from goophry.clock import Clock
from goophry.config import Settings
from goophry.config_door_types import COYOTES_DELAYED, coyotes_channel_name, coyotes_type_name
from goophry.doors.coyotes_replies import Summary
from goophry.doors.coyotes_task import Channel, CoyotesTask, task_in, task_of
from goophry.doors.gotime import rfc3339, unix_s
from goophry.engine.intake import Intake
from goophry.entry import TaskEntry, parse
from goophry.errors import UnreadableEntry
from goophry.outcome import Outcome, Verdict
from goophry.record import TaskRecord
from goophry.store.client import Command, LinkPool
from goophry.store.coyotes import CoyotesStore
from goophry.store.queues import split_mark
from goophry.store.tasks import Place, Tasks
from goophry.submission import Accepted, Duplicate, InvalidSubmission, Submission, UnknownType
from goophry.wiring.coyotes_channels import MOST_CHANNELS, ChannelKeeper, channel_json


class Tally:
    """Counts of the tasks that ended in this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run = 0
        self._succeeded = 0

    def count(self, *, success: bool) -> None:
        """Count one more."""
        with self._lock:
            self._run += 1
            self._succeeded += success

    def counts(self) -> tuple[int, int]:
        """Return how many there were, and how many of them ended well."""
        with self._lock:
            return self._run, self._succeeded


class KeepFailures:
    """An `Ending`: a failed task stays until a client retries or removes it."""

    def __init__(self, store: CoyotesStore, tally: Tally, *, history: bool, clock: Clock) -> None:
        """With `history` each task that ended is noted for a database."""
        self._store = store
        self._tally = tally
        self._history = history
        self._clock = clock

    def failed(self, entry: TaskEntry, record: TaskRecord, outcome: Outcome) -> Sequence[Command]:
        """See `Ending.failed`. Only the last failure is kept."""
        del entry, record, outcome
        return ()

    def ended(self, entry: TaskEntry, record: TaskRecord, outcome: Outcome) -> Sequence[Command]:
        """See `Ending.ended`."""
        self._tally.count(success=outcome.ok)
        task = task_in(entry, channel=coyotes_channel_name(record.type))
        noted = self._store.note_run(self._row(task, record, outcome)) if self._noted(task) else ()
        if outcome.ok or outcome.verdict is Verdict.CANCELLED:
            return noted
        failed = task.failed(failures=record.attempt, at=rfc3339(self._clock.now()))
        kept = failed_json(failed, entry_id=record.id, reason=outcome.message)
        return (self._store.keep_failed(failed.channel, failed.task_id, kept), *noted)

    def _noted(self, task: CoyotesTask) -> bool:
        return self._history and task.write_backend

    def _row(self, task: CoyotesTask, record: TaskRecord, outcome: Outcome) -> bytes:
        now = self._clock.now()
        _, *args = task.argv()
        row = {
            "task_name": task.task_name,
            "command": f"{task.command} {' '.join(args) if task.command else ''}",
            "channel": task.channel,
            "status": int(outcome.ok),
            "retry_cnt": task.retry_count + record.attempt - 1,
            "stdout": outcome.stdout.last(_KEPT_OUTPUT),
            "stderr": outcome.stderr.last(_KEPT_OUTPUT),
            "execute_at": record.started,
            "failed_at": unix_s(task.failed_at) if outcome.ok else now,
            "created_at": now,
            "task_id": task.task_id,
            "exit_code": outcome.exit_code,
        }
        return _dumped(row)


_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

#: Characters that are kept of why a task failed.
_REASON: Final = 4096

#: Bytes that the history keeps of each stream, the last ones.
_KEPT_OUTPUT: Final = 20_000


class Desk:
    """What the door asks of goophry; see `CoyotesDesk`."""

    def __init__(
        self,
        intake: Intake,
        tasks: Tasks,
        store: CoyotesStore,
        keeper: ChannelKeeper,
        tally: Tally,
        *,
        started_s: float,
        waiting: Callable[[str], int],
    ) -> None:
        """`waiting` returns how many tasks of a type wait."""
        self._intake = intake
        self._tasks = tasks
        self._store = store
        self._keeper = keeper
        self._tally = tally
        self._started_s = started_s
        self._waiting = waiting

    def summary(self) -> Summary:
        """Return what the home page tells."""
        run, succeeded = self._tally.counts()
        return Summary(self._started_s, run, succeeded, run - succeeded, len(self.channels()))

    def channels(self) -> Sequence[str]:
        """Return the names of the channels that are served here."""
        return self._keeper.served()

    def create(self, channel: Channel) -> bool:
        """Keep the channel and serve it."""
        if len(self._store.channels()) >= MOST_CHANNELS:
            raise InvalidSubmission(f"there are {MOST_CHANNELS} channels already")
        if not self._store.add_channel(channel.name, channel_json(channel)):
            return False
        self._keeper.turn()
        return True

    def remove(self, channel: str) -> int:
        """Forget the channel; what waits in it stays."""
        self._store.remove_channel(channel)
        self._keeper.turn()
        return self._waiting(coyotes_type_name(channel))

    def push(self, task: CoyotesTask, *, at_s: float | None) -> bool:
        """Take a task in; under its own id if that can be goophry's too, for a client may give the same id to many."""
        if _UUID.fullmatch(task.task_id):
            reception = self._submit(task, entry_id=task.task_id, at_s=at_s)
            if not isinstance(reception, Duplicate) or reception.why != "id":
                return isinstance(reception, Accepted)
        return isinstance(self._submit(task, entry_id=str(uuid.uuid4()), at_s=at_s), Accepted)

    def tasks(self, channel: str) -> Sequence[tuple[CoyotesTask, str]]:
        """Return what waits, also for another try, and what runs."""
        waits = [task for task, _ in (*self._entries(channel, "waiting"), *self._retries(channel))]
        runs = [task for task, _ in self._entries(channel, "running")]
        return [*((task, "queued") for task in waits), *((task, "running") for task in runs)]

    def cancel(self, channel: str, task_id: str) -> CoyotesTask | None:
        """Take the oldest of this id out of the channel."""
        found = [*self._retries(channel), *self._entries(channel, "waiting")]
        for task, entry in found[::-1]:
            if task.task_id == task_id and entry.id and self._intake.cancel(entry.id) == "removed":
                return task
        return None

    def failed(self, channel: str) -> Sequence[CoyotesTask]:
        """Return the failed tasks of a channel."""
        kept = (_kept(raw)[0] for raw in self._store.failed(channel))
        return [task for task in kept if task is not None]

    def failed_one(self, channel: str, task_id: str) -> CoyotesTask | None:
        """Return one of them."""
        raw = self._store.failed_one(channel, task_id)
        return None if raw is None else _kept(raw)[0]

    def forget_failed(self, channel: str, task_id: str) -> CoyotesTask | None:
        """Remove one of them."""
        raw = self._store.failed_one(channel, task_id)
        if raw is None or not self._store.forget_failed(channel, task_id, raw):
            return None
        return _kept(raw)[0]

    def retry_failed(self, channel: str, task_id: str) -> str:
        """Put one of them into its channel; it is forgotten only when it is there."""
        raw = self._store.failed_one(channel, task_id)
        task, entry_id = (None, "") if raw is None else _kept(raw)
        if raw is None or task is None:
            return "任务不存在"
        try:
            # The Id follows from the failure: who asks twice at a time gets one run.
            reception = self._submit(task, entry_id=f"{entry_id[:36]}.{task.retry_count}", at_s=None)
        except UnknownType:
            return "channel不存在"
        if isinstance(reception, Duplicate) and reception.why == "unique":
            return f"task {task.task_name} is in the channel already, this one stays"
        self._store.forget_failed(channel, task_id, raw)
        return ""

    def delayed(self) -> Sequence[CoyotesTask]:
        """Return the tasks that wait for their moment, the earliest first."""
        return [task for task, _ in self._all_delayed()]

    def cancel_delayed(self, task_id: str) -> CoyotesTask | None:
        """Take out the earliest of this id."""
        for task, entry in self._all_delayed():
            if task.task_id == task_id and entry.id and self._intake.cancel(entry.id) == "removed":
                return task
        return None

    def _submit(self, task: CoyotesTask, *, entry_id: str, at_s: float | None) -> object:
        return self._intake.submit(
            Submission(coyotes_type_name(task.channel), task.argv(), id=entry_id, at_s=at_s, fields=task.fields())
        )

    def _all_delayed(self) -> list[tuple[CoyotesTask, TaskEntry]]:
        found: list[tuple[CoyotesTask, TaskEntry]] = []
        for channel in dict.fromkeys([*self.channels(), COYOTES_DELAYED]):
            found += [each for each in self._entries(channel, "delayed") if each[1].attempt == 1]
        return sorted(found, key=lambda each: each[1].due_s or 0.0)

    def _retries(self, channel: str) -> list[tuple[CoyotesTask, TaskEntry]]:
        return [each for each in self._entries(channel, "delayed") if each[1].attempt > 1]

    def _entries(self, channel: str, place: Place) -> list[tuple[CoyotesTask, TaskEntry]]:
        found = []
        for raw in self._tasks.entries(coyotes_type_name(channel), place):
            try:
                entry = parse(split_mark(raw)[1])
            except UnreadableEntry:
                continue
            found.append((task_in(entry, channel=channel), entry))
        return found


def failed_json(task: CoyotesTask, *, entry_id: str, reason: str) -> bytes:
    """Return what is kept of a failed task: the task, the Id that it had, and why it failed."""
    return _dumped({"Task": task.shown(), "Id": entry_id, "Reason": reason[:_REASON]})


def coyotes_store(settings: Settings, links: LinkPool) -> CoyotesStore:
    """Return what the door keeps in Redis."""
    return CoyotesStore(links, queue_key=settings.redis_queue_key)


def _kept(raw: bytes) -> tuple[CoyotesTask | None, str]:
    """Return a failed task, and the Id that it had; None if somebody else wrote there."""
    try:
        value: Any = json.loads(raw.decode(errors="surrogateescape"))
    except (ValueError, RecursionError):
        return None, ""
    if not isinstance(value, dict):
        return None, ""
    entry_id = value.get("Id")
    return task_of(value.get("Task")), entry_id if isinstance(entry_id, str) else ""


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogateescape")
