"""Tasks on their way into a queue: taken in, put off, promoted when due, taken out again."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from redis.exceptions import RedisError

from goophry.store import keys
from goophry.store.client import Command, LinkPool, eval_script
from goophry.store.lua import script
from goophry.submission import Moment

#: Entries that one look for an Id reads at a time; bounds what one answer can weigh.
PAGE: Final = 1000

Place = Literal["waiting", "delayed", "running"]


@dataclass(frozen=True, slots=True)
class Due:
    """When an entry is due: a span from now, or a moment. Redis's clock decides, so that hosts need not agree."""

    form: Literal["now", "in", "at"]
    ms: int = 0

    @property
    def arguments(self) -> tuple[str, int]:
        """As the scripts take it."""
        return self.form, self.ms


NOW: Final = Due("now")


def due_in(seconds: float) -> Due:
    """Return what is due after so many seconds, never earlier."""
    return Due("in", math.ceil(seconds * 1000))


def due_at(moment_s: float) -> Due:
    """Return what is due at this moment, in Unix seconds, never earlier."""
    return Due("at", math.ceil(round(moment_s * 1000, 3)))


@dataclass(frozen=True, slots=True)
class Submitted:
    """What Redis made of a task that was to be taken in."""

    state: Literal["accepted", "id", "unique", "overlap", "moment"]
    due_s: float | None = None
    """When it goes into the queue; None = it is there."""
    owner: str = ""
    """For `unique` and `overlap`: the Id of the task that is there."""
    noted: bool = False
    """Whether the command that was sent before did something."""
    repaired: int = 0
    """Helper keys that held another kind of value than they should, and were emptied."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """A task that is to be taken in."""

    task_type: str
    raw: bytes
    entry_id: str
    due: Due = NOW
    unique: tuple[str, int] = ("", 0)
    """A digest, and the ms for which it counts (0 = no end)."""
    moment: Moment | None = None
    first: Command = ("PING",)
    """A command that is sent before."""


class Tasks:
    """All task types under one RedisQueueKey. Every method raises `StoreError`."""

    def __init__(self, links: LinkPool, *, queue_key: str) -> None:
        self._links = links
        self._queue_key = queue_key

    def submit(self, entrances: Sequence[Entrance]) -> list[Submitted]:
        """Take tasks in, unless one with this Id is there, or one that it equals, or its moment has been taken.

        All in one round trip; returns what Redis made of each.
        """
        commands: list[Command] = []
        for entrance in entrances:
            commands += (entrance.first, self._submission(entrance))
        replies = self._links.pipeline(commands) if commands else []
        return [_submitted(bool(noted), *reply) for noted, reply in zip(replies[::2], replies[1::2], strict=True)]

    def _submission(self, entrance: Entrance) -> Command:
        q = keys.queue(self._queue_key, entrance.task_type)
        where = (q, keys.delayed(q), keys.ids(q), keys.unique(q), keys.schedules(q))
        schedule, moment_ms, alone = _arguments(entrance.moment)
        return (
            "EVAL",
            script("submit"),
            len(where),
            *where,
            entrance.raw,
            entrance.entry_id,
            *entrance.due.arguments,
            *entrance.unique,
            schedule,
            moment_ms,
            keys.events(self._queue_key),
            entrance.task_type,
            alone,
        )

    def promote(self, task_type: str, *, limit: int) -> tuple[int, float | None, bool]:
        """Put up to `limit` due entries into the queue.

        Returns how many there were, the seconds until the next is due (None = there is none), and
        whether the key held another kind of value and was emptied.
        """
        q = keys.queue(self._queue_key, task_type)
        count, next_ms, emptied = eval_script(self._links, script("promote"), (keys.delayed(q), q), (limit,))
        return count, None if next_ms < 0 else next_ms / 1000, bool(emptied)

    def next_due(self, types: Sequence[str]) -> dict[str, float | None]:
        """Return for each type the seconds until its next entry is due, None = none is; 0 also if that is not known."""
        if not types:
            return {}
        names = [keys.delayed(keys.queue(self._queue_key, name)) for name in types]
        commands: list[Command] = [("TIME",), *(("ZRANGE", name, 0, 0, "WITHSCORES") for name in names)]
        (seconds, micros), *firsts = self._links.answers(commands)
        now = int(seconds) + int(micros) / 1e6
        found: dict[str, float | None] = {}
        for task_type, first in zip(types, firsts, strict=True):
            if isinstance(first, RedisError):  # no sorted set: the promotion tells of it
                found[task_type] = 0.0
            else:
                found[task_type] = max(0.0, float(first[1]) / 1000 - now) if first else None
        return found

    def types_of(self, entry_id: str, types: Sequence[str]) -> list[str]:
        """Return the types that have, or had, a task of this Id."""
        commands: list[Command] = [("HEXISTS", keys.ids(keys.queue(self._queue_key, name)), entry_id) for name in types]
        replies = self._links.answers(commands)
        return [name for name, reply in zip(types, replies, strict=True) if reply == 1]

    def since(self, task_type: str, *, entry_id: str) -> float | None:
        """Return when the task was taken in, in Unix seconds; None if no task of this Id is noted."""
        moment = self._links.call("HGET", keys.ids(keys.queue(self._queue_key, task_type)), entry_id)
        return None if moment is None else int(moment) / 1000 if moment.isdigit() else 0.0

    def find(self, task_type: str, entry_id: str) -> tuple[Place, bytes] | None:
        """Return where the task is and its entry as it stands there; None if it is nowhere.

        It looks through all entries of the type. One that moves meanwhile may be missed.
        """
        places: Sequence[Place] = ("waiting", "delayed", "running", "delayed", "waiting")
        for place in places:
            for raw in self.entries(task_type, place):
                if has_id(raw, entry_id):
                    return place, raw
        return None

    def remove(self, task_type: str, raw: bytes, *, entry_id: str, digest: str) -> bool:
        """Take an entry out before it runs; returns whether it was still there."""
        q = keys.queue(self._queue_key, task_type)
        where = (q, keys.delayed(q), keys.ids(q), keys.unique(q))
        return bool(eval_script(self._links, script("remove"), where, (raw, entry_id, digest)))

    def release(self, task_type: str, *, entry_id: str, digest: str) -> None:
        """Note that the task is not there any more."""
        self._links.pipeline([self.released(task_type, entry_id=entry_id, digest=digest)])

    def registered(self, task_type: str, *, entry_id: str, digest: str) -> Command:
        """Return the command that notes that a task is there; with a `digest` its like may be taken in again."""
        q = keys.queue(self._queue_key, task_type)
        return ("EVAL", script("register"), 2, keys.ids(q), keys.unique(q), entry_id, digest)

    def released(self, task_type: str, *, entry_id: str, digest: str) -> Command:
        """Return the command that notes that a task has ended."""
        q = keys.queue(self._queue_key, task_type)
        return ("EVAL", script("release"), 2, keys.ids(q), keys.unique(q), entry_id, digest)

    def entries(self, task_type: str, place: Place) -> Iterator[bytes]:
        """Yield all entries of the type in that place, the newest first; one that moves meanwhile may be missed."""
        q = keys.queue(self._queue_key, task_type)
        if place == "running":
            owners = self._links.call("SMEMBERS", keys.instances(q))
            for owner in owners:
                yield from self._pages("LRANGE", keys.running(q, owner.decode(errors="replace")))
        elif place == "delayed":
            yield from self._pages("ZRANGE", keys.delayed(q))
        else:
            yield from self._pages("LRANGE", q)

    def _pages(self, command: str, key: str) -> Iterator[bytes]:
        """Yield the elements, the newest first: entries leave at the head, and none is passed over for that."""
        stop = -1
        while True:
            page: list[bytes] = self._links.call(command, key, stop - PAGE + 1, stop)
            yield from reversed(page)
            if len(page) < PAGE:
                return
            stop -= PAGE


def _arguments(moment: Moment | None) -> tuple[str, int | str, int]:
    """Return a schedule, its moment and whether its run is to be alone, as `submit` takes them."""
    if moment is None:
        return "", "", 0
    return moment.schedule, "" if moment.ms is None else moment.ms, int(moment.alone)


def _submitted(noted: bool, state: bytes, *more: Any) -> Submitted:  # noqa: FBT001 - as Redis answered
    if state == b"accepted":
        due_ms, repaired = more
        return Submitted("accepted", due_ms / 1000 if due_ms else None, repaired=repaired)
    if state in {b"unique", b"overlap"}:
        owner = more[0].decode(errors="replace")
        return Submitted("unique" if state == b"unique" else "overlap", owner=owner, noted=noted)
    return Submitted("id" if state == b"id" else "moment", noted=noted)


def has_id(raw: bytes, entry_id: str) -> bool:
    """Whether the entry has this Id; others are told apart without reading them as JSON where possible."""
    plain = json.dumps(entry_id, ensure_ascii=False)[1:-1].encode(errors="surrogateescape")
    if plain not in raw and b"\\" not in raw:
        return False
    try:
        value: Any = json.loads(raw.decode(errors="surrogateescape"))
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict):
        return False
    found = [item for key, item in value.items() if key.lower() == "id"]
    return bool(found) and str(found[-1]) == entry_id
