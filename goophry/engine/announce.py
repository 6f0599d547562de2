"""One observer for many, and the one that tells the ErrorScript of Redis trouble."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from goophry.engine.error_scripts import ErrorScripts
from goophry.events import Event, Observer, StoreBack, StoreLost
from goophry.runners.base import Notice

_log = logging.getLogger(__name__)


class Announcer:
    """Hands every event to all observers, in order; one that fails does not harm the others, or the task."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def notify(self, event: Event) -> None:
        """See `Observer.notify`."""
        for observer in self._observers:
            try:
                observer.notify(event)
            except Exception:
                _log.exception("An observer failed", extra={"action": "observer_failed"})


class RedisTrouble:
    """Tells the ErrorScript when Redis goes away: once for all parts that notice, not once for each."""

    def __init__(self, script: Callable[[], Path | None], error_scripts: ErrorScripts) -> None:
        self._script = script
        self._error_scripts = error_scripts
        self._lock = threading.Lock()
        self._away: set[str] = set()

    def notify(self, event: Event) -> None:
        """See `Observer.notify`."""
        if isinstance(event, StoreBack):
            with self._lock:
                self._away.discard(event.who)
        elif isinstance(event, StoreLost):
            with self._lock:
                first = not self._away
                self._away.add(event.who)
            script = self._script()
            if first and script is not None:
                notice = Notice(redis_error(event.reason), outcome="redis")
                self._error_scripts.tell(script, notice, or_drop=True)


def redis_error(reason: str) -> str:
    """Return the words in which the original told its ErrorScript of Redis trouble."""
    return f"Redis Error:\n{reason}"
