"""Which runs are in progress, in memory that the guardian can read after goophry is gone."""

import mmap
import os
import threading
import time
from collections.abc import Callable
from typing import Final

from goophry.runners.guardian_program import MARK_BYTES, SLOT

#: Slots that the table grows by; a page of it that was never used takes no memory.
_SLOTS: Final = 1024

#: Where in a slot the mark begins, and what is stored with the pid.
_MARK: Final = 2
_PID: Final = 2 + MARK_BYTES

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class RunTable:
    """A file in memory with a slot for each runner; see `guardian_program` for what stands in it.

    It lives as long as goophry: runners may use their slots to the last moment. Thread-safe.
    """

    def __init__(self) -> None:
        self.fd = os.memfd_create("goophry-runs", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, _SLOTS * SLOT.size)
        self._memory = mmap.mmap(self.fd, _SLOTS * SLOT.size)
        self._lock = threading.Lock()
        self._used = 0
        self._free: list[int] = []

    def slot(self) -> "Slot":
        """Return a slot for runs that follow one another; its `close` hands it back."""
        with self._lock:
            if self._free:
                return Slot(self._memory, self._free.pop(), give_back=self._give_back)
            place = self._used * SLOT.size
            if place == len(self._memory):
                self._memory.resize(place + _SLOTS * SLOT.size)
            self._used += 1
            return Slot(self._memory, place, give_back=self._give_back)

    def _give_back(self, place: int) -> None:
        with self._lock:
            self._free.append(place)


class Slot:
    """The place of one run at a time; for one thread.

    A kill may come between any two stores. So the length of the mark, which makes it valid, is
    stored after it and cleared before anything else.
    """

    __slots__ = ("_give_back", "_memory", "_place")

    def __init__(self, memory: mmap.mmap, place: int, *, give_back: Callable[[int], None]) -> None:
        self._memory = memory
        self._place = place
        self._give_back = give_back

    def announce(self, mark: bytes) -> None:
        """Say that a program is about to start which has the line `mark` in its environment."""
        if len(mark) <= MARK_BYTES:
            memory, place = self._memory, self._place
            memory[place + _MARK : place + _MARK + len(mark)] = mark
            memory[place : place + _MARK] = len(mark).to_bytes(_MARK, "little")

    def started(self, pid: int) -> None:
        """Say that it has this pid, which is its session and its group too."""
        # One tick more, for the kernel rounds down. What starts later has only taken the number over.
        ticks = int(time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS_PER_S) + 1
        at = self._place + _PID
        self._memory[at : at + 16] = ticks.to_bytes(8, "little") + pid.to_bytes(8, "little")

    def clear(self) -> None:
        """Say that the run is over; what it left behind on purpose is not touched from now on."""
        memory, place = self._memory, self._place
        memory[place : place + _MARK] = b"\0\0"
        memory[place + _PID : place + SLOT.size] = bytes(16)

    def close(self) -> None:
        """Hand the place back; called once."""
        self.clear()
        self._give_back(self._place)
