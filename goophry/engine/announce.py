"""One observer for many."""

import logging
from collections.abc import Sequence

from goophry.events import Event, Observer

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
