"""Counters: exact, whoever calls them, and of one moment for each type."""

import threading

import pytest

from goophry.events import (
    ConfigRead,
    EntriesRecovered,
    EntryUnreadable,
    ErrorScriptFinished,
    StoreBack,
    StoreFailed,
    StoreLost,
    TaskFinished,
    TaskPopped,
    TaskStarted,
    TurnedQuiet,
    TypeChanged,
)
from goophry.outcome import Outcome, Verdict
from goophry.stats.counters import Counters
from goophry.stats.type_counter import RUN_BUCKETS_S


class Hands:
    """A clock whose hands the test moves."""

    def __init__(self) -> None:
        self.at = 100.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def started(type_: str, run_id: str) -> TaskStarted:
    return TaskStarted(type_, run_id, None, (), 1, 0)


def finished(
    type_: str, run_id: str, verdict: Verdict = Verdict.SUCCESS, *, seconds: float = 0.5, final: bool = True
) -> TaskFinished:
    return TaskFinished(type_, run_id, None, (), Outcome(verdict, duration_s=seconds), final)


def test_every_configured_type_is_there_from_the_start_with_zeros() -> None:
    snapshot = Counters(["b", "a"]).snapshot()

    assert set(snapshot.types) == {"a", "b"}
    counts = snapshot.types["a"]
    assert (counts.started, counts.busy, counts.recovered, counts.oldest_running_s) == (0, 0, 0, 0.0)
    assert counts.finished == dict.fromkeys(Verdict, 0)
    assert sum(counts.run_buckets) == 0


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.START_FAILED])
def test_a_run_is_counted_when_it_starts_and_by_its_verdict_when_it_ends(verdict: Verdict) -> None:
    counters = Counters(["a"])

    counters.notify(TaskPopped("a", b"{}"))
    counters.notify(started("a", "1"))
    counters.notify(finished("a", "1", verdict, final=verdict is not Verdict.INTERRUPTED))

    counts = counters.snapshot().types["a"]
    assert counts.started == 1
    assert counts.finished == dict.fromkeys(Verdict, 0) | {verdict: 1}
    assert (sum(counts.run_buckets), counts.run_seconds) == (1, 0.5)


def test_what_never_ran_has_no_length() -> None:
    counters = Counters(["a"])

    counters.notify(started("a", "1"))
    counters.notify(finished("a", "1", Verdict.START_FAILED, seconds=0))
    counters.notify(finished("a", "unstarted", Verdict.LOST, seconds=0))

    counts = counters.snapshot().types["a"]
    assert counts.finished[Verdict.START_FAILED] == counts.finished[Verdict.LOST] == 1
    assert sum(counts.run_buckets) == 0


def test_an_unreadable_entry_is_invalid_and_not_started() -> None:
    counters = Counters(["a"])

    counters.notify(EntryUnreadable("a", b"[]", "expected a JSON object"))

    counts = counters.snapshot().types["a"]
    assert (counts.started, counts.finished[Verdict.INVALID], sum(counts.run_buckets)) == (0, 1, 0)


def test_busy_and_oldest_follow_the_runs() -> None:
    clock = Hands()
    counters = Counters(["a"], clock=clock)

    def busy_and_oldest() -> tuple[int, float]:
        counts = counters.snapshot().types["a"]
        return counts.busy, counts.oldest_running_s

    counters.notify(started("a", "1"))
    clock.at += 5
    counters.notify(started("a", "2"))
    clock.at += 2
    assert busy_and_oldest() == (2, 7.0)
    counters.notify(finished("a", "1"))
    assert busy_and_oldest() == (1, 2.0)
    counters.notify(finished("a", "2"))
    assert busy_and_oldest() == (0, 0.0)
    assert counters.snapshot().uptime_s == 7.0


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, 0), (0.001, 0), (0.0011, 1), (1.0, RUN_BUCKETS_S.index(1.0)), (3600.0, -2), (3600.1, -1), (1e9, -1)],
)
def test_a_bucket_takes_runs_up_to_its_bound_inclusive(seconds: float, bucket: int) -> None:
    counters = Counters(["a"])

    counters.notify(started("a", "1"))
    counters.notify(finished("a", "1", seconds=seconds))

    assert counters.snapshot().types["a"].run_buckets[bucket] == 1


