"""How long runs took, from the histograms of the counters."""

import pytest
from fakes import FakeClock
from hypothesis import given
from hypothesis import strategies as st

from goophry.events import TaskFinished, TaskStarted
from goophry.outcome import Outcome, Verdict
from goophry.stats.counters import Counters
from goophry.stats.run_times import RunTimes
from goophry.stats.type_counter import PART_BOUNDS_S, PARTS, RUN_BUCKETS_S


def ran(*lengths_s: float) -> Counters:
    counters = Counters(["t"], clock=FakeClock())
    for number, length_s in enumerate(lengths_s):
        counters.notify(TaskStarted("t", str(number), None, (), 1, 0))
        outcome = Outcome(Verdict.SUCCESS, duration_s=length_s)
        counters.notify(TaskFinished("t", str(number), None, (), outcome, final=True))
    return counters


def test_every_bucket_has_as_many_parts_and_the_last_is_its_bound() -> None:
    assert PART_BOUNDS_S[PARTS - 1 :: PARTS] == RUN_BUCKETS_S
    assert list(PART_BOUNDS_S) == sorted(set(PART_BOUNDS_S))


def test_nothing_has_no_percentiles() -> None:
    assert RunTimes().percentiles(0, ran().snapshot()) == {"t": (None, None)}


def test_percentiles_of_equal_lengths_are_near_them() -> None:
    (median, most) = RunTimes().percentiles(0, ran(*[1.02] * 100).snapshot())["t"]

    assert median == pytest.approx(1.02, rel=0.15)
    assert most == pytest.approx(1.02, rel=0.2)


@given(st.lists(st.floats(0.0005, 3600), min_size=1, max_size=50))
def test_the_median_is_off_by_a_third_at_most(lengths_s: list[float]) -> None:
    counters = ran(*lengths_s)

    (median, _) = RunTimes().percentiles(0, counters.snapshot())["t"]

    exact = sorted(lengths_s)[(len(lengths_s) - 1) // 2]
    assert median == pytest.approx(exact, rel=0.34, abs=0.0003)
    assert sum(counters.snapshot().types["t"].run_buckets) == len(lengths_s)


def test_what_ran_more_than_an_hour_ago_does_not_count() -> None:
    times, counters = RunTimes(), ran(5.0)
    for turn in range(14):
        found = times.percentiles(turn * 300.0, counters.snapshot())

    assert found == {"t": (None, None)}
