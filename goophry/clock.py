"""Time as an argument: parts that need the time are handed a `Clock`."""

import time
from typing import Protocol


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
