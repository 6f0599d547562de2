"""What is put off, looked through: the entries of all types by the moment when they are due."""

import hashlib
import heapq
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from redis.exceptions import RedisError

from goophry.entry import TaskEntry, parse
from goophry.errors import BadCursor, UnreadableEntry
from goophry.likeness import digest
from goophry.store import keys
from goophry.store.channel import publish
from goophry.store.client import Command, LinkPool
from goophry.store.tasks import Tasks

#: Entries that one look for a key reads at a time.
PAGE: Final = 1000

#: Entries due in the same millisecond that a cursor counts; beyond them it goes on with the next millisecond.
_MOST_EQUAL: Final = 5000

_CURSOR: Final = re.compile(r"(\d{1,15})-(\d{1,4})")
_KEY_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class DelayedEntry:
    """One entry. `raw` is what identifies it."""

    type: str
    raw: bytes
    due_ms: int

    @property
    def key(self) -> str:
        """A short name for it; made of its bytes."""
        return hashlib.sha1(self.raw, usedforsecurity=False).hexdigest()[:_KEY_LENGTH]

    def entry(self) -> TaskEntry:
        """Return what it asks for; of something unreadable nothing."""
        try:
            return parse(self.raw)
        except UnreadableEntry:
            return TaskEntry()


@dataclass(frozen=True, slots=True)
class DelayedPage:
    """A part of what is put off, the next due first."""

    entries: tuple[DelayedEntry, ...]
    cursor: str | None
    """Where to go on; None at the end."""


class Delayed:
    """What is put off under one RedisQueueKey. Every method raises `StoreError`."""

    def __init__(self, links: LinkPool, *, queue_key: str) -> None:
        self._links = links
        self._queue_key = queue_key
        self._tasks = Tasks(links, queue_key=queue_key)

    def page(self, types: Sequence[str], *, cursor: str | None = None, limit: int = 50) -> DelayedPage:
        """Return up to `limit` entries of these types from `cursor` on. Raises `BadCursor`."""
        from_ms, shown = _read_cursor(cursor)
        names = [keys.delayed(keys.queue(self._queue_key, name)) for name in types]
        most = limit + shown + 1
        commands: list[Command] = [
            ("ZRANGEBYSCORE", name, from_ms, "+inf", "WITHSCORES", "LIMIT", 0, most) for name in names
        ]
        columns = [
            [DelayedEntry(name, raw, int(float(score))) for raw, score in zip(reply[::2], reply[1::2], strict=True)]
            for name, reply in zip(types, self._ask(commands), strict=True)
        ]
        merged = list(heapq.merge(*columns, key=lambda each: (each.due_ms, each.type, each.raw)))
        skipped = sum(each.due_ms == from_ms for each in merged[:shown])
        entries = merged[skipped : skipped + limit]
        if len(merged) <= skipped + limit or not entries:
            return DelayedPage(tuple(entries), None)
        last = entries[-1].due_ms
        equal = sum(each.due_ms == last for each in entries) + (skipped if last == from_ms else 0)
        going_on = f"{last}-{equal}" if equal <= _MOST_EQUAL else f"{last + 1}-0"
        return DelayedPage(tuple(entries), going_on)

    def run_now(self, task_type: str, key: str) -> DelayedEntry | None:
        """Make an entry due now; None if it is not there (any more)."""
        found = self._find(task_type, key)
        if found is None:
            return None
        q = keys.queue(self._queue_key, task_type)
        if not self._links.call("ZADD", keys.delayed(q), "XX", "CH", 1, found.raw):
            return None
        publish(self._links, keys.events(self._queue_key), {"Event": "delayed", "Type": task_type, "Due": 1})
        return found

    def remove(self, task_type: str, key: str) -> DelayedEntry | None:
        """Take an entry out for good; None if it is not there (any more)."""
        found = self._find(task_type, key)
        if found is None:
            return None
        entry = found.entry()
        taken = self._tasks.remove(task_type, found.raw, entry_id=entry.id or "", digest=digest(entry.args))
        return found if taken else None

    def _find(self, task_type: str, key: str) -> DelayedEntry | None:
        return next((each for each in self._all(task_type) if each.key == key), None)

    def _all(self, task_type: str) -> Iterator[DelayedEntry]:
        name = keys.delayed(keys.queue(self._queue_key, task_type))
        start = 0
        while True:
            page = self._links.call("ZRANGE", name, start, start + PAGE - 1, "WITHSCORES")
            for raw, score in zip(page[::2], page[1::2], strict=True):
                yield DelayedEntry(task_type, raw, int(float(score)))
            if len(page) < 2 * PAGE:
                return
            start += PAGE

    def _ask(self, commands: Sequence[Command]) -> list[list[bytes]]:
        """Return what each command answers; nothing for a key that holds something else."""
        if not commands:
            return []
        link = self._links.take()
        try:
            replies = link.pipeline(commands)
        finally:
            self._links.give(link)
        return [[] if isinstance(reply, RedisError) else reply for reply in replies]


def _read_cursor(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 0
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise BadCursor(f"{text[:40]!r} is no cursor that was given with a page")
    return int(found[1]), int(found[2])
