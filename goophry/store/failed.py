"""The failed list of one type: looking through it, putting entries back, deleting them.

An entry is known by its bytes and never by its index, for the list changes under whoever looks at
it. Putting back is one step in Redis: at every moment an entry stands either in the failed list or
in the queue, whoever dies when. In a cluster, where no step can do that, see `failed_transit`.
"""

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from goophry.config import Unique
from goophry.entry import parse
from goophry.errors import AmbiguousKey, BadCursor, StoreCrossSlot, StoreWrongKind, UnreadableEntry
from goophry.failed_entry import EVERYTHING, FailedEntry, FailedFilter
from goophry.store import keys
from goophry.store.client import LinkPool, eval_script
from goophry.store.failed_look import Look, Seen
from goophry.store.failed_sweep import BATCH, Progress, Sweep, Swept
from goophry.store.failed_transit import Transit, id_of
from goophry.store.lua import script
from goophry.store.reentry import Reentry

#: Entries that one search looks at, at most, however few are meant.
SEARCHED: Final = 10_000

#: Shortest beginning of a key by which an entry may be named.
SHORTEST_KEY: Final = 4

_CURSOR: Final = re.compile(r"([01])-(\d{1,12})")


def _ignore(count: int) -> None:
    """Nobody wants to know of the progress."""


def _has_problem(entry: FailedEntry) -> bool:
    return bool(entry.problem)


@dataclass(frozen=True, slots=True)
class FailedPage:
    """A part of the list, the newest failures first."""

    entries: tuple[FailedEntry, ...]
    cursor: str | None
    """Where to go on; None at the end."""


