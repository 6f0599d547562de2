"""Why a loop takes nothing for now, and what wakes it when that changes."""

import threading
from collections.abc import Sequence
from enum import Enum

from goophry.engine.exchange import Exchange
from goophry.engine.task import Task
from goophry.errors import StoreFull, StoreRefused


class Hold(Enum):
    """A reason to take nothing; a loop may have several at once."""

    PAUSED = "paused"
    """Somebody paused the type, on all instances."""
    QUIET = "quiet"
    """Somebody asked this instance for quiet."""
    ELSEWHERE = "elsewhere"
    """Another instance takes the type's entries, and one at a time is to."""
    REMOVED = "removed"
    """The type was taken out of the configuration; it goes once nothing of it runs."""


class Holds:
    """The reasons that a loop has now. Thread-safe."""

    def __init__(self) -> None:
        self._reasons: frozenset[Hold] = frozenset()
        self._lock = threading.Lock()
        self._news = threading.Event()

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def add(self, reason: Hold) -> None:
        """Have nothing taken from now on."""
        with self._lock:
            self._reasons |= {reason}
        self.wake()

    def discard(self, reason: Hold) -> None:
        """Let entries be taken again, unless there is another reason."""
        with self._lock:
            self._reasons -= {reason}
        self.wake()

    def wake(self) -> None:
        """End a `wait`: something has changed."""
        self._news.set()

    def wait(self, timeout_s: float) -> None:
        """Wait until something has changed since the last wait; whoever waits then looks what it was."""
        self._news.wait(timeout_s)
        # Whatever changed was changed before the event was set, so a look after this sees it.
        self._news.clear()


def put_back(exchange: Exchange, tasks: Sequence[Task]) -> Sequence[Task]:
    """Put back to the head of the queue what a held loop has popped; returns what has to be run all the same.

    Raises `StoreUnavailable`; the tasks are not held any more then.
    """
    try:
        exchange.requeue(*tasks)
    except (StoreFull, StoreRefused):
        # Popped at most once they are nowhere but here: rather run than lost.
        return tasks
    return ()
