"""Telling the ErrorScript of Redis trouble."""

import threading
from collections.abc import Callable
from pathlib import Path

from goophry.engine.error_scripts import ErrorScripts
from goophry.events import Event, StoreBack, StoreLost
from goophry.runners.base import Notice


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
