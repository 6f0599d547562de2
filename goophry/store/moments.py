"""Which moment of each schedule was the last. Redis remembers it for all instances, and its clock counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from goophry.store import keys
from goophry.store.client import Command, LinkPool, eval_script
from goophry.store.lua import script

#: How far ahead a last moment may lie, in ms: as far as the clocks of two servers may differ, of which one takes over
#: from the other.
MOST_AHEAD_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Looked:
    """The schedules of one type, as Redis sees them. Moments are Unix ms."""

    now_ms: int
    last_ms: Mapping[str, int]
    """By name. A schedule that Redis has never seen before begins now."""
    repaired: int
    """Notes that made no sense and were replaced."""


def redis_time(links: LinkPool) -> float:
    """Return the Unix time in seconds, by Redis's clock. Raises `StoreError`."""
    seconds, micros = links.call("TIME")
    return int(seconds) + int(micros) / 1e6


class Moments:
    """Last moments of all schedules under one RedisQueueKey. Every method raises `StoreError`."""

    def __init__(self, links: LinkPool, *, queue_key: str) -> None:
        self._links = links
        self._queue_key = queue_key

    def look(self, task_type: str, names: Sequence[str]) -> Looked:
        """Return the time, and the last moment of each schedule of this type."""
        reply = eval_script(self._links, script("moments"), (self._key(task_type),), (MOST_AHEAD_MS, *names))
        now_ms, repaired, *last_ms = reply
        return Looked(now_ms, dict(zip(names, last_ms, strict=True)), repaired)

    def leave_out(self, task_type: str, name: str, moment_ms: int) -> bool:
        """Let the moments up to this one pass; returns False if they have been taken, or left out, already."""
        return bool(eval_script(self._links, script("pass_moment"), (self._key(task_type),), (name, moment_ms)))

    def newest(self, schedules: Sequence[tuple[str, str]]) -> list[str | None]:
        """Return the Id of the newest run of each schedule, given as type and name; None if there was none yet."""
        commands: list[Command] = [("HGET", self._key(task_type), name) for task_type, name in schedules]
        return [_newest(reply) for reply in self._links.pipeline(commands)] if commands else []

    def _key(self, task_type: str) -> str:
        return keys.schedules(keys.queue(self._queue_key, task_type))


def _newest(noted: bytes | None) -> str | None:
    _, _, entry_id = (noted or b"").partition(b" ")
    return entry_id.decode(errors="replace") or None
