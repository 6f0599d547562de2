"""The last hour in steps, run times from histograms, the last failure."""

import sys

from fakes import FakeClock
from hypothesis import given
from hypothesis import strategies as st

from goophry.events import EntryUnreadable, TaskFinished
from goophry.outcome import Outcome, Verdict
from goophry.stats.counters import Counters
from goophry.stats.last_failures import SHOWN, LastFailures
from goophry.stats.run_times import KEEP_EVERY_S, RunTimes, quantile
from goophry.stats.series import STEP_S, STEPS, Sample, Series
from goophry.stats.type_counter import PART_BOUNDS_S

HOUR_S = STEP_S * STEPS
T0 = 1_000_000 * STEP_S


def test_numbers_of_one_step_are_joined_and_steps_without_a_look_are_gaps() -> None:
    series = Series()
    series.note(T0, {"t": Sample(waiting=5, running=1, done=2, failed=0)})
    series.note(T0 + 10, {"t": Sample(waiting=3, running=2, done=1, failed=1)})
    series.note(T0 + 2 * STEP_S, {"t": Sample(waiting=0, running=0, done=4, failed=0)})

    plot = series.plot("t", T0 + 2 * STEP_S)

    assert plot.end == T0 + 3 * STEP_S
    assert plot.waiting[-3:] == (5, None, 0)
    assert plot.running[-3:] == (2, None, 0)
    assert plot.done[-3:] == (3, None, 4)
    assert plot.failed[-3:] == (1, None, 0)
    assert len(plot.done) == STEPS
    assert set(plot.done[:-3]) == {None}
    assert series.totals("t", T0 + 2 * STEP_S) == (7, 1)
    assert series.totals("t", T0 + 9 * STEP_S) == (7, 1)


def test_what_is_older_than_an_hour_is_forgotten() -> None:
    series = Series()
    series.note(T0, {"t": Sample(1, 1, 9, 9)})

    assert series.totals("t", T0 + HOUR_S - STEP_S) == (9, 9)
    assert series.totals("t", T0 + HOUR_S) == (0, 0)
    series.note(T0 + HOUR_S, {"t": Sample(0, 0, 1, 0)})
    assert series.totals("t", T0 + HOUR_S) == (1, 0)
    series.note(T0 + 3 * HOUR_S, {"u": Sample(0, 0, 0, 0)})
    assert "t" not in series._types


def test_since_when_something_waits_is_known_until_nothing_does() -> None:
    series = Series()
    for second, waiting in enumerate((0, 3, 8, 1)):
        series.note(T0 + second, {"t": Sample(waiting, 0, 0, 0)})

    assert series.waiting_since("t") == T0 + 1
    series.note(T0 + 9, {"t": Sample(0, 0, 0, 0)})
    assert series.waiting_since("t") is None
    assert series.waiting_since("nothing") is None


@given(st.lists(st.tuples(st.integers(-5, 400), st.integers(0, 5)), max_size=60))
def test_totals_are_those_of_the_steps_of_the_last_hour(looks: list[tuple[int, int]]) -> None:
    series, steps, newest = Series(), dict[int, int](), None
    for step, done in looks:
        now = T0 + step * STEP_S
        if newest is not None and step <= newest - STEPS:
            continue
        newest = step if newest is None else max(newest, step)
        series.note(now, {"t": Sample(0, 0, done, 0)})
        steps[step] = steps.get(step, 0) + done
    if newest is None:
        return

    expected = sum(done for step, done in steps.items() if step > newest - STEPS)
    assert series.totals("t", T0 + newest * STEP_S)[0] == expected


def test_five_hundred_types_take_little_memory() -> None:
    series = Series()
    for step in range(2 * STEPS):
        series.note(T0 + step * STEP_S, {f"type-{number}": Sample(1, 1, 1, 1) for number in range(500)})

    taken = sum(sys.getsizeof(column) for each in series._types.values() for column in each.arrays)
    assert taken < 500 * 4 * (8 * STEPS + 200)


def test_quantiles_lie_within_their_part_of_a_bucket() -> None:
    parts = [0] * (len(PART_BOUNDS_S) + 1)
    assert quantile(parts, 0.5) is None
    parts[PART_BOUNDS_S.index(1.0)] = 90
    parts[-1] = 10

    median = quantile(parts, 0.5)

    assert median is not None
    assert 0.85 < median <= 1.0
    assert quantile(parts, 0.95) == PART_BOUNDS_S[-1]
    assert quantile([3, *[0] * len(PART_BOUNDS_S)], 1.0) == PART_BOUNDS_S[0]


def test_run_times_are_those_of_the_last_hour() -> None:
    clock = FakeClock()
    counters, run_times = Counters(["t"], clock=clock), RunTimes()

    def run(duration_s: float) -> None:
        from goophry.events import TaskStarted  # noqa: PLC0415

        counters.notify(TaskStarted("t", "r", None, (), 1, 0))
        counters.notify(TaskFinished("t", "r", None, (), Outcome(Verdict.SUCCESS, duration_s=duration_s), final=True))

    run_times.percentiles(clock.time, counters.snapshot())
    run(50)
    slow, _ = run_times.percentiles(clock.time, counters.snapshot())["t"]
    for _ in range(14):
        clock.forward(KEEP_EVERY_S)
        run_times.percentiles(clock.time, counters.snapshot())
    assert run_times.percentiles(clock.time, counters.snapshot())["t"] == (None, None)
    run(0.004)
    fast, _ = run_times.percentiles(clock.time, counters.snapshot())["t"]

    assert slow is not None
    assert slow > 30
    assert fast is not None
    assert fast <= 0.005


def test_the_last_failure_is_kept_shortened_and_what_is_none_is_not() -> None:
    clock = FakeClock()
    last = LastFailures(clock=clock)

    def finish(verdict: Verdict, message: str) -> None:
        last.notify(TaskFinished("t", "r", None, (), Outcome(verdict, message), final=True))

    finish(Verdict.SUCCESS, "")
    finish(Verdict.INTERRUPTED, "interrupted")
    assert last.of("t") is None
    finish(Verdict.FAILED, f"exit status 3\n{'x' * 1000}")
    found = last.of("t")
    assert found is not None
    assert (found.message, found.at) == ("exit status 3", clock.time)
    last.notify(EntryUnreadable("t", b"x", "y" * 1000))
    found = last.of("t")
    assert found is not None
    assert len(found.message) == SHOWN
