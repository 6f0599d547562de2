"""Telling of a Redis outage twice: when it begins and when it is over."""

import logging
import random
import threading
from collections.abc import Callable
from typing import Final

from goophry.backoff import Backoff
from goophry.clock import Clock
from goophry.errors import StoreError
from goophry.events import Observer, StoreBack, StoreFailed, StoreLost

#: The first retry comes soon enough for a blip; 3 s at most keeps the way back short, and the
#: spread keeps a thousand loops from knocking at the same moment.
RETRY: Final = Backoff(min_s=0.1, max_s=3.0)

_log = logging.getLogger(__name__)


class Outage:
    """One part's view of whether Redis can be reached; used by all threads of that part."""

    def __init__(self, who: str, *, observer: Observer, clock: Clock) -> None:
        self._who = who
        self._observer = observer
        self._clock = clock
        self._lock = threading.Lock()
        self._since: float | None = None
        self._error: StoreError | None = None

    @property
    def error(self) -> StoreError | None:
        """Why the last try failed, None if it did not."""
        return self._error if self._since is not None else None

    @property
    def on(self) -> bool:
        """Whether the last try failed."""
        return self._since is not None

    def failed(self, error: StoreError) -> None:
        """Note a failed try."""
        self._observer.notify(StoreFailed(self._who, str(error)))
        self._error = error
        with self._lock:
            if self._since is not None:
                return
            self._since = self._clock.monotonic()
            # Told under the lock, so that nobody hears of the end before the beginning.
            self._observer.notify(StoreLost(self._who, str(error)))

    def worked(self) -> None:
        """Note a try that went well."""
        if self._since is None:
            return
        with self._lock:
            since, self._since = self._since, None
            if since is not None:
                self._observer.notify(StoreBack(self._who, self._clock.monotonic() - since))

    def attempt(self, turn: Callable[[], None], *, what: str, action: str) -> None:
        """Do `turn`, which may fail: whoever does it again and again must not end with it. `what` and `action` name it in the log."""
        try:
            turn()
            self.worked()
        except StoreError as error:
            self.failed(error)
        except Exception:
            _log.exception("%s failed", what, extra={"action": action})


def insist(
    action: Callable[[], None], *, outage: Outage, give_up: threading.Event, worth_it: Callable[[], bool] | None = None
) -> bool:
    """Repeat `action` with back-off until Redis takes it; returns whether it was done.

    It ends undone when `give_up` is set, or when `worth_it` says no before a try.
    """
    attempt = 0
    while worth_it is None or worth_it():
        try:
            action()
        except StoreError as error:
            outage.failed(error)
        else:
            outage.worked()
            return True
        attempt += 1
        if give_up.wait(RETRY.delay_s(attempt, random.random)):
            return False
    return False
