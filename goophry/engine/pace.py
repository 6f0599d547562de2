"""How much this instance gets done, for the heartbeat: whoever looks at the fleet has Redis alone to ask."""

import threading
from collections import deque
from typing import Any, Final

from goophry.clock import Clock
from goophry.events import EntryUnreadable, Event, TaskFinished

#: Seconds over which a rate is taken: a few heartbeats, so that it neither jumps nor lags.
WINDOW_S: Final = 10.0


class Pace:
    """An Observer that counts what has ended here for good, by type. Thread-safe."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._finished: dict[str, int] = {}
        self._failed: dict[str, int] = {}
        self._before: deque[tuple[float, dict[str, int]]] = deque()

    def notify(self, event: Event) -> None:
        """Count `event` if it is the end of an entry."""
        if type(event) is TaskFinished:
            if event.final:
                self._count(event.type, failed=not event.outcome.ok)
        elif type(event) is EntryUnreadable:
            self._count(event.type, failed=True)

    def told(self) -> dict[str, dict[str, Any]]:
        """Return what the heartbeat tells; for one thread, which calls it with each beat."""
        now = self._clock.monotonic()
        with self._lock:
            finished, failed = dict(self._finished), dict(self._failed)
        while len(self._before) > 1 and now - self._before[1][0] >= WINDOW_S:
            self._before.popleft()
        since, counts = self._before[0] if self._before else (now, finished)
        self._before.append((now, finished))
        span_s = max(now - since, 0.001)
        return {
            name: {
                "Finished": count,
                "Failed": failed.get(name, 0),
                "PerS": round((count - counts.get(name, 0)) / span_s, 3),
            }
            for name, count in finished.items()
        }

    def _count(self, task_type: str, *, failed: bool) -> None:
        with self._lock:
            self._finished[task_type] = self._finished.get(task_type, 0) + 1
            if failed:
                self._failed[task_type] = self._failed.get(task_type, 0) + 1
