"""What is known of tasks with an Id, and the wish that one of them should not go on."""

from collections.abc import Collection, Sequence
from typing import Final

from goophry.record import TaskRecord
from goophry.store import keys
from goophry.store.client import Command, Link, LinkPool, Reply, eval_script
from goophry.store.lua import script
from goophry.store.replies import checked

#: Seconds that the record of a task lives which is not done yet, from the last time that it was written.
#: A task that waits longer than that is found by its Id, but its record is not.
LIVE_TTL_S: Final = 7 * 86_400

#: Seconds that the wish to cancel a task lives: as long as the record of one that waits for its next try.
CANCEL_TTL_S: Final = LIVE_TTL_S


class Records:
    """All records under one RedisQueueKey. Every method raises `StoreError`."""

    def __init__(self, links: LinkPool, *, queue_key: str) -> None:
        self._links = links
        self._queue_key = queue_key

    def read(self, entry_id: str) -> TaskRecord | None:
        """Return what is known of the task; None if nothing is."""
        return self.read_many([entry_id]).get(entry_id)

    def read_many(self, entry_ids: Sequence[str]) -> dict[str, TaskRecord]:
        """Return what is known of each task of which something is; a key that holds something else counts as nothing."""
        replies = self._links.answers([("GET", keys.result(self._queue_key, entry_id)) for entry_id in entry_ids])
        texts = {entry_id: raw for entry_id, raw in zip(entry_ids, replies, strict=True) if isinstance(raw, bytes)}
        return {name: record for name, raw in texts.items() if (record := TaskRecord.from_json(raw)) is not None}

    def write(self, record: TaskRecord, *, left_s: float, first: Sequence[Command] = ()) -> None:
        """Send the commands `first`, and note that a task waits, for so many seconds from now."""
        self._links.pipeline([*first, self._written(record, left_s=left_s)])

    def begin(self, record: TaskRecord, *, also: Command) -> tuple[bool, Reply]:
        """Note that the task begins, and send the command `also`.

        Returns whether the task has been cancelled, and what `also` answered.
        """
        cancelled, _, answer = self._links.pipeline(
            [("EXISTS", keys.cancel(self._queue_key, record.id)), self._written(record), also]
        )
        return bool(cancelled), answer

    def finish(
        self,
        record: TaskRecord,
        *,
        ttl_s: int,
        also: Command,
        first: Sequence[Command] = (),
        link: Link | None = None,
    ) -> Reply:
        """Send the commands `first`, keep the result for `ttl_s` seconds (0 = not), tell those who wait, send `also`.

        All over this link, if one is given. Returns what `also` answered.
        """
        key, channel = keys.result(self._queue_key, record.id), keys.done(self._queue_key, record.id)
        finish = ("EVAL", script("finish"), 1, key, record.to_json(), ttl_s, channel)
        commands = [*first, finish, also, ("DEL", keys.cancel(self._queue_key, record.id))]
        *_, answer, _ = self._links.pipeline(commands) if link is None else checked(link.pipeline(commands))
        return answer

    def wish_cancelled(self, entry_id: str) -> None:
        """Have the task not run, wherever it is; an instance that runs it is to be told besides."""
        self._links.call("SET", keys.cancel(self._queue_key, entry_id), 1, "EX", CANCEL_TTL_S)

    def wished_cancelled(self, entry_ids: Collection[str]) -> list[str]:
        """Return those of the tasks that are wished not to go on."""
        names = list(entry_ids)
        if not names:
            return []
        replies = self._links.pipeline([("EXISTS", keys.cancel(self._queue_key, name)) for name in names])
        return [name for name, reply in zip(names, replies, strict=True) if reply]

    def forget_wish(self, entry_id: str) -> None:
        """Take the wish back."""
        self._links.call("DEL", keys.cancel(self._queue_key, entry_id))

    def forget(self, record: TaskRecord) -> None:
        """Remove the record of a task that was not taken in after all, unless it tells of another by now."""
        key = keys.result(self._queue_key, record.id)
        eval_script(self._links, script("forget"), (key,), (record.to_json(),))

    def is_alive(self, instance: str) -> bool:
        """Whether the instance that a record names has a heartbeat."""
        return bool(self._links.call("EXISTS", keys.heartbeat(self._queue_key, instance)))

    def created(self, record: TaskRecord) -> Command:
        """Return the command that notes a task, unless one of its Id has a record."""
        left_s = 0.0 if record.due is None or record.enqueued is None else record.due - record.enqueued
        return (*self._written(record, left_s=left_s), "NX")

    def _written(self, record: TaskRecord, *, left_s: float = 0.0) -> Command:
        ttl_s = LIVE_TTL_S + max(0, int(left_s))
        return ("SET", keys.result(self._queue_key, record.id), record.to_json(), "EX", ttl_s)
