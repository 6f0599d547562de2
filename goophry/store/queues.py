"""Taking entries of one task type from its queue, and settling them.

Two deliveries behind one protocol. At least once: an entry moves from the queue into the running
list of this instance and is removed from there once it is settled. At most once: it is taken
from the queue and stored nowhere else, as the original did.

An entry that was recovered from a dead instance carries `MARK` in front, once for each time:
white space that JSON ignores, so the count travels with the entry, atomically, and equal entries
are not mistaken for one another.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any, Final, NamedTuple, Protocol

from redis.exceptions import RedisError

from goophry.errors import StoreWrongKind
from goophry.store import keys
from goophry.store.client import Command, Link, LinkPool, eval_script
from goophry.store.lua import script
from goophry.store.replies import checked, number, unless_unblocked
from goophry.store.tasks import Due

MARK: Final = b"\t\r"

#: Seconds that Redis remembers, at most once, how far an instance has come with putting off.
STEP_TTL_S: Final = 86_400

#: Entries taken in one round trip at most; bounds what one answer can weigh.
MAX_TAKE: Final = 100


def split_mark(raw: bytes) -> tuple[int, bytes]:
    """Return how often the entry was recovered, and the entry as its producer wrote it."""
    count = 0
    while raw.startswith(MARK, count * len(MARK)):
        count += 1
    return count, raw[count * len(MARK) :]


class Known(NamedTuple):
    """What an instance knows of its entries when it reconciles."""

    held: Sequence[bytes] = ()
    settled: Sequence[tuple[bytes, int]] = ()
    """Settled entries that are perhaps not removed yet, each with the step that first was to remove it."""
    step: int = 0
    """The number of this step."""
    elsewhere: bool = False
    """Whether this is another server than the one from which the entries were taken: it may lack the last writes."""


class Reconciled(NamedTuple):
    """What a reconciliation found and did."""

    restored: int = 0
    """Held entries that were missing from the running list and were put back into it."""
    requeued: int = 0
    """Listed entries that nobody held; they went back to the head of the queue."""
    taken: Sequence[bytes] = ()
    """Held entries that another instance has taken over."""
    replaced: int = 0
    """Helper keys that held another kind of value than they should, and were emptied."""


class Deferral(Enum):
    """What became of an entry that was to be put off."""

    TAKEN = 0
    """Another instance may have it by now: nothing was changed."""
    DONE = 1
    DUE = 2
    """Its moment has come, it may run: nothing was changed."""
    MENDED = 3
    """As `DONE`; the set of what is put off held another kind of value, and was emptied before."""


class Queue(Protocol):
    """One type's queue, as one instance uses it."""

    name: str
    """The key producers push to."""

    leased: bool
    """Whether Redis keeps what was taken until it is settled; if not, what is taken is nobody else's from then on."""

    entered: int
    """How often `reconcile` has entered this instance in the set of owners: after the first time, somebody changed it."""

    @property
    def limited_s(self) -> float:
        """Seconds after which a RateLimit allows the next entry, as the last answer told; 0 = now."""
        ...

    def wait(self, link: Link, *, timeout_s: int) -> bytes | None:
        """Take the next entry, waiting for it up to `timeout_s` seconds, but not for a RateLimit to allow it."""
        ...

    def swap(self, link: Link, *, acks: Sequence[bytes], want: int, step: int) -> tuple[list[bytes], int]:
        """Remove settled entries and take up to `want` new ones, in one round trip.

        `step` numbers the swaps and reconciliations of an instance, so that one after a broken
        connection can tell how far things went. Returns the new entries and how many of the `acks`
        were there to remove. Raises `StoreFull` when all was removed and nothing could be taken.
        """
        ...

    def requeue(self, links: LinkPool, entries: Sequence[bytes]) -> int:
        """Put entries back to the head of the queue, in order; returns how many were still ours."""
        ...

    def defer(self, link: Link, raw: bytes, waiting: bytes, *, due: Due, step: int) -> Deferral:
        """Put the entry `raw` off, as `waiting`; when it is unknown whether it was done, `last_step` tells."""
        ...

    def last_step(self, link: Link) -> int:
        """Return the number of the last step of this instance that was carried out; 0 if that is not known."""
        ...

    def reconcile(self, link: Link, *, known: Known, popping: bool) -> Reconciled:
        """Make Redis agree with what this instance knows it holds.

        With `popping`, another thread is in `wait`: what nobody holds may be its entry, and stays.
        """
        ...


