"""Comparing the clock of this machine with Redis's, which counts for all instances."""

from collections.abc import Callable
from typing import Final

from goophry.clock import SharedClock
from goophry.events import ClockDiffers, Observer

#: Seconds that an answer may take which still says what time it is.
LATE_S: Final = 0.25


class ClockCheck:
    """Sets a clock right; for one thread."""

    def __init__(self, ask: Callable[[], float], clock: SharedClock, *, observer: Observer) -> None:
        """`ask` returns Redis's time in Unix seconds."""
        self._ask = ask
        self._clock = clock
        self._observer = observer

    def turn(self) -> None:
        """Ask what time it is. Raises `StoreError`."""
        began = self._clock.monotonic()
        theirs_s = self._ask()
        if self._clock.monotonic() - began <= LATE_S and self._clock.compare(theirs_s):
            self._observer.notify(ClockDiffers(self._clock.ahead_s))
