"""A fleet of goophry instances on one Redis, event by event: a model of what its traffic does, not of its code.

Each instance has workers. A worker runs a task, then waits for its instance's turn of Python (one
thread at a time), then hands in the task and takes the next. All workers of an instance that come
while a round trip is under way share the next one, as in `goophry/engine/exchange.py`. Redis serves
one round trip after the other, of all instances. Seeded: the same numbers give the same result.
"""

import heapq
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured, in seconds."""

    trip_s: float
    """Of Redis, for each round trip whatever is in it."""
    task_s: float
    """Of Redis, for the commands of each task."""
    own_trips: int
    """Round trips that a task makes for itself, beside the shared one: half of them before its run, the rest after it."""
    python_s: float
    """Of the instance, for each task, one after the other."""
    latency_s: float
    """Between an answer of Redis and what comes next: whoever waits for it has to be woken."""
    idle_s: float
    """Of Redis, in each second, for each instance that is there: heartbeat, looks, pops."""
    idle_pair_s: float
    """The same for each pair of instances: each looks after all others."""

    def of_task_s(self, sharing: float) -> float:
        """Return what Redis does for a task, when so many share a round trip."""
        return self.task_s + self.trip_s * (self.own_trips + 1 / sharing)

    def background(self, instances: int) -> float:
        """Return the share of Redis's time that the instances take without any task."""
        return instances * self.idle_s + instances * (instances - 1) * self.idle_pair_s


PERIOD_S = 0.02
"""Length of the periods of a Redis that is slowed."""


@dataclass(frozen=True, slots=True)
class Slowed:
    """A Redis that runs for a part of each period only; `share` 1 = it runs always."""

    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """What there is: instances, their workers, and how long the tasks take."""

    instances: int
    workers: int
    length_s: float
    """Mean of the tasks' lengths, which are spread evenly from none to twice as much."""


@dataclass(slots=True)
class Found:
    """What came of it, once the beginning is over."""

    rate: float = 0.0
    """Tasks a second."""
    redis_busy: float = 0.0
    """The share of its time, or of what it may run, that Redis was at work; 1 = the limit."""
    sharing: float = 0.0
    """Tasks in a round trip."""
    gap_p50_s: float = 0.0
    """From the end of a run until its worker has the next task."""
    gap_p99_s: float = 0.0


@dataclass(slots=True)
class _Instance:
    python_free_s: float = 0.0
    waiting: list[float] = field(default_factory=list)
    """For each worker that wants to be in the next round trip, when its run ended."""
    busy: bool = False
    """Whether a round trip is under way."""


def simulate(fleet: Fleet, costs: Costs, *, seconds: float, slowed: Slowed | None = None, seed: int = 1) -> Found:
    """Let the fleet work off a list that never ends, and look at the second half of `seconds`."""
    return _Run(fleet, costs, slowed or Slowed(), seed).until(seconds)


class _Run:
    def __init__(self, fleet: Fleet, costs: Costs, slowed: Slowed, seed: int) -> None:
        self._fleet, self._costs, self._slowed = fleet, costs, slowed
        self._random = random.Random(seed)
        self._redis_free_s = self._redis_worked_s = 0.0
        self._background = costs.background(fleet.instances)
        # What that leaves of Redis for tasks; never nothing, or time would stand still.
        self._left = max(0.01, 1 - self._background / slowed.share)
        self._before = costs.own_trips // 2
        self._after = costs.own_trips - self._before
        self._order = itertools.count()
        self._steps: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._trips = 0
        self._gaps: list[float] = []

    def until(self, seconds: float) -> Found:
        for _ in range(self._fleet.instances):
            instance = _Instance()
            for _ in range(self._fleet.workers):
                self._then(self._length_s() * self._random.random(), self._ended, instance)
        self._go_on(seconds / 2)
        self._trips, self._redis_worked_s = 0, 0.0
        self._gaps.clear()
        self._go_on(seconds)
        return self._found(seconds / 2)

    def _go_on(self, until_s: float) -> None:
        while self._steps[0][0] < until_s:
            at_s, _, step, about = heapq.heappop(self._steps)
            step(at_s, *about)

    def _then(self, at_s: float, step: Callable[..., None], *about: object) -> None:
        heapq.heappush(self._steps, (at_s, next(self._order), step, about))

    def _ended(self, at_s: float, instance: _Instance) -> None:
        """A run has ended: its worker does its Python when it is its turn."""
        instance.python_free_s = max(at_s, instance.python_free_s) + self._costs.python_s
        self._then(instance.python_free_s, self._own, instance, at_s, self._after, self._wants)

    def _own(self, at_s: float, instance: _Instance, ended_s: float, trips: int, then: Callable[..., None]) -> None:
        """It asks Redis for itself, so many times, one after the other, and goes on."""
        if not trips:
            then(at_s, instance, ended_s)
            return
        answered_s = self._served(at_s, self._costs.trip_s)
        self._then(answered_s + self._costs.latency_s, self._own, instance, ended_s, trips - 1, then)

    def _wants(self, at_s: float, instance: _Instance, ended_s: float) -> None:
        """It wants to hand in its task and to get the next: in this round trip, or in the next."""
        instance.waiting.append(ended_s)
        if not instance.busy:
            self._carry(at_s, instance)

    def _carry(self, at_s: float, instance: _Instance) -> None:
        """Begin a round trip for all who wait."""
        instance.busy, wishes, instance.waiting = True, instance.waiting, []
        answered_s = self._served(at_s, self._costs.trip_s + len(wishes) * self._costs.task_s)
        self._then(answered_s, self._answered, instance, wishes)

    def _answered(self, at_s: float, instance: _Instance, wishes: list[float]) -> None:
        """All who were in it have their next tasks."""
        instance.busy = False
        self._trips += 1
        for ended_s in wishes:
            self._then(at_s + self._costs.latency_s, self._own, instance, ended_s, self._before, self._begins)
        if instance.waiting:
            self._carry(at_s, instance)

    def _begins(self, at_s: float, instance: _Instance, ended_s: float) -> None:
        self._gaps.append(at_s - ended_s)
        self._then(at_s + self._length_s(), self._ended, instance)

    def _served(self, at_s: float, work_s: float) -> float:
        """Return when Redis has done this, after all that it was asked for before."""
        self._redis_worked_s += work_s
        begin_s = max(at_s, self._redis_free_s)
        on_s = self._slowed.share * PERIOD_S
        # How long it will have run since the beginning of time when it is done: that says in which period.
        begun, within_s = divmod(begin_s, PERIOD_S)
        whole, rest_s = divmod(begun * on_s + min(within_s, on_s) + work_s / self._left, on_s)
        self._redis_free_s = max(begin_s, whole * PERIOD_S + rest_s)
        return self._redis_free_s

    def _length_s(self) -> float:
        return self._fleet.length_s * 2 * self._random.random()

    def _found(self, seconds: float) -> Found:
        gaps = sorted(self._gaps) or [math.nan]
        busy_s = self._redis_worked_s + self._background * seconds
        return Found(
            rate=len(self._gaps) / seconds,
            redis_busy=min(1.0, busy_s / (self._slowed.share * seconds)),
            sharing=len(self._gaps) / max(1, self._trips),
            gap_p50_s=gaps[len(gaps) // 2],
            gap_p99_s=gaps[len(gaps) * 99 // 100],
        )