def test_redis_trouble_recoveries_and_error_scripts_are_counted() -> None:
    counters = Counters(["a"])

    for who in ("a", "heartbeat"):
        counters.notify(StoreLost(who, "gone"))
    for _ in range(3):
        counters.notify(StoreFailed("a", "gone"))
    counters.notify(StoreBack("a", 1.0))
    counters.notify(EntriesRecovered("a", "dead", 4))
    counters.notify(ErrorScriptFinished("a", "success", ""))
    counters.notify(ErrorScriptFinished("a", "timeout", "took too long"))

    snapshot = counters.snapshot()
    assert (snapshot.store_lost, snapshot.store_errors) == ({"heartbeat"}, 3)
    assert snapshot.types["a"].recovered == 4
    assert snapshot.error_scripts == {"success": 1, "timeout": 1}


def test_a_type_that_came_later_is_counted_too() -> None:
    counters = Counters([])

    counters.notify(started("new", "1"))

    assert counters.snapshot().types["new"].started == 1


def test_sixteen_threads_lose_no_count() -> None:
    counters = Counters(["a", "b"])
    rounds, threads = 2000, 16
    gate = threading.Barrier(threads + 1)
    consistent: list[bool] = []

    def hammer(number: int) -> None:
        gate.wait()
        for turn in range(rounds):
            type_, run_id = ("a", "b", f"late{turn % 3}")[turn % 3], f"{number}-{turn}"
            counters.notify(started(type_, run_id))
            counters.notify(finished(type_, run_id, Verdict.SUCCESS if turn % 2 else Verdict.FAILED, seconds=0.25))
            counters.notify(StoreFailed("a", ""))

    workers = [threading.Thread(target=hammer, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    gate.wait()
    while any(worker.is_alive() for worker in workers):
        for counts in counters.snapshot().types.values():
            ended = sum(counts.finished.values())
            consistent.append(counts.started == ended + counts.busy and sum(counts.run_buckets) == ended)
    for worker in workers:
        worker.join()

    snapshot = counters.snapshot()
    total = rounds * threads
    assert all(consistent)
    assert sum(counts.started for counts in snapshot.types.values()) == total
    assert sum(counts.finished[Verdict.FAILED] for counts in snapshot.types.values()) == total // 2
    assert sum(sum(counts.run_buckets) for counts in snapshot.types.values()) == total
    assert sum(counts.run_seconds for counts in snapshot.types.values()) == total * 0.25
    assert sum(counts.busy for counts in snapshot.types.values()) == 0
    assert snapshot.store_errors == total


def test_what_is_paused_quiet_and_wrong_in_the_configuration_is_known() -> None:
    hands = Hands()
    counters = Counters(["a"], clock=hands)
    hands.at = 200.0
    for event in (
        TypeChanged("a", "paused"),
        TypeChanged("b", "added"),
        TypeChanged("b", "paused"),
        ConfigRead(3),
    ):
        counters.notify(event)

    first = counters.snapshot()
    assert first.paused == {"a", "b"}
    assert list(first.types) == ["a", "b"]
    assert (first.quiet, first.config_problems, first.config_read_at) == (False, 3, 100.0)
    for event in (TypeChanged("a", "resumed"), TypeChanged("b", "drained"), TurnedQuiet(), ConfigRead(0)):
        counters.notify(event)

    second = counters.snapshot()
    assert second.paused == frozenset()
    assert (second.quiet, second.config_problems, second.config_read_at) == (True, 0, 200.0)
