"""The counts of one task type."""

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from goophry.outcome import Verdict

#: Upper bounds of the histograms of run and wait times, in seconds; one bucket more takes what is longer.
RUN_BUCKETS_S: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0),
)

#: Each bucket is counted in so many parts, for percentiles that are off by a tenth and not by two thirds.
PARTS: Final = 6


def _parts() -> tuple[float, ...]:
    """Return the upper bounds of all parts; the last of each bucket is its own bound."""
    bounds: list[float] = []
    low = 0.0
    for high in RUN_BUCKETS_S:
        if low:
            bounds += (low * (high / low) ** (part / PARTS) for part in range(1, PARTS))
        else:
            bounds += (high * part / PARTS for part in range(1, PARTS))
        bounds.append(high)
        low = high
    return tuple(bounds)


PART_BOUNDS_S: Final = _parts()


@dataclass(frozen=True, slots=True)
class TypeCounts:
    """One task type at the moment of a snapshot; all numbers belong together."""

    started: int
    finished: Mapping[Verdict, int]
    """Every verdict, also those that never came."""
    recovered: int
    run_buckets: tuple[int, ...]
    """Runs by length, one number for each of `RUN_BUCKETS_S` and one for those above; not cumulated."""
    run_seconds: float
    """Sum of the lengths of the runs in `run_buckets`."""
    busy: int
    oldest_running_s: float
    """Age of the run that has been going on longest; 0 if none is."""
    retries: int = 0
    """Runs that failed and are tried again."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """Submissions that were not taken in, by why."""
    wait_buckets: tuple[int, ...] = ()
    """As `run_buckets`, for the time between when a task could begin and its begin; of those that goophry saw come."""
    wait_seconds: float = 0.0
    run_parts: tuple[int, ...] = ()
    """As `run_buckets`, one number for each of `PART_BOUNDS_S` and one for those above."""


class TypeCounter:
    """Counts for one type. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._started = 0
        self._finished = dict.fromkeys(Verdict, 0)
        self._recovered = 0
        self._retries = 0
        self._refused: dict[str, int] = {}
        self._runs = _Histogram()
        self._waits = _Histogram()
        self._running: dict[str, float] = {}  # run → when it started, the oldest first

    def started(self, run_id: str, waited_s: float | None) -> None:
        """A run begins; `waited_s` if it is known how long its task waited."""
        with self._lock:
            self._started += 1
            self._running[run_id] = self._monotonic()
            if waited_s is not None:
                self._waits.note(waited_s)

    def finished(self, run_id: str, verdict: Verdict, duration_s: float, *, retried: bool) -> None:
        """A run has ended."""
        with self._lock:
            self._finished[verdict] += 1
            self._retries += retried
            # An entry that is given up unrun, and a program that is not there, took no time.
            if self._running.pop(run_id, None) is None or verdict is Verdict.START_FAILED:
                return
            self._runs.note(duration_s)

    def unreadable(self) -> None:
        """An entry was given up unread."""
        with self._lock:
            self._finished[Verdict.INVALID] += 1

    def refused(self, why: str) -> None:
        """A submission was not taken in."""
        with self._lock:
            self._refused[why] = self._refused.get(why, 0) + 1

    def recovered(self, count: int) -> None:
        """Entries of a dead instance went back to the queue."""
        with self._lock:
            self._recovered += count

    def counts(self) -> TypeCounts:
        """Return all counts, of one moment."""
        with self._lock:
            oldest = next(iter(self._running.values()), None)
            return TypeCounts(
                started=self._started,
                finished=dict(self._finished),
                recovered=self._recovered,
                run_buckets=self._runs.buckets(),
                run_parts=tuple(self._runs.parts),
                run_seconds=self._runs.seconds,
                busy=len(self._running),
                oldest_running_s=0.0 if oldest is None else max(0.0, self._monotonic() - oldest),
                retries=self._retries,
                refused=dict(self._refused),
                wait_buckets=self._waits.buckets(),
                wait_seconds=self._waits.seconds,
            )


class _Histogram:
    """Durations by length."""

    __slots__ = ("parts", "seconds")

    def __init__(self) -> None:
        self.parts = [0] * (len(PART_BOUNDS_S) + 1)
        self.seconds = 0.0

    def note(self, seconds: float) -> None:
        self.parts[bisect_left(PART_BOUNDS_S, seconds)] += 1
        self.seconds += seconds

    def buckets(self) -> tuple[int, ...]:
        return tuple(sum(self.parts[start : start + PARTS]) for start in range(0, len(self.parts), PARTS))
