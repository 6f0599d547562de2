"""The counts in Prometheus' words. Names and labels are a contract; docs/metrics.md has them with these sentences."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import accumulate
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

import goophry
from goophry.errors import StoreError
from goophry.stats.counters import Counters, Snapshot
from goophry.stats.type_counter import RUN_BUCKETS_S, TypeCounts

_LE: Final = (*(str(bound) for bound in RUN_BUCKETS_S), "+Inf")


class QueueViews(Protocol):
    """Where the lengths of the lists come from."""

    def lengths(self) -> Mapping[str, Mapping[str, int]]:
        """Return type → state (`waiting`, `delayed`, `running`, `failed`) → number of entries.

        Takes 2 seconds at most; raises `StoreError` when Redis is away.
        """
        ...


class Metrics:
    """All metrics, in a registry of their own.

    Each call of `prometheus` and `openmetrics` reads the counters and, once, Redis, so it may
    take as long as `views.lengths` does. When that fails, `goophry_redis_up` is 0 and the
    lengths are left out; the rest is there.
    """

    def __init__(
        self,
        counters: Counters,
        *,
        workers: Callable[[], Mapping[str, int]],
        views: QueueViews,
        may_evict: Callable[[], bool] | None = None,
    ) -> None:
        """`workers` tells for each type that is served now how many it has; `may_evict` asks Redis whether it throws keys away when memory runs out; it may raise `StoreError`."""
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collector(counters, workers, views, may_evict))
        ProcessCollector(registry=self._registry)

    def prometheus(self) -> bytes:
        """Return the text format, version 0.0.4."""
        return generate_latest(self._registry)

    def openmetrics(self) -> bytes:
        """Return the OpenMetrics text format, version 1.0.0."""
        return bytes(openmetrics.generate_latest(self._registry))  # type: ignore[no-untyped-call]


class _Collector(Collector):
    def __init__(
        self,
        counters: Counters,
        workers: Callable[[], Mapping[str, int]],
        views: QueueViews,
        may_evict: Callable[[], bool] | None,
    ) -> None:
        self._counters, self._workers, self._views, self._may_evict = counters, workers, views, may_evict

    def collect(self) -> Iterator[Metric]:
        lengths = may_evict = None
        with suppress(StoreError):
            lengths = self._views.lengths()
            may_evict = self._may_evict and self._may_evict()
        snapshot = self._counters.snapshot()
        types = {_label(name): counts for name, counts in sorted(snapshot.types.items())}
        yield InfoMetricFamily("goophry_build", "The running version; always 1.", {"version": goophry.__version__})
        yield from _task_counters(types)
        yield _seconds(
            "goophry_task_run_seconds", "How long runs took, from spawn to the end of the process.", types, _runs
        )
        yield _seconds(
            "goophry_task_wait_seconds",
            "Between the moment when a task could begin and its begin; of tasks that goophry took in or put off, it sees no other come.",
            types,
            _waits,
        )
        yield from self._worker_gauges(types)
        yield from _held(types, snapshot)
        yield from _config(snapshot)
        yield from _schedules(snapshot)
        yield from _kafka(snapshot)
        yield from _redis(snapshot, lengths)
        if may_evict is not None:
            yield GaugeMetricFamily(
                "goophry_redis_may_evict",
                "1 if Redis' maxmemory-policy is another than noeviction, so that it may drop entries; absent while Redis is away.",
                value=int(may_evict),
            )

    def _worker_gauges(self, types: Mapping[str, TypeCounts]) -> Iterator[Metric]:
        workers = GaugeMetricFamily("goophry_workers", "Tasks that may run at a time (Workers).", labels=["type"])
        for name, count in sorted(self._workers().items()):
            workers.add_metric([_label(name)], count)
        busy = GaugeMetricFamily("goophry_workers_busy", "Tasks that run now.", labels=["type"])
        oldest = GaugeMetricFamily(
            "goophry_oldest_running_seconds",
            "Age of the task that has been running longest, 0 if none runs.",
            labels=["type"],
        )
        for name, counts in types.items():
            busy.add_metric([name], counts.busy)
            oldest.add_metric([name], counts.oldest_running_s)
        return iter((workers, busy, oldest))


def _task_counters(types: Mapping[str, TypeCounts]) -> Iterator[Metric]:
    started = CounterMetricFamily("goophry_tasks_started", "Tasks begun.", labels=["type"])
    finished = CounterMetricFamily(
        "goophry_tasks_finished",
        "Tasks that ended, by how; unreadable entries are invalid.",
        labels=["type", "outcome"],
    )
    recovered = CounterMetricFamily(
        "goophry_tasks_recovered", "Entries that this instance took over from one that died.", labels=["type"]
    )
    retries = CounterMetricFamily(
        "goophry_task_retries",
        "Runs that failed and are tried again; each is counted as finished too.",
        labels=["type"],
    )
    refused = CounterMetricFamily(
        "goophry_tasks_refused",
        "Submissions to this instance that were not taken in, for the task is there already: id, unique.",
        labels=["type", "why"],
    )
    for name, counts in types.items():
        started.add_metric([name], counts.started)
        recovered.add_metric([name], counts.recovered)
        retries.add_metric([name], counts.retries)
        for why in ("id", "unique"):
            refused.add_metric([name, why], counts.refused.get(why, 0))
        for verdict, count in counts.finished.items():
            finished.add_metric([name, verdict.value], count)
    return iter((started, finished, recovered, retries, refused))


def _schedules(snapshot: Snapshot) -> Iterator[Metric]:
    runs = CounterMetricFamily(
        "goophry_schedule_runs",
        "Moments of schedules that this instance was the first to take; absent before the first.",
        labels=["schedule"],
    )
    for name, count in sorted(snapshot.schedule_runs.items()):
        runs.add_metric([_label(name)], count)
    skipped = CounterMetricFamily(
        "goophry_schedule_skipped",
        "Moments that were left out and that this instance told of: overlap, unique, missed (all in a row count as one), invalid; absent before the first.",
        labels=["schedule", "why"],
    )
    for (name, why), count in sorted(snapshot.schedule_skips.items()):
        skipped.add_metric([_label(name), why], count)
    return iter((runs, skipped))


def _runs(counts: TypeCounts) -> tuple[tuple[int, ...], float]:
    return counts.run_buckets, counts.run_seconds


def _waits(counts: TypeCounts) -> tuple[tuple[int, ...], float]:
    return counts.wait_buckets, counts.wait_seconds


def _seconds(
    name: str,
    about: str,
    types: Mapping[str, TypeCounts],
    histogram: Callable[[TypeCounts], tuple[tuple[int, ...], float]],
) -> Metric:
    family = HistogramMetricFamily(name, about, labels=["type"])
    for task_type, counts in types.items():
        buckets, seconds = histogram(counts)
        family.add_metric([task_type], buckets=list(zip(_LE, accumulate(buckets), strict=True)), sum_value=seconds)
    return family


def _held(types: Mapping[str, TypeCounts], snapshot: Snapshot) -> Iterator[Metric]:
    paused = GaugeMetricFamily("goophry_type_paused", "1 if the type is paused, on all instances.", labels=["type"])
    names = {_label(name) for name in snapshot.paused}
    for name in types:
        paused.add_metric([name], int(name in names))
    yield paused
    quiet = int(snapshot.quiet)
    yield GaugeMetricFamily(
        "goophry_quiet",
        "1 if this instance takes nothing more, of any type: after USR1, or while it stops.",
        value=quiet,
    )


def _config(snapshot: Snapshot) -> Iterator[Metric]:
    ok = int(not snapshot.config_problems)
    yield GaugeMetricFamily(
        "goophry_config_reload_success",
        "1 if the configuration was taken over when it was last read, at the start or after SIGHUP; 0 if it had a problem and the old one stayed.",
        value=ok,
    )
    yield GaugeMetricFamily(
        "goophry_config_reload_timestamp_seconds",
        "When the configuration was last read without a problem, in Unix seconds.",
        value=snapshot.config_read_at,
    )


def _kafka(snapshot: Snapshot) -> Iterator[Metric]:
    """Nothing where nobody takes messages from Kafka."""
    if not snapshot.brokers:
        return
    up = GaugeMetricFamily(
        "goophry_kafka_up",
        "1 if the brokers are in reach, else 0; only where messages are taken from Kafka.",
        labels=["intake"],
    )
    for who, reason in sorted(snapshot.brokers.items()):
        up.add_metric([who], int(not reason))
    yield up
    messages = CounterMetricFamily(
        "goophry_kafka_messages",
        "Messages from Kafka that were taken, or skipped for they were no tasks; only there too.",
        labels=["intake", "result"],
    )
    for who in sorted(snapshot.brokers):
        for result in ("taken", "skipped"):
            messages.add_metric([who, result], snapshot.messages.get((who, result), 0))
    yield messages


def _redis(snapshot: Snapshot, lengths: Mapping[str, Mapping[str, int]] | None) -> Iterator[Metric]:
    if lengths is not None:
        queues = GaugeMetricFamily(
            "goophry_queue_length",
            "Entries in Redis, read at this scrape; absent while Redis is away.",
            labels=["type", "state"],
        )
        for name, states in sorted(lengths.items()):
            for state, length in states.items():
                queues.add_metric([_label(name), state], length)
        yield queues
    up = lengths is not None and not snapshot.store_lost
    yield GaugeMetricFamily(
        "goophry_redis_up",
        "1 if this scrape reached Redis and no part of goophry is cut off from it, else 0.",
        value=int(up),
    )
    yield CounterMetricFamily(
        "goophry_redis_errors", "Redis commands that failed, tries again included.", value=snapshot.store_errors
    )
    yield CounterMetricFamily(
        "goophry_helper_repairs",
        "Keys of goophry's own in Redis that somebody had changed and that were put right.",
        value=snapshot.repairs,
    )
    runs = CounterMetricFamily(
        "goophry_error_script_runs", "Runs of an ErrorScript; absent before the first.", labels=["outcome"]
    )
    for outcome, count in sorted(snapshot.error_scripts.items()):
        runs.add_metric([outcome], count)
    yield runs


def _label(name: str) -> str:
    """Return `name` as text that UTF-8 can carry; a stray half of a surrogate pair becomes `?`."""
    return name.encode(errors="replace").decode()
