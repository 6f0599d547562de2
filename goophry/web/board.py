"""The one look at everything that all pages share: taken every few seconds, whoever and however many look at it."""

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol

import goophry
from goophry.clock import Clock
from goophry.engine.service import OneThread
from goophry.errors import StoreError
from goophry.stats.counters import Counters
from goophry.stats.last_failures import LastFailures
from goophry.stats.run_times import RunTimes
from goophry.stats.series import Sample, Series
from goophry.store.fleet import FleetState, Instance, Silent, TypeState
from goophry.store.fleet import Run as FleetRun
from goophry.web import models
from goophry.web.findings import findings

#: Seconds between looks while somebody watches, and while nobody does.
WATCHED_S: Final = 2.0
UNWATCHED_S: Final = 10.0

#: Seconds for which a request counts as somebody watching.
INTEREST_S: Final = 15.0

_log: Final = logging.getLogger(__name__)


#: Seconds after its start in which all that an instance has finished counts as just finished.
YOUNG_S: Final = 30.0


class Looks(Protocol):
    """Looks at Redis. Every method raises `StoreError`."""

    def fleet(self) -> tuple[FleetState, Collection[Silent]]:
        """Return what there is, and who went away."""
        ...

    def paused(self) -> Collection[str]:
        """Return the paused types."""
        ...


class Engine(Protocol):
    """What the board asks this instance about itself."""

    def troubles(self) -> Mapping[str, str]:
        """Return what keeps loops from their work, by type."""
        ...

    def is_quiet(self) -> bool:
        """Whether nothing more is taken."""
        ...


class Board:
    """Looks, in a thread of its own. A `Service`; starts once."""

    def __init__(
        self,
        looks: Looks,
        engine: Engine,
        *,
        instance: str,
        counters: Counters,
        last_failures: LastFailures,
        clock: Clock,
        series: Series | None = None,
    ) -> None:
        """`series` is what is known of the last hour, by somebody who has seen it."""
        self._looks, self._engine = looks, engine
        self._instance = instance
        self._counters, self._last_failures = counters, last_failures
        self._clock = clock
        self._series = series or Series()
        self._run_times = RunTimes()
        self._tally = _Tally()
        self._thread = OneThread("goophry-board", self._run)
        self._woken = threading.Event()
        self._looking = threading.Lock()
        self._asked = -INTEREST_S
        self._watchers: list[Callable[[models.Overview], None]] = []
        self._redis = models.RedisState(up=True)
        self._runs: tuple[models.Run, ...] = ()
        self._overview: models.Overview | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._thread.stopping.set()
        self._woken.set()
        self._thread.stop()

    def watch(self, tell: Callable[[models.Overview], None]) -> Callable[[], None]:
        """Have `tell` called with every look, in the board's thread; returns what ends that."""
        self._watchers.append(tell)
        self._woken.set()

        def end() -> None:
            if tell in self._watchers:
                self._watchers.remove(tell)

        return end

    def overview(self) -> models.Overview:
        """Return the last look, at most some seconds old; takes one where there is none."""
        found, since = self._overview, self._clock.monotonic() - self._asked
        self._asked = self._clock.monotonic()
        if found is None or (since > INTEREST_S and self._clock.now() - found.now > WATCHED_S):
            return self.turn()
        return found

    def recent(self) -> models.Overview:
        """Return a look that is `WATCHED_S` old at most, for a program that asks now and then: it counts as nobody watching."""
        found = self._overview
        if found is None or not 0 <= self._clock.now() - found.now <= WATCHED_S:
            return self.turn()
        return found

    def runs(self) -> tuple[models.Run, ...]:
        """Return the oldest runs of all instances, as of the last look."""
        self.overview()
        return self._runs

    def plot(self, name: str) -> models.Plot:
        """Return the last hour of a type."""
        plot = self._series.plot(name, self._clock.now())
        return models.Plot(
            end=plot.end,
            waiting=list(plot.waiting),
            running=list(plot.running),
            done=list(plot.done),
            failed=list(plot.failed),
        )

    def look_again(self) -> None:
        """Look soon: somebody has changed something and wants to see it."""
        self._woken.set()

    def turn(self) -> models.Overview:
        """Look once, and tell those who watch."""
        with self._looking:
            overview = self._look()
            self._overview = overview
        for tell in list(self._watchers):
            tell(overview)
        return overview

    def _look(self) -> models.Overview:
        now = self._clock.now()
        try:
            state, silent = self._looks.fleet()
            paused = self._looks.paused()
        except StoreError as error:
            return self._without_redis(str(error), now)
        if not self._redis.up:
            self._redis = models.RedisState(up=True, since=now)
        self._note(state, now)
        self._runs = tuple(_run(run) for run in state.runs)
        oldest: dict[str, float] = {}
        for run in state.runs:  # the oldest first
            if run.started_s is not None:
                oldest.setdefault(run.type, run.started_s)
        rows = [self._row(each, oldest.get(each.name), paused=paused, now=now) for each in state.types]
        self._add_percentiles(rows)
        instances = [*(_instance(each, now) for each in state.instances), *map(_silent, silent)]
        return self._told(rows, instances, now)

    def _without_redis(self, reason: str, now: float) -> models.Overview:
        if self._redis.up:
            self._redis = models.RedisState(up=False, since=now, reason=reason)
        before = self._overview
        return self._told(before.types if before else [], before.instances if before else [], now)

    def _told(self, rows: list[models.TypeRow], instances: list[models.Instance], now: float) -> models.Overview:
        found = findings(
            rows, instances, self._redis, troubles=self._engine.troubles(), quiet=self._engine.is_quiet(), now=now
        )
        return models.Overview(
            now=now,
            instance=self._instance,
            version=goophry.__version__,
            redis=self._redis,
            findings=found,
            types=rows,
            instances=instances,
        )

    def _note(self, state: FleetState, now: float) -> None:
        ended = self._tally.since_last(state.instances, now)
        self._series.note(
            now,
            {each.name: Sample(each.waiting, each.running, *ended.get(each.name, (0, 0))) for each in state.types},
        )

    def _row(
        self, state: TypeState, oldest_running: float | None, *, paused: Collection[str], now: float
    ) -> models.TypeRow:
        done, failed = self._series.totals(state.name, now)
        last = self._last_failures.of(state.name)
        return models.TypeRow(
            type=state.name,
            waiting=state.waiting,
            delayed=state.delayed,
            soon=state.soon,
            running=state.running,
            failed=state.failed,
            workers=state.workers or 0,
            instances=state.instances,
            paused=state.name in paused,
            served=state.configured,
            per_minute=round(60 * state.done.per_s, 1) if state.done else 0.0,
            done_hour=done,
            failed_hour=failed,
            oldest_running=oldest_running,
            waiting_since=self._series.waiting_since(state.name),
            last_error=last.message if last else "",
            last_error_at=last.at if last else None,
        )

    def _add_percentiles(self, rows: list[models.TypeRow]) -> None:
        found = self._run_times.percentiles(self._clock.monotonic(), self._counters.snapshot())
        for row in rows:
            row.p50, row.p95 = found.get(row.type, (None, None))

    def _run(self) -> None:
        while not self._thread.stopping.is_set():
            try:
                self.turn()
            except Exception:
                _log.exception("A look at everything failed", extra={"action": "board_failed"})
            watched = self._watchers or self._clock.monotonic() - self._asked < INTEREST_S
            self._woken.wait(WATCHED_S if watched else UNWATCHED_S)
            self._woken.clear()


