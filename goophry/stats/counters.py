"""Counts of what the engine tells, exact with any number of threads.

`notify` runs twice for every task, in the worker's thread. So each type has an object of its own,
made up front, with a lock that is held for a handful of integer steps: workers of different
types never meet, and those of one type hardly do.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from goophry.clock import Clock, SystemClock
from goophry.events import (
    ConfigRead,
    EntriesRecovered,
    EntryUnreadable,
    ErrorScriptFinished,
    Event,
    HelperRepaired,
    ScheduleFired,
    ScheduleSkipped,
    StoreBack,
    StoreFailed,
    StoreLost,
    TaskFinished,
    TaskRefused,
    TaskStarted,
    TypeChanged,
)
from goophry.outcome import Verdict

#: Upper bounds of the histograms of run and wait times, in seconds; one bucket more takes what is longer.
RUN_BUCKETS_S: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0),
)


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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything counted since the start."""

    uptime_s: float
    types: Mapping[str, TypeCounts]
    store_lost: frozenset[str]
    """The parts that cannot reach Redis now."""
    store_errors: int
    error_scripts: Mapping[str, int]
    """Runs of an ErrorScript by how they ended."""
    repairs: int = 0
    """Helper keys in Redis that were put right."""
    config_problems: int = 0
    """What was wrong with the configuration when it was last read."""
    config_read_at: float = 0.0
    """When it was last read without a problem, in Unix seconds."""
    schedule_runs: Mapping[str, int] = field(default_factory=dict)
    """Moments that this instance took, by schedule."""
    schedule_skips: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Moments that this instance was the first to leave out, by schedule and why."""


class Counters:
    """An Observer that counts. Thread-safe; holds nothing of a task once it has ended."""

    def __init__(self, types: Iterable[str], *, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self._monotonic, self._now = clock.monotonic, clock.now
        self._began = self._monotonic()
        self._types = {name: _TypeCounter(self._monotonic) for name in types}
        self._lock = threading.Lock()
        self._lost: set[str] = set()
        self._store_errors = 0
        self._error_scripts: dict[str, int] = {}
        self._repairs = 0
        self._config_problems, self._config_read_at = 0, clock.now()
        self._schedule_runs: dict[str, int] = {}
        self._schedule_skips: dict[tuple[str, str], int] = {}
        self._take: dict[type, Callable[[Any], None]] = {
            TaskStarted: self._started,
            TaskFinished: self._finished,
            TaskRefused: self._refused,
            ScheduleFired: self._fired,
            ScheduleSkipped: self._skipped,
            EntryUnreadable: self._unreadable,
            EntriesRecovered: self._recovered,
            HelperRepaired: self._repaired,
            StoreFailed: self._store_failed,
            StoreLost: self._store_lost,
            StoreBack: self._store_back,
            TypeChanged: self._type_changed,
            ConfigRead: self._config_read,
            ErrorScriptFinished: self._error_script_finished,
        }

    def notify(self, event: Event) -> None:
        """Count `event`, if it is of a kind that is counted."""
        take = self._take.get(type(event))
        if take is not None:
            take(event)

    def snapshot(self) -> Snapshot:
        """Return all counts; each type's are of one moment, different types' of nearly the same."""
        with self._lock:
            types = dict(self._types)
            lost, store_errors = frozenset(self._lost), self._store_errors
            error_scripts, repairs = dict(self._error_scripts), self._repairs
            config_problems, config_read_at = self._config_problems, self._config_read_at
            schedule_runs, schedule_skips = dict(self._schedule_runs), dict(self._schedule_skips)
        return Snapshot(
            uptime_s=self._monotonic() - self._began,
            types={name: counter.counts() for name, counter in types.items()},
            store_lost=lost,
            store_errors=store_errors,
            error_scripts=error_scripts,
            repairs=repairs,
            config_problems=config_problems,
            config_read_at=config_read_at,
            schedule_runs=schedule_runs,
            schedule_skips=schedule_skips,
        )

    def _of(self, name: str) -> "_TypeCounter":
        counter = self._types.get(name)
        if counter is None:  # a type that came after the start
            with self._lock:
                counter = self._types.setdefault(name, _TypeCounter(self._monotonic))
        return counter

    def _started(self, event: TaskStarted) -> None:
        self._of(event.type).started(event.run_id, event.waited_s)

    def _finished(self, event: TaskFinished) -> None:
        retried = event.retry_in_s is not None
        self._of(event.type).finished(event.run_id, event.outcome.verdict, event.outcome.duration_s, retried=retried)

    def _refused(self, event: TaskRefused) -> None:
        self._of(event.type).refused(event.why)

    def _fired(self, event: ScheduleFired) -> None:
        with self._lock:
            self._schedule_runs[event.schedule] = self._schedule_runs.get(event.schedule, 0) + 1

    def _skipped(self, event: ScheduleSkipped) -> None:
        key = (event.schedule, event.why)
        with self._lock:
            self._schedule_skips[key] = self._schedule_skips.get(key, 0) + 1

    def _unreadable(self, event: EntryUnreadable) -> None:
        self._of(event.type).unreadable()

    def _recovered(self, event: EntriesRecovered) -> None:
        self._of(event.type).recovered(event.entries)

    def _repaired(self, _event: HelperRepaired) -> None:
        with self._lock:
            self._repairs += 1

    def _store_failed(self, _event: StoreFailed) -> None:
        with self._lock:
            self._store_errors += 1

    def _store_lost(self, event: StoreLost) -> None:
        with self._lock:
            self._lost.add(event.who)

    def _store_back(self, event: StoreBack) -> None:
        with self._lock:
            self._lost.discard(event.who)

    def _type_changed(self, event: TypeChanged) -> None:
        # Here at once with zeros; what is removed stays, so that its last counts are not lost.
        self._of(event.type)

    def _config_read(self, event: ConfigRead) -> None:
        with self._lock:
            self._config_problems = event.problems
            if not event.problems:
                self._config_read_at = self._now()

    def _error_script_finished(self, event: ErrorScriptFinished) -> None:
        with self._lock:
            self._error_scripts[event.verdict] = self._error_scripts.get(event.verdict, 0) + 1


class _TypeCounter:
    """The counts of one type."""

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
        with self._lock:
            self._started += 1
            self._running[run_id] = self._monotonic()
            if waited_s is not None:
                self._waits.note(waited_s)

    def finished(self, run_id: str, verdict: Verdict, duration_s: float, *, retried: bool) -> None:
        with self._lock:
            self._finished[verdict] += 1
            self._retries += retried
            # An entry that is given up unrun, and a program that is not there, took no time.
            if self._running.pop(run_id, None) is None or verdict is Verdict.START_FAILED:
                return
            self._runs.note(duration_s)

    def unreadable(self) -> None:
        with self._lock:
            self._finished[Verdict.INVALID] += 1

    def refused(self, why: str) -> None:
        with self._lock:
            self._refused[why] = self._refused.get(why, 0) + 1

    def recovered(self, count: int) -> None:
        with self._lock:
            self._recovered += count

    def counts(self) -> TypeCounts:
        with self._lock:
            oldest = next(iter(self._running.values()), None)
            return TypeCounts(
                started=self._started,
                finished=dict(self._finished),
                recovered=self._recovered,
                run_buckets=tuple(self._runs.buckets),
                run_seconds=self._runs.seconds,
                busy=len(self._running),
                oldest_running_s=0.0 if oldest is None else max(0.0, self._monotonic() - oldest),
                retries=self._retries,
                refused=dict(self._refused),
                wait_buckets=tuple(self._waits.buckets),
                wait_seconds=self._waits.seconds,
            )


class _Histogram:
    """Durations by length."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(RUN_BUCKETS_S) + 1)
        self.seconds = 0.0

    def note(self, seconds: float) -> None:
        self.buckets[bisect_left(RUN_BUCKETS_S, seconds)] += 1
        self.seconds += seconds
