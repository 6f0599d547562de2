"""Saying that this instance lives, and knowing until when others believe it."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from goophry.clock import Clock
from goophry.engine.outage import Outage
from goophry.engine.service import OneThread
from goophry.errors import StoreError
from goophry.events import Observer, OwnershipLost
from goophry.store.leases import BEAT_S, HEARTBEAT_TTL_S, Leases

#: Seconds before the heartbeat expires when this instance no longer counts on it: what is taken
#: just before that must have been handed to a worker by then.
MARGIN_S: Final = 2.0

#: Seconds between tries while Redis is away; everything waits for the first beat after it.
RETRY_S: Final = 0.5

_log = logging.getLogger(__name__)


class Heartbeat:
    """Beats in a thread of its own, so that nothing else can hold it up. A `Service`; starts once."""

    def __init__(
        self,
        leases: Leases,
        *,
        instance: str,
        about: Callable[[], Mapping[str, Any]],
        doubt_all: Callable[[], None],
        outage: Outage,
        observer: Observer,
        clock: Clock,
        after_beat: Callable[[], None] = lambda: None,
    ) -> None:
        """`doubt_all` is called when others may have taken what this instance holds, `after_beat` after each beat, in its thread."""
        self._leases = leases
        self._instance = instance
        self._about = about
        self._doubt_all = doubt_all
        self._outage = outage
        self._observer = observer
        self._clock = clock
        self._after_beat = after_beat
        self._thread = OneThread("goophry-heartbeat", self._run)
        self._last: float | None = None
        self._steady_since: float | None = None
        self._valid_until = 0.0

    def valid(self) -> bool:
        """Whether others still regard this instance as alive."""
        return self._clock.monotonic() < self._valid_until

    def steady(self) -> bool:
        """Whether beats have come through for so long that a missing one of another means its death.

        Right after an outage of Redis all heartbeats are gone, those of the living too.
        """
        since = self._steady_since
        return since is not None and self.valid() and self._clock.monotonic() - since > HEARTBEAT_TTL_S

    def start(self) -> None:
        """Beat once, then regularly. Raises `StoreError` if the first one fails."""
        if self._last is None:
            self.turn()
        self._thread.start()

    def stop(self) -> None:
        """Stop beating; the last beat runs out by itself."""
        self._thread.stop()

    def turn(self) -> None:
        """Beat once. Raises `StoreError`."""
        began = self._clock.monotonic()
        try:
            known = self._leases.beat(self._about())
        except StoreError:
            self._steady_since = None
            raise
        if self._last is not None and not known:
            # The order matters: doubt first, then believe in life again, so that nothing is
            # taken or settled in between.
            self._doubt_all()
            self._observer.notify(OwnershipLost(self._instance, began - self._last))
            self._steady_since = None
        self._last = began
        self._valid_until = began + HEARTBEAT_TTL_S - MARGIN_S
        if self._steady_since is None:
            self._steady_since = began
        self._after_beat()

    def _run(self) -> None:
        wait_s = BEAT_S
        while not self._thread.stopping.wait(wait_s):
            try:
                self.turn()
            except StoreError as error:
                self._outage.failed(error)
                wait_s = RETRY_S
            except Exception:
                # Without beats everything that runs here would be run again elsewhere.
                _log.exception("A heartbeat failed", extra={"action": "heartbeat_failed"})
                wait_s = RETRY_S
            else:
                self._outage.worked()
                wait_s = BEAT_S