class _Tally:
    """What instances have finished between one look and the next, from the sums that they tell."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], tuple[int, int]] = {}
        self._known: set[str] = set()

    def since_last(self, instances: Collection[Instance], now_s: float) -> dict[str, tuple[int, int]]:
        """Return how many succeeded and failed, by type.

        What an instance did before it was first seen does not count, unless it is young: then it was just now.
        """
        sums: dict[tuple[str, str], tuple[int, int]] = {}
        ended: dict[str, tuple[int, int]] = {}
        for instance in instances:
            is_young = instance.started_s is not None and now_s - instance.started_s < YOUNG_S
            counts_from_0 = is_young or instance.id in self._known
            for name, done in instance.done.items():
                now = sums[instance.id, name] = (done.finished - done.failed, done.failed)
                # A type that had not finished anything at the last look is told of for the first time.
                before = self._sums.get((instance.id, name), (0, 0) if counts_from_0 else now)
                good, bad = ended.get(name, (0, 0))
                ended[name] = (good + max(0, now[0] - before[0]), bad + max(0, now[1] - before[1]))
        self._sums, self._known = sums, {instance.id for instance in instances}
        return ended


def _run(run: FleetRun) -> models.Run:
    return models.Run(
        type=run.type,
        run=run.run,
        id=run.id,
        args=run.args,
        started=run.started_s,
        timeout=run.timeout_s,
        attempt=run.attempt,
        instance=run.instance,
    )


def _instance(instance: Instance, now: float) -> models.Instance:
    return models.Instance(
        id=instance.id,
        host=instance.host,
        pid=instance.pid,
        version=instance.version,
        started=instance.started_s,
        busy=instance.busy,
        workers=sum(instance.workers.values()),
        types=len(instance.types),
        quiet=instance.quiet,
        seen=now,
    )


def _silent(silent: Silent) -> models.Instance:
    host = silent.id.rsplit("-", 3)[0]
    return models.Instance(id=silent.id, host=host, alive=False, seen=silent.seen_s, holds=silent.holds)
