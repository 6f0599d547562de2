"""What is kept for clients of kingtask: results, and how many tasks ended well and badly on each day."""

from collections.abc import Sequence
from typing import Final

from goophry.store import keys
from goophry.store.client import Command, LinkPool
from goophry.store.lua import script

#: Seconds that a day's count lives, from its first task on.
COUNT_TTL_S: Final = 30 * 86_400

#: Seconds that a task is known to stand in a count, at least: a run that a crash cut off between its
#: result and its end comes back sooner.
COUNTED_TTL_S: Final = 86_400


class KingtaskStore:
    """Everything under one RedisQueueKey. Methods that ask raise `StoreError`."""

    def __init__(self, links: LinkPool, *, queue_key: str, keep_s: int) -> None:
        """A result is kept for `keep_s` seconds."""
        self._links = links
        self._queue_key = queue_key
        self._keep_s = keep_s

    def result(self, task_id: str) -> bytes | None:
        """Return what was kept of a task."""
        found: bytes | None = self._links.call("GET", keys.kingtask_result(self._queue_key, task_id))
        return found

    def count(self, day: str, *, success: bool) -> int:
        """Return how many tasks ended like this on a day; 0 for what is no day."""
        found = self._links.call("GET", keys.kingtask_count(self._queue_key, _ending(success=success), day))
        return int(found) if found is not None and found.isdigit() else 0

    def keep(self, task_id: str, result: bytes, *, left_ms: int | None) -> None:
        """Keep a result for so many ms, None = as long as any."""
        lifetime = self._keep_s * 1000 if left_ms is None else left_ms
        self._links.call("SET", keys.kingtask_result(self._queue_key, task_id), result, "PX", lifetime)

    def ended(self, task_id: str, *, success: bool, result: bytes, day: str) -> Sequence[Command]:
        """Return the commands that keep the result and count the task; a task is counted once, however often sent."""
        counter = keys.kingtask_count(self._queue_key, _ending(success=success), day)
        mark = keys.kingtask_counted(self._queue_key, task_id)
        return (
            ("EVAL", script("tally"), 2, counter, mark, COUNT_TTL_S, max(self._keep_s, COUNTED_TTL_S)),
            ("SET", keys.kingtask_result(self._queue_key, task_id), result, "EX", self._keep_s),
        )


def _ending(*, success: bool) -> str:
    return "success" if success else "failure"
