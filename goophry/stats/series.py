"""The last hour of every task type, in steps, so that a page can be closed and opened again.

Memory is bounded: four small numbers for each step of each type, about 2 KB a type; a type that was
not seen for an hour is forgotten.
"""

import threading
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

#: One number stands for so many seconds; so many of them make an hour.
STEP_S: Final = 30.0
STEPS: Final = 120

#: What stands in an array for a step in which nobody looked.
_NOT_SEEN: Final = -1


class Sample(NamedTuple):
    """One type at one moment."""

    waiting: int
    running: int
    done: int
    """Runs that succeeded since the sample before."""
    failed: int


@dataclass(frozen=True, slots=True)
class Plot:
    """One type's last hour, the oldest step first; None where nobody looked."""

    end: float
    waiting: tuple[int | None, ...]
    """The most in each step; so is `running`."""
    running: tuple[int | None, ...]
    done: tuple[int | None, ...]
    failed: tuple[int | None, ...]


class Series:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._types: dict[str, _TypeSeries] = {}

    def note(self, now: float, samples: Mapping[str, Sample]) -> None:
        """Take in what was seen at `now`, in Unix seconds."""
        step = int(now // STEP_S)
        with self._lock:
            for name, sample in samples.items():
                series = self._types.get(name)
                if series is None:
                    series = self._types[name] = _TypeSeries(step)
                series.note(step, now, sample)
            for name in [name for name, series in self._types.items() if series.newest <= step - STEPS]:
                del self._types[name]

    def plot(self, name: str, now: float) -> Plot:
        """Return the hour before `now`; of an unknown type an empty one."""
        step = int(now // STEP_S)
        with self._lock:
            series = self._types.get(name) or _TypeSeries(step)
            columns = [tuple(series.since(each, step)) for each in series.arrays]
        return Plot((step + 1) * STEP_S, *columns)

    def totals(self, name: str, now: float) -> tuple[int, int]:
        """Return how many runs succeeded and failed in the hour before `now`."""
        with self._lock:
            series = self._types.get(name)
            if series is not None and series.newest == int(now // STEP_S):  # all of it is of this hour
                done, failed = (sum(each for each in column if each > 0) for column in series.arrays[2:])
                return done, failed
        plot = self.plot(name, now)
        return sum(each or 0 for each in plot.done), sum(each or 0 for each in plot.failed)

    def waiting_since(self, name: str) -> float | None:
        """Return since when something has been waiting at every look; None if nothing is waiting."""
        with self._lock:
            series = self._types.get(name)
            return None if series is None else series.waiting_since


class _TypeSeries:
    """Rings of the last `STEPS` steps."""

    def __init__(self, step: int) -> None:
        self.newest = step
        self.arrays = tuple(array("l", [_NOT_SEEN]) * STEPS for _ in Sample._fields)
        self.waiting_since: float | None = None

    def note(self, step: int, now: float, sample: Sample) -> None:
        for passed in range(max(self.newest + 1, step - STEPS + 1), step + 1):
            for each in self.arrays:
                each[passed % STEPS] = _NOT_SEEN
        if step <= self.newest - STEPS:  # the clock was put back by more than an hour
            return
        self.newest = max(self.newest, step)
        place = step % STEPS
        waiting, running, done, failed = self.arrays
        waiting[place] = max(waiting[place], sample.waiting)
        running[place] = max(running[place], sample.running)
        done[place] = max(done[place], 0) + sample.done
        failed[place] = max(failed[place], 0) + sample.failed
        if not sample.waiting:
            self.waiting_since = None
        elif self.waiting_since is None:
            self.waiting_since = now

    def since(self, column: "array[int]", step: int) -> Iterator[int | None]:
        for each in range(step - STEPS + 1, step + 1):
            value = column[each % STEPS] if self.newest - STEPS < each <= self.newest else _NOT_SEEN
            yield None if value == _NOT_SEEN else value
