"""Counts of what the engine tells, exact with any number of threads.

`notify` runs twice for every task, in the worker's thread. So each type has an object of its own,
made up front, with a lock that is held for a handful of integer steps: workers of different
types never meet, and those of one type hardly do.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from goophry.clock import Clock, SystemClock
from goophry.events import (
    BrokerBack,
    BrokerLost,
    ConfigRead,
    EntriesRecovered,
    EntryUnreadable,
    ErrorScriptFinished,
    Event,
    HelperRepaired,
    MessagesTaken,
    ScheduleFired,
    ScheduleSkipped,
    StoreBack,
    StoreFailed,
    StoreLost,
    TaskFinished,
    TaskRefused,
    TaskStarted,
    TurnedQuiet,
    TypeChanged,
)
from goophry.stats.type_counter import TypeCounter, TypeCounts


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
    paused: frozenset[str] = frozenset()
    """The types of which nothing is taken for now, on all instances."""
    quiet: bool = False
    """Whether this instance takes nothing more at all."""
    config_problems: int = 0
    """What was wrong with the configuration when it was last read."""
    config_read_at: float = 0.0
    """When it was last read without a problem, in Unix seconds."""
    brokers: Mapping[str, str] = field(default_factory=dict)
    """Who takes messages from Kafka → why its brokers are out of reach, empty = they are not."""
    messages: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Messages from Kafka, by who took them and whether they were `taken` or `skipped`."""
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
        self._types = {name: TypeCounter(self._monotonic) for name in types}
        self._lock = threading.Lock()
        self._lost: set[str] = set()
        self._store_errors = 0
        self._brokers: dict[str, str] = {}
        self._messages: dict[tuple[str, str], int] = {}
        self._error_scripts: dict[str, int] = {}
        self._repairs = 0
        self._paused: set[str] = set()
        self._quiet = False
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
            BrokerLost: self._broker_lost,
            BrokerBack: self._broker_back,
            MessagesTaken: self._messages_taken,
            TypeChanged: self._type_changed,
            TurnedQuiet: self._turned_quiet,
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
            brokers, messages = dict(self._brokers), dict(self._messages)
            error_scripts, repairs = dict(self._error_scripts), self._repairs
            config_problems, config_read_at = self._config_problems, self._config_read_at
            schedule_runs, schedule_skips = dict(self._schedule_runs), dict(self._schedule_skips)
            paused, quiet = frozenset(self._paused), self._quiet
        return Snapshot(
            uptime_s=self._monotonic() - self._began,
            types={name: counter.counts() for name, counter in types.items()},
            store_lost=lost,
            store_errors=store_errors,
            brokers=brokers,
            messages=messages,
            error_scripts=error_scripts,
            repairs=repairs,
            paused=paused,
            quiet=quiet,
            config_problems=config_problems,
            config_read_at=config_read_at,
            schedule_runs=schedule_runs,
            schedule_skips=schedule_skips,
        )

    def _of(self, name: str) -> TypeCounter:
        counter = self._types.get(name)
        if counter is None:  # a type that came after the start
            with self._lock:
                counter = self._types.setdefault(name, TypeCounter(self._monotonic))
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

    def _broker_lost(self, event: BrokerLost) -> None:
        with self._lock:
            self._brokers[event.who] = event.reason

    def _broker_back(self, event: BrokerBack) -> None:
        with self._lock:
            self._brokers[event.who] = ""

    def _messages_taken(self, event: MessagesTaken) -> None:
        with self._lock:
            for result, count in (("taken", event.taken), ("skipped", event.skipped)):
                key = (event.who, result)
                self._messages[key] = self._messages.get(key, 0) + count

    def _type_changed(self, event: TypeChanged) -> None:
        # Here at once with zeros; what is removed stays, so that its last counts are not lost.
        self._of(event.type)
        with self._lock:
            if event.change == "paused":
                self._paused.add(event.type)
            elif event.change in {"resumed", "drained"}:
                self._paused.discard(event.type)

    def _turned_quiet(self, _event: TurnedQuiet) -> None:
        with self._lock:
            self._quiet = True

    def _config_read(self, event: ConfigRead) -> None:
        with self._lock:
            self._config_problems = event.problems
            if not event.problems:
                self._config_read_at = self._now()

    def _error_script_finished(self, event: ErrorScriptFinished) -> None:
        with self._lock:
            self._error_scripts[event.verdict] = self._error_scripts.get(event.verdict, 0) + 1
