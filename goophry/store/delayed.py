"""What is due later: looked through by the moments, run now, taken out.

An entry is known by its bytes. To take one out for good is the intake's business, which is handed
in: somebody may wait for the result.
"""

import heapq
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from goophry.entry import TaskEntry, parse
from goophry.errors import AmbiguousKey, BadCursor, StoreWrongKind, UnreadableEntry
from goophry.failed_entry import key_of
from goophry.store import keys
from goophry.store.client import Command, LinkPool, eval_script
from goophry.store.failed import SHORTEST_KEY
from goophry.store.looking import Looking
from goophry.store.lua import script

#: Entries that are asked for, and handled, at once.
BATCH: Final = 200

_CURSOR: Final = re.compile(r"(\d{1,16})-(\d{1,12})")

#: The beginning: no moment has been passed.
_START: Final = (0, 0)


@dataclass(frozen=True, slots=True)
class DelayedEntry:
    """One entry. `raw` is what identifies it."""

    type: str
    raw: bytes
    due_ms: int
    """Unix time."""

    @property
    def key(self) -> str:
        """A short name for it; made of its bytes."""
        return key_of(self.raw)

    def entry(self) -> TaskEntry:
        """Return what it asks for; of something unreadable nothing."""
        try:
            return parse(self.raw)
        except UnreadableEntry:
            return TaskEntry()

    def problem(self) -> str:
        """Return why it cannot be read, empty when it can: somebody else put it there, and it will fail."""
        try:
            parse(self.raw)
        except UnreadableEntry as error:
            return str(error)
        return ""


@dataclass(frozen=True, slots=True)
class DelayedPage:
    """A part of what is put off, the next due first."""

    entries: tuple[DelayedEntry, ...]
    cursor: str | None
    """Where to go on; None at the end."""


