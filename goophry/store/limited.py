"""Queues of which all instances together take no more than a RateLimit allows.

Redis counts, in the step that takes: the moments of what was taken within the span stand in a list,
and the next entry may be taken when the oldest of as many as the limit allows is a span ago. So at
most that many are taken within *any* span, whichever moment it begins with, and whoever takes them.
While the limit holds, entries wait in the queue, where everybody sees them; no instance holds one.

To wait for an entry without taking it, the head of the queue is moved to where it is. Needs Redis
6.2, for at most once too.
"""

from collections.abc import Callable
from typing import Any, Final

from goophry.rate import RateLimit
from goophry.store import keys
from goophry.store.client import Command, Link
from goophry.store.lua import script
from goophry.store.queues import MAX_TAKE, AtLeastOnce, AtMostOnce
from goophry.store.replies import checked, unless_unblocked

_SCRIPT: Final = script("take_limited")


class _Limiter:
    """The step that takes, and what it said last."""

    def __init__(self, rate: RateLimit, *, name: str, running: str | None) -> None:
        where = (name, keys.rate(name), *((running,) if running is not None else ()))
        self._take: Command = ("EVAL", _SCRIPT, len(where), *where)
        self._limits = (rate.count, rate.span_s * 1_000_000)
        self._look: Command = ("BLMOVE", name, name, "LEFT", "LEFT")
        self.limited_s = 0.0

    def command(self, want: int) -> Command:
        return (*self._take, min(want, MAX_TAKE), *self._limits)

    def taken(self, reply: Any) -> list[bytes]:
        self.limited_s = reply[0] / 1e6
        entries: list[bytes] = reply[1:]
        return entries

    def wait(self, link: Link, take: Callable[[], list[bytes]], *, timeout_s: int) -> bytes | None:
        """Take the next entry; while there is none, wait for one, and while the limit holds, return None at once."""
        entries = take()
        if not entries and not self.limited_s and unless_unblocked(link, (*self._look, timeout_s)) is not None:
            entries = take()
        return entries[0] if entries else None


class LimitedAtMostOnce(AtMostOnce):
    """At most once, and no more than the limit allows."""

    def __init__(self, rate: RateLimit, *, queue_key: str, task_type: str) -> None:
        super().__init__(queue_key=queue_key, task_type=task_type)
        self._limiter = _Limiter(rate, name=self.name, running=None)

    @property
    def limited_s(self) -> float:
        """See `Queue.limited_s`."""
        return self._limiter.limited_s

    def wait(self, link: Link, *, timeout_s: int) -> bytes | None:
        """See `Queue.wait`."""
        return self._limiter.wait(link, lambda: self._take(link, 1), timeout_s=timeout_s)

    def _take(self, link: Link, want: int) -> list[bytes]:
        (reply,) = checked(link.pipeline((self._limiter.command(want),)))
        return self._limiter.taken(reply)


class LimitedAtLeastOnce(AtLeastOnce):
    """At least once, and no more than the limit allows."""

    def __init__(self, rate: RateLimit, *, queue_key: str, task_type: str, instance: str) -> None:
        super().__init__(queue_key=queue_key, task_type=task_type, instance=instance)
        self._limiter = _Limiter(rate, name=self.name, running=self.running)

    @property
    def limited_s(self) -> float:
        """See `Queue.limited_s`."""
        return self._limiter.limited_s

    def wait(self, link: Link, *, timeout_s: int) -> bytes | None:
        """See `Queue.wait`."""

        def take() -> list[bytes]:
            (reply,) = checked(link.pipeline((self._taking(1),)))
            return self._taken(reply)

        return self._limiter.wait(link, take, timeout_s=timeout_s)

    def _taking(self, want: int) -> Command:
        return self._limiter.command(want)

    def _taken(self, reply: Any) -> list[bytes]:
        return self._limiter.taken(reply)
