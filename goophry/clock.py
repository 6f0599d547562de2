"""Time as an argument: parts that need the time are handed a `Clock`."""

import time
from typing import Final, Protocol

#: Seconds from which on the clocks of two machines differ, and under which they agree again.
DIFFERS_S: Final = 1.0
AGREES_S: Final = 0.5


class Clock(Protocol):
    """Where a part gets its time from."""

    def now(self) -> float:
        """Wall-clock time, Unix seconds; for storing and showing."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment, never set back; for durations."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        """Return the Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return CLOCK_BOOTTIME in seconds: it goes on while the process is stopped or the machine sleeps.

        Redis's expiry goes on too, and whether others regard this instance as dead depends on that.
        """
        return time.clock_gettime(time.CLOCK_BOOTTIME)


class SharedClock:
    """The machine's clocks, and Redis's time where that of the machine is wrong: one clock counts for a whole fleet.

    Clocks that are kept in step differ by less than `DIFFERS_S`; then the machine's own counts, which has no jitter.
    """

    def __init__(self, own: Clock) -> None:
        self._own = own
        self.ahead_s = 0.0
        """By how much the machine's clock is ahead of Redis's; 0 = they agree."""

    def now(self) -> float:
        """Return the Unix time in seconds."""
        return self._own.now() - self.ahead_s

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._own.monotonic()

    def compare(self, theirs_s: float) -> bool:
        """Take note of what Redis's clock shows now; returns whether that changes if the two agree."""
        agreed = not self.ahead_s
        ahead_s = self._own.now() - theirs_s
        self.ahead_s = ahead_s if abs(ahead_s) >= (DIFFERS_S if agreed else AGREES_S) else 0.0
        return agreed != (not self.ahead_s)
