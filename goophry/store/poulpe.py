"""What is kept for clients of poulpe: which jobs there are, what was said of them, and the dead."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from goophry.errors import StoreWrongKind
from goophry.store import keys
from goophry.store.client import Command, LinkPool, eval_script
from goophry.store.lua import script
from goophry.store.queues import split_mark

#: Seconds that what was said of an attempt waits for somebody to ask.
SAID_TTL_S: Final = 3600

#: Seconds that a moment of the cron file counts as taken.
FIRED_TTL_S: Final = 3600

#: Seconds that a look at the cron file is known; far more than a moment may be late.
LOOKED_TTL_S: Final = 60

#: Entries, and dead letters, that are read at a time.
PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Load:
    """How much there is for one worker."""

    waiting: int
    delayed: int
    running: int


class PoulpeStore:
    """Everything under one RedisQueueKey. Methods that ask raise `StoreError`."""

    def __init__(self, links: LinkPool, *, queue_key: str) -> None:
        self._links = links
        self._queue_key = queue_key

    def loads(self, types: Sequence[str]) -> list[Load]:
        """Return how much there is of each type."""
        commands: list[Command] = []
        for name in types:
            q = keys.queue(self._queue_key, name)
            where = (q, keys.delayed(q), keys.instances(q))
            commands.append(("EVAL", script("load"), len(where), *where, keys.running(q, "")))
        return [Load(*reply) for reply in self._links.pipeline(commands)]

    def enter(self, jobs: Sequence[tuple[str, str, str]]) -> list[str | None]:
        """Note jobs that come in, each by key, place of its results and ticket; returns the tickets of those that they replace."""
        jobs_key = keys.poulpe_jobs(self._queue_key)
        replies = self._links.pipeline(
            [
                ("EVAL", script("poulpe_enter"), 2, jobs_key, keys.poulpe_said(self._queue_key, place), key, ticket)
                for key, place, ticket in jobs
            ]
        )
        return [None if reply is None else reply.decode() for reply in replies]

    def left(self, key: str, ticket: str, before: str | None) -> None:
        """Undo `enter` for a job that was not taken in after all."""
        name = keys.poulpe_jobs(self._queue_key)
        eval_script(self._links, script("poulpe_leave"), (name,), (key, ticket, before or ""))

    def tickets(self) -> set[str]:
        """Return the tickets of all jobs that are there and not replaced."""
        found: Sequence[bytes] = self._ask("HVALS", keys.poulpe_jobs(self._queue_key)) or []
        return {value.decode(errors="replace").partition(" ")[0] for value in found}

    def ended(
        self, key: str, ticket: str, *, attempt: int, place: str, said: bytes, is_last: bool, dead: bytes = b""
    ) -> Sequence[Command]:
        """Return the commands that say how an attempt has ended; at what place, empty = nobody asked."""
        where = (
            keys.poulpe_jobs(self._queue_key),
            keys.poulpe_said(self._queue_key, place),
            keys.poulpe_dead(self._queue_key),
            keys.poulpe_noted(self._queue_key),
        )
        told = said if place else b""
        ttl_s = 0 if place == OUTBOX else SAID_TTL_S
        channel = keys.poulpe_said_channel(self._queue_key, place)
        arguments = (key, ticket, attempt, told, ttl_s, channel, int(is_last), dead)
        return (("EVAL", script("poulpe_ended"), len(where), *where, *arguments),)

    def said(self, place: str) -> bytes | None:
        """Take what was said first of what is kept there."""
        found: bytes | None = self._ask("LPOP", keys.poulpe_said(self._queue_key, place))
        return found

    def put_back(self, place: str, said: bytes) -> None:
        """Put back what was taken last."""
        name = keys.poulpe_said(self._queue_key, place)
        self._links.pipeline(
            [
                ("LPUSH", name, said),
                ("EXPIRE", name, SAID_TTL_S),
                ("PUBLISH", keys.poulpe_said_channel(self._queue_key, place), ""),
            ]
        )

    def outbox(self) -> list[bytes]:
        """Return the oldest of what is to be sent, without taking it."""
        found: list[bytes] | None = self._ask("LRANGE", keys.poulpe_said(self._queue_key, OUTBOX), 0, PAGE - 1)
        return found or []

    def sent(self, messages: Sequence[bytes]) -> None:
        """Forget what has been sent."""
        name = keys.poulpe_said(self._queue_key, OUTBOX)
        self._links.pipeline([("LREM", name, 1, message) for message in messages])

    def dead(self) -> dict[str, tuple[str, bytes]]:
        """Return the dead letters that are not written yet, by ticket: key of the job, and the letter."""
        found: list[bytes] = self._ask("HGETALL", keys.poulpe_dead(self._queue_key)) or []
        letters: dict[str, tuple[str, bytes]] = {}
        for raw, letter in zip(found[::2], found[1::2], strict=True):
            ticket, key = raw.decode(errors="replace"), _read(letter).get("id")
            if key is None:  # somebody else's, or rubbish
                self.buried(ticket)
            else:
                letters[ticket] = (str(key), letter)
        return letters

    def buried(self, ticket: str) -> None:
        """Forget a dead letter: it is written."""
        self._links.call("HDEL", keys.poulpe_dead(self._queue_key), ticket)

    def has_fired(self, key: str) -> bool:
        """Whether this moment of the cron file has been taken."""
        return bool(self._links.call("EXISTS", keys.poulpe_fired(self._queue_key, key)))

    def fire(self, key: str, ticket: str, note: bytes) -> bool:
        """Take a moment of the cron file, and note its job until it `is_in`; returns False if somebody has taken it."""
        where = (
            keys.poulpe_fired(self._queue_key, key),
            keys.poulpe_jobs(self._queue_key),
            keys.poulpe_noted(self._queue_key),
        )
        return bool(eval_script(self._links, script("poulpe_fire"), where, (key, ticket, note, FIRED_TTL_S)))

    def hold(self, notes: Sequence[tuple[str, bytes]]) -> None:
        """Note jobs that are not to be in a queue yet, each by key, instead of what was noted before."""
        name = keys.poulpe_noted(self._queue_key)
        if notes:
            self._links.pipeline([("EVAL", script("keep_field"), 1, name, key, note) for key, note in notes])

    def noted(self) -> dict[str, bytes]:
        """Return the notes of all jobs of which nobody has said that they are in, by key."""
        found: list[bytes] = self._ask("HGETALL", keys.poulpe_noted(self._queue_key)) or []
        return {key.decode(errors="replace"): note for key, note in zip(found[::2], found[1::2], strict=True)}

    def notes(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the notes of some jobs, by key; few have one."""
        name = keys.poulpe_noted(self._queue_key)
        found = {key: self._ask("HGET", name, key) for key in names}
        return {key: note for key, note in found.items() if note is not None}

    def is_in(self, key: str, note: bytes) -> None:
        """Forget a note: its job is in a queue, or cannot be."""
        eval_script(self._links, script("poulpe_in"), (keys.poulpe_noted(self._queue_key),), (key, note))

    def looked(self) -> float | None:
        """Return when somebody looked at the cron file last, in Unix seconds; None if nobody did of late."""
        found: bytes | None = self._ask("GET", keys.poulpe_looked(self._queue_key))
        try:
            return None if found is None else float(found)
        except ValueError:
            return None

    def look(self, now_s: float) -> None:
        """Note that all moments up to now have been taken."""
        self._links.call("SET", keys.poulpe_looked(self._queue_key), f"{now_s:.3f}", "EX", LOOKED_TTL_S)

    def entries(self, types: Sequence[str]) -> tuple[list[dict[str, Any]], list[tuple[dict[str, Any], int]]]:
        """Return the entries that wait or run, and those that are delayed, each with its moment in Unix ms."""
        working: list[dict[str, Any]] = []
        delayed: list[tuple[dict[str, Any], int]] = []
        for name in types:
            q = keys.queue(self._queue_key, name)
            owners = [owner.decode(errors="replace") for owner in self._links.call("SMEMBERS", keys.instances(q))]
            # First what waits, then what runs: an entry that moves meanwhile is seen twice, not never.
            commands: list[Command] = [("LRANGE", q, 0, -1)]
            commands += [("LRANGE", keys.running(q, owner), 0, -1) for owner in owners]
            later, *lists = self._links.pipeline([("ZRANGE", keys.delayed(q), 0, -1, "WITHSCORES"), *commands])
            working += [_read(raw) for found in lists for raw in found]
            delayed += [(_read(raw), int(float(due))) for raw, due in zip(later[::2], later[1::2], strict=True)]
        return working, delayed

    def _ask(self, command: str, key: str, *more: int | str) -> Any:
        """Return what a key holds; one that holds another kind of value is removed, and holds nothing."""
        try:
            return self._links.call(command, key, *more)
        except StoreWrongKind:
            self._links.call("DEL", key)
            return None


#: The place of what is to be sent to Kafka.
OUTBOX: Final = "\0kafka"


def _read(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(split_mark(raw)[1].decode(errors="replace"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