class Delayed:
    """What is put off under one RedisQueueKey. A key that holds something else counts as empty.

    Every method may raise `StoreError`.
    """

    def __init__(self, links: LinkPool, *, queue_key: str, take_out: Callable[[str, bytes], bool]) -> None:
        """`take_out` has the task of this type and entry not run; it returns whether it still was there."""
        self._links = links
        self._queue_key = queue_key
        self._take_out = take_out

    def length(self, task_type: str) -> int:
        """Return how many entries there are of this type."""
        try:
            return int(self._links.call("ZCARD", self._name(task_type)))
        except StoreWrongKind:
            return 0

    def page(self, types: Sequence[str], *, cursor: str | None = None, limit: int = 50) -> DelayedPage:
        """Return up to `limit` entries of these types from `cursor` on. Raises `BadCursor`.

        What comes and goes meanwhile makes it skip none of the others, unless those are due in the same millisecond.
        """
        at = _START if cursor is None else _read_cursor(cursor)
        found = self._from(types, at, limit=limit + 1)
        entries = found[:limit]
        if len(found) <= limit or not entries:
            return DelayedPage(tuple(entries), None)
        due_ms, passed = _after(at, entries)
        return DelayedPage(tuple(entries), f"{due_ms}-{passed}")

    def find(self, task_type: str, key: str) -> DelayedEntry | None:
        """Return the entry whose key is, or begins with, `key`. Raises `AmbiguousKey`."""
        if len(key) < SHORTEST_KEY:
            raise AmbiguousKey(f"a key needs at least {SHORTEST_KEY} characters")
        name = self._name(task_type)
        found = [raw for _, raw in Looking(self._links, name).search(key.lower())] if self.length(task_type) else []
        if len(found) > 1:
            raise AmbiguousKey(f"{len(found)} different entries have a key that begins with {key}")
        for raw in found:
            score = self._links.call("ZSCORE", name, raw)
            if score is not None:
                return DelayedEntry(task_type, raw, _ms(score))
        return None

    def run_now(self, task_type: str, key: str) -> DelayedEntry | None:
        """Put an entry into the queue; None if it is not there (any more). Raises `AmbiguousKey`."""
        found = self.find(task_type, key)
        return found if found is not None and self.hasten(task_type, [found]) else None

    def remove(self, task_type: str, key: str) -> DelayedEntry | None:
        """Have the task of an entry not run; None if it is not there (any more). Raises `AmbiguousKey`."""
        found = self.find(task_type, key)
        return found if found is not None and self.take_out(task_type, [found]) else None

    def hasten(self, task_type: str, entries: Sequence[DelayedEntry]) -> int:
        """Put entries into the queue now, whenever they are due; returns how many were still there."""
        queue = keys.queue(self._queue_key, task_type)
        raws = [entry.raw for entry in entries]
        try:
            return int(eval_script(self._links, script("hasten"), (keys.delayed(queue), queue), raws))
        except StoreWrongKind as error:
            raise StoreWrongKind(f"nothing can be put into {queue}, which holds no list") from error

    def take_out(self, task_type: str, entries: Sequence[DelayedEntry]) -> int:
        """Have the tasks of entries not run; returns how many were still there."""
        return sum(self._take_out(task_type, entry.raw) for entry in entries)

    def sweep(
        self,
        task_type: str,
        take: Callable[[str, Sequence[DelayedEntry]], int],
        *,
        wanted: Callable[[DelayedEntry], bool],
        progress: Callable[[int], object],
    ) -> int:
        """Hand the entries wanted to `take`, which is `hasten` or `take_out`; returns how many those were.

        Goes through those that are there when it begins, the next due first. `progress` is told how
        many more were looked at.
        """
        at, left, done = _START, self.length(task_type), 0
        while left > 0:
            entries = self._from([task_type], at, limit=min(BATCH, left))
            if not entries:
                break
            left -= len(entries)
            meant = [entry for entry in entries if wanted(entry)]
            done += take(task_type, meant) if meant else 0
            kept = [entry for entry in entries if entry not in meant]
            at = _after(at, kept) if kept else at
            progress(len(entries))
        return done

    def _name(self, task_type: str) -> str:
        return keys.delayed(keys.queue(self._queue_key, task_type))

    def _from(self, types: Sequence[str], at: tuple[int, int], *, limit: int) -> list[DelayedEntry]:
        """Return the entries of the moment `at[0]` without the first `at[1]`, then those of later moments."""
        due_ms, passed = at
        commands: list[Command] = []
        for name in map(self._name, types):
            scored = ("WITHSCORES", "LIMIT", 0)
            commands.append(("ZRANGEBYSCORE", name, due_ms or "-inf", due_ms, *scored, passed + limit))
            commands.append(("ZRANGEBYSCORE", name, f"({due_ms}", "+inf", *scored, limit))
        replies = [reply or [] for reply in self._links.found(commands)]
        same = _merged(types, replies[::2])[passed:]
        return [*same, *_merged(types, replies[1::2])][:limit]


def _merged(types: Sequence[str], replies: Sequence[Sequence[bytes]]) -> list[DelayedEntry]:
    """Return the entries of all types, the next due first."""
    columns = [
        [DelayedEntry(name, raw, _ms(score)) for raw, score in zip(reply[::2], reply[1::2], strict=True)]
        for name, reply in zip(types, replies, strict=True)
    ]
    return list(heapq.merge(*columns, key=lambda each: (each.due_ms, each.type, each.raw)))


def _after(at: tuple[int, int], passed: Sequence[DelayedEntry]) -> tuple[int, int]:
    """Return where to go on when these entries, found at `at`, are passed: the last one's moment, and how many of it."""
    due_ms = passed[-1].due_ms
    same = sum(entry.due_ms == due_ms for entry in passed)
    return due_ms, same + (at[1] if due_ms == at[0] else 0)


def _ms(score: bytes) -> int:
    number = float(score)
    return int(number) if math.isfinite(number) else 0


def _read_cursor(text: str) -> tuple[int, int]:
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise BadCursor(f"{text[:40]!r} is no cursor that was given with a page")
    return int(found[1]), int(found[2])