class AtMostOnce:
    """Taken from the queue and stored nowhere: what a crash holds is gone."""

    leased = False
    entered = 0

    def __init__(self, *, queue_key: str, task_type: str) -> None:
        self.name = keys.queue(queue_key, task_type)
        self._events = (keys.events(queue_key), task_type)
        self._step = keys.step(self.name, secrets.token_hex(8))

    @property
    def limited_s(self) -> float:
        """See `Queue.limited_s`: there is no limit."""
        return 0.0

    def wait(self, link: Link, *, timeout_s: int) -> bytes | None:
        """See `Queue.wait`."""
        reply = unless_unblocked(link, ("BLPOP", self.name, timeout_s))
        return None if reply is None else bytes(reply[1])

    def swap(self, link: Link, *, acks: Sequence[bytes], want: int, step: int) -> tuple[list[bytes], int]:
        """See `Queue.swap`; there is nothing to remove."""
        del step
        return self._take(link, want) if want else [], len(acks)

    def requeue(self, links: LinkPool, entries: Sequence[bytes]) -> int:
        """See `Queue.requeue`."""
        if entries:
            links.call("LPUSH", self.name, *reversed(entries))
        return len(entries)

    def defer(self, link: Link, raw: bytes, waiting: bytes, *, due: Due, step: int) -> Deferral:
        """See `Queue.defer`."""
        del raw
        where = (self.name, keys.delayed(self.name), keys.taken(self.name, ""), self._step)
        args = (b"", waiting, *due.arguments, *self._events, step, STEP_TTL_S)
        return Deferral(eval_script(link, script("defer"), where, args)[0])

    def last_step(self, link: Link) -> int:
        """See `Queue.last_step`."""
        return number(link, self._step)

    def reconcile(self, link: Link, *, known: Known, popping: bool) -> Reconciled:
        """See `Queue.reconcile`: Redis knows nothing of what is held, so it always agrees."""
        del known, popping
        with _said_clearly(self.name):
            link.call("LLEN", self.name)
        return Reconciled()

    def _take(self, link: Link, want: int) -> list[bytes]:
        # LPOP with a count exists only from Redis 6.2 on, and this delivery works with 5.
        replies = checked(link.pipeline([("LPOP", self.name)] * min(want, MAX_TAKE)))
        return [reply for reply in replies if reply is not None]


class AtLeastOnce:
    """Moved into this instance's running list until settled: what a crash holds is recovered."""

    leased = True

    def __init__(self, *, queue_key: str, task_type: str, instance: str) -> None:
        self.name = keys.queue(queue_key, task_type)
        self.entered = 0
        self.running = keys.running(self.name, instance)
        self._step = keys.step(self.name, instance)
        self._instance = instance
        self._events = (keys.events(queue_key), task_type)
        self._wait = ("BLMOVE", self.name, self.running, "LEFT", "RIGHT")
        self._take_one: Command = ("LMOVE", self.name, self.running, "LEFT", "RIGHT")
        self._take_some: Command = ("EVAL", script("take"), 2, self.name, self.running)

    @property
    def limited_s(self) -> float:
        """See `Queue.limited_s`: there is no limit."""
        return 0.0

    def wait(self, link: Link, *, timeout_s: int) -> bytes | None:
        """See `Queue.wait`."""
        reply: bytes | None = unless_unblocked(link, (*self._wait, timeout_s))
        return reply

    def swap(self, link: Link, *, acks: Sequence[bytes], want: int, step: int) -> tuple[list[bytes], int]:
        """See `Queue.swap`."""
        commands: list[Command] = [("LREM", self.running, 1, raw) for raw in acks]
        if acks:
            # Between the two: without it, nothing was taken; with it, everything was removed.
            commands.append(("SET", self._step, step))
        if want:
            commands.append(self._taking(want))
        replies = link.pipeline(commands)
        removed = sum(checked(replies[: len(acks)]))
        if not want:
            return [], removed
        if removed < len(acks) and isinstance(replies[-1], RedisError):
            return [], removed
        # The number of the step may be missing for lack of memory: with this answer it is not needed.
        (taken,) = checked(replies[-1:])
        return self._taken(taken), removed

    def requeue(self, links: LinkPool, entries: Sequence[bytes]) -> int:
        """See `Queue.requeue`. What another instance has taken over meanwhile stays there."""
        if not entries:
            return 0
        return int(eval_script(links, script("requeue"), (self.running, self.name), entries))

    def defer(self, link: Link, raw: bytes, waiting: bytes, *, due: Due, step: int) -> Deferral:
        """See `Queue.defer`."""
        where = (self.running, keys.delayed(self.name), keys.taken(self.name, self._instance), self._step)
        args = (raw, waiting, *due.arguments, *self._events, step, 0)
        return Deferral(eval_script(link, script("defer"), where, args)[0])

    def last_step(self, link: Link) -> int:
        """See `Queue.last_step`."""
        return number(link, self._step)

    def reconcile(self, link: Link, *, known: Known, popping: bool) -> Reconciled:
        """See `Queue.reconcile`; also enters this instance in the set of those to look after."""
        where = (
            self.running,
            self.name,
            keys.instances(self.name),
            keys.taken(self.name, self._instance),
            self._step,
        )
        args: list[str | bytes | int | float] = [self._instance, int(popping), known.step, int(known.elsewhere)]
        args += [len(known.held), *known.held]
        for raw, step in known.settled:
            args += (raw, step)
        with _said_clearly(self.name):
            restored, requeued, replaced, entered, *taken = eval_script(link, script("reconcile"), where, args)
        self.entered += entered
        return Reconciled(restored, requeued, tuple(taken), replaced)

    def _taking(self, want: int) -> Command:
        return self._take_one if want == 1 else (*self._take_some, min(want, MAX_TAKE))

    def _taken(self, reply: Any) -> list[bytes]:
        if isinstance(reply, list):
            return reply
        return [] if reply is None else [reply]


def keep_failed(link: Link | LinkPool, key: str, payload: bytes, *, ttl_s: int) -> None:
    """Append to the list of failed entries `key`; its expiry starts anew. `ttl_s` 0 = it is not given one."""
    eval_script(link, script("keep_failed"), (key,), (payload, ttl_s))


@contextmanager
def _said_clearly(queue: str) -> Iterator[None]:
    """Name the key when a queue is none; Redis does not."""
    try:
        yield
    except StoreWrongKind as error:
        raise StoreWrongKind(f"nothing can be taken from {queue}, which holds no list") from error
