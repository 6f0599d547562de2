"""What is kept for clients of Coyotes: channels, failed tasks, and the list into which clients push without HTTP."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from goophry.errors import StoreUnavailable
from goophry.store import keys
from goophry.store.client import Command, Link, LinkPool, eval_script
from goophry.store.lua import script

#: Entries of the prepare list that could not be read: so many are kept.
MOST_DROPPED: Final = 1000

#: Runs that are noted for a history whose database is away: so many, the newest.
MOST_NOTED: Final = 100_000

#: Seconds that one look at the prepare list waits for an entry.
WAIT_S: Final = 1


class CoyotesStore:
    """Everything under one RedisQueueKey. Every method raises `StoreError`."""

    def __init__(self, links: LinkPool, *, queue_key: str) -> None:
        self._links = links
        self._queue_key = queue_key

    def channels(self) -> dict[str, bytes]:
        """Return what is kept of each channel."""
        found = self._links.call("HGETALL", keys.coyotes_channels(self._queue_key))
        return {name.decode(errors="replace"): found[at + 1] for at, name in enumerate(found) if at % 2 == 0}

    def add_channel(self, name: str, value: bytes) -> bool:
        """Keep a channel; returns False, and changes nothing, if there is one of this name."""
        return bool(self._links.call("HSETNX", keys.coyotes_channels(self._queue_key), name, value))

    def remove_channel(self, name: str) -> None:
        """Forget a channel."""
        self._links.call("HDEL", keys.coyotes_channels(self._queue_key), name)

    def failed(self, channel: str) -> list[bytes]:
        """Return all failed tasks of a channel."""
        found: list[bytes] = self._links.call("HVALS", keys.coyotes_failed(self._queue_key, channel))
        return found

    def failed_one(self, channel: str, task_id: str) -> bytes | None:
        """Return one of them."""
        field = task_id.encode(errors="surrogateescape")
        found: bytes | None = self._links.call("HGET", keys.coyotes_failed(self._queue_key, channel), field)
        return found

    def forget_failed(self, channel: str, task_id: str, value: bytes) -> bool:
        """Remove one of them if it is still this one; returns whether it was."""
        where = keys.coyotes_failed(self._queue_key, channel)
        field = task_id.encode(errors="surrogateescape")
        return bool(eval_script(self._links, script("forget_field"), (where,), (field, value)))

    def keep_failed(self, channel: str, task_id: str, value: bytes) -> Command:
        """Return the command that keeps a failed task."""
        field = task_id.encode(errors="surrogateescape")
        return ("EVAL", script("keep_field"), 1, keys.coyotes_failed(self._queue_key, channel), field, value)

    def note_run(self, row: bytes) -> Sequence[Command]:
        """Return the commands that note a run for the history."""
        where = keys.coyotes_history(self._queue_key)
        return ("RPUSH", where, row), ("LTRIM", where, -MOST_NOTED, -1)

    def history(self, limit: int) -> list[bytes]:
        """Return up to `limit` runs that are noted, the oldest first."""
        found: list[bytes] = self._links.call("LRANGE", keys.coyotes_history(self._queue_key), 0, limit - 1)
        return found

    def forget_history(self, count: int) -> None:
        """Remove so many of the oldest."""
        self._links.call("LTRIM", keys.coyotes_history(self._queue_key), count, -1)

    def drop(self, raw: bytes, *, reason: str, now: float) -> None:
        """Keep an entry of the prepare list that is no task, for whoever wonders where it went."""
        value = {"At": round(now, 3), "Reason": reason, "Entry": raw.decode(errors="replace")}
        where = keys.coyotes_dropped(self._queue_key)
        text = json.dumps(value, ensure_ascii=False).encode(errors="replace")
        self._links.pipeline([("LPUSH", where, text), ("LTRIM", where, 0, MOST_DROPPED - 1)])


class PrepareList:
    """Takes entries from the list of clients, the oldest first, and loses none: one in hand stands in a list of its own."""

    def __init__(self, link: Link, links: LinkPool, *, name: str, queue_key: str, instance: str) -> None:
        """`link` is for waiting alone; `name` is that of the list."""
        self._link = link
        self._links = links
        self._name = name
        self._taken = keys.coyotes_taken(name, instance)
        self._takers = keys.coyotes_takers(queue_key)
        self._instance = instance
        self._known = False
        self._taken_from: Any = None

    def take(self) -> bytes | None:
        """Wait up to `WAIT_S` for an entry and take it into the hand; `done` lets go of it. Raises `StoreError`."""
        if not self._known:
            self._links.call("SADD", self._takers, self._instance)
            self._known = True
        found: bytes | None = self._link.call("BLMOVE", self._name, self._taken, "RIGHT", "LEFT", WAIT_S)
        self._taken_from = self._link.server
        return found

    def done(self, raw: bytes) -> None:
        """Let go of an entry that is taken care of. Raises `StoreError`, also if another server answers than when it was taken.

        That one perhaps has not heard that it was taken care of.
        """
        with self._links.lent() as link:
            link.open(near=self._taken)
            if link.server != self._taken_from:
                raise StoreUnavailable("another server answers than the one from which the entry was taken")
            link.call("LREM", self._taken, 1, raw)

    def in_hand(self) -> Sequence[bytes]:
        """Return what was taken and not let go of, the oldest first. Raises `StoreError`."""
        with self._links.lent() as link:
            found: list[bytes] = link.call("LRANGE", self._taken, 0, -1)
            self._taken_from = link.server
        return found[::-1]

    def recover(self, *, is_dead: Callable[[str], bool]) -> int:
        """Put back what instances hold that are dead; returns how many entries. Raises `StoreError`."""
        recovered = 0
        for raw in self._links.call("SMEMBERS", self._takers):
            other = raw.decode(errors="replace")
            if other != self._instance and is_dead(other):
                where = (keys.coyotes_taken(self._name, other), self._name)
                recovered += int(eval_script(self._links, script("give_back"), where, ()))
                self._links.call("SREM", self._takers, other)
        return recovered

    def close(self) -> None:
        """Close the link for waiting."""
        self._link.close()