class FailedList:
    """The failed entries of `task_type`, those kept aside included. Every method may raise `StoreError`."""

    def __init__(self, links: LinkPool, *, queue_key: str, task_type: str, unique: Unique | None = None) -> None:
        """`unique` is the type's."""
        self._links = links
        self._queue = keys.queue(queue_key, task_type)
        failed = keys.failed(self._queue)
        self._lists = (Look(links, failed), Look(links, keys.failed_aside(self._queue)))
        self._reentry = Reentry(links, queue_key=queue_key, queue=self._queue, unique=unique)
        self._transit = Transit(links, failed=failed, queue=self._queue)

    def length(self) -> int:
        """Return how many entries there are."""
        return sum(look.length() for look in self._lists)

    def page(self, *, cursor: str | None = None, limit: int = 50) -> FailedPage:
        """Return up to `limit` entries from `cursor` on, fewer if they are large. Raises `BadCursor`.

        What is taken out or fails meanwhile makes it skip none of the others; some may be told twice.
        """
        return self.search(EVERYTHING, cursor=cursor, limit=limit)

    def search(self, wanted: FailedFilter, *, cursor: str | None = None, limit: int = 50) -> FailedPage:
        """Return up to `limit` of the entries meant; perhaps fewer, or none, and a cursor to go on."""
        at = self._at(0, None) if cursor is None else self._read_cursor(cursor)
        found: list[FailedEntry] = []
        left = SEARCHED
        while at is not None and left > 0 and len(found) < limit:
            number, index = at
            some = limit - len(found) if wanted.is_everything else BATCH
            seen = self._lists[number].down(index, limit=min(some, BATCH, left))
            left -= len(seen)
            below = 0
            for place, entry in seen:
                below = place
                if wanted.matches(entry):
                    found.append(entry)
                if len(found) == limit:
                    break
            at = self._at(number, below - 1)
        return FailedPage(tuple(found), None if at is None else f"{at[0]}-{at[1]}")

    def find(self, key: str) -> FailedEntry | None:
        """Return the entry whose key is, or begins with, `key`. Raises `AmbiguousKey`."""
        found = self._find(key)
        return None if found is None else found[1].entry

    def retry_one(self, key: str, *, mended: bytes | None = None) -> FailedEntry | None:
        """Put one entry back to the queue, in the form `mended` if given; None if it is not there (any more).

        Raises `UnreadableEntry` if what would be put back is no task entry, and `AmbiguousKey`.
        """
        self._transit.finish()
        found = self._find(key)
        if found is None:
            return None
        look, seen = found
        original = seen.entry.original if mended is None else mended
        if mended is not None:
            parse(mended)
        elif seen.entry.problem:
            raise UnreadableEntry(seen.entry.problem)
        return seen.entry if self._put_back(look, [(seen.place, seen.entry.raw, original)]) else None

    def delete_one(self, key: str) -> FailedEntry | None:
        """Delete one entry; None if it is not there (any more). Raises `AmbiguousKey`."""
        found = self._find(key)
        if found is None:
            return None
        look, seen = found
        return seen.entry if self._delete(look, [seen]) else None

    def retry_all(self, wanted: FailedFilter = EVERYTHING, *, progress: Progress = _ignore) -> Swept:
        """Put the entries meant back to the queue, the oldest first; those that cannot be run stay.

        What fails again meanwhile stays too. Ended at any moment, it can simply be called again.
        """
        self._transit.finish()
        return self._sweep(wanted, self._put_back_as_they_were, refuse=_has_problem, progress=progress)

    def delete_all(self, wanted: FailedFilter = EVERYTHING, *, progress: Progress = _ignore) -> Swept:
        """Delete the entries meant."""
        if wanted.is_everything:
            return Swept(sum(self._clear(look) for look in self._lists))
        return self._sweep(wanted, self._delete, refuse=None, progress=progress)

    def _sweep(
        self,
        wanted: FailedFilter,
        take: Callable[[Look, Sequence[Seen]], int],
        *,
        refuse: Callable[[FailedEntry], bool] | None,
        progress: Progress,
    ) -> Swept:
        swept = Swept()
        for look in self._lists:
            swept += Sweep(look, wanted, refuse=refuse, progress=progress).run(partial(take, look))
        return swept

    def _at(self, number: int, index: int | None) -> tuple[int, int] | None:
        """Return where to go on below `index` of a list, None for its tail: perhaps in the next list."""
        while number < len(self._lists):
            index = self._lists[number].length() - 1 if index is None else index
            if index >= 0:
                return number, index
            number, index = number + 1, None
        return None

    def _read_cursor(self, text: str) -> tuple[int, int]:
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise BadCursor(f"{text[:40]!r} is no cursor that was given with a page")
        return int(found[1]), int(found[2])

    def _find(self, key: str) -> tuple[Look, Seen] | None:
        if len(key) < SHORTEST_KEY:
            raise AmbiguousKey(f"a key needs at least {SHORTEST_KEY} characters")
        found = {seen.entry.raw: (look, seen) for look in self._lists for seen in look.search(key.lower())}
        if len(found) > 1:
            raise AmbiguousKey(f"{len(found)} different entries have a key that begins with {key}")
        return next(iter(found.values()), None)

    def _put_back_as_they_were(self, look: Look, entries: Sequence[Seen]) -> int:
        return self._put_back(look, [(place, entry.raw, entry.original) for place, entry in entries])

    def _put_back(self, look: Look, entries: Sequence[tuple[int, bytes, bytes]]) -> int:
        """Move entries, each given as index, bytes, and what goes to the queue; returns how many were there."""
        ticket = secrets.token_hex(16)
        self._reentry.note([original for _, _, original in entries])
        args = [part for entry in entries for part in (*entry, id_of(entry[2]))]
        where = (look.name, self._queue, keys.ids(self._queue))
        try:
            return int(eval_script(self._links, script("put_back"), where, (ticket, *args)))
        except StoreCrossSlot:
            return self._transit.carry(entries, ticket=ticket)
        except StoreWrongKind as error:
            raise StoreWrongKind(f"nothing can be put into {self._queue}, which holds no list") from error

    def _delete(self, look: Look, entries: Sequence[Seen]) -> int:
        args = [part for place, entry in entries for part in (place, entry.raw, b"", b"")]
        return int(eval_script(self._links, script("put_back"), (look.name,), (secrets.token_hex(16), *args)))

    def _clear(self, look: Look) -> int:
        return int(eval_script(self._links, script("clear"), (look.name,), ())) if look.length() else 0
