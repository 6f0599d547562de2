"""The model of a fleet that the benchmark `fleet` uses: held against cases that can be reckoned by hand."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import fleet_model  # noqa: PLC0415 - found there only

    return fleet_model


FREE: dict[str, float] = {
    **dict.fromkeys(("trip_s", "task_s", "python_s", "latency_s", "idle_s", "idle_pair_s"), 0.0),
    "own_trips": 0,
}


def simulated(model: ModuleType, *fleet: float, seconds: float = 4, share: float = 1.0, **costs: float) -> Any:
    return model.simulate(
        model.Fleet(*fleet), model.Costs(**FREE | costs), seconds=seconds, slowed=model.Slowed(share), seed=3
    )


def test_without_any_limit_it_is_workers_divided_by_the_length(model: ModuleType) -> None:
    found = simulated(model, 5, 8, 0.02, latency_s=0.005)

    assert found.rate == pytest.approx(5 * 8 / 0.025, rel=0.03)
    assert found.gap_p50_s == pytest.approx(0.005)


def test_python_bounds_each_instance(model: ModuleType) -> None:
    assert simulated(model, 3, 8, 0.001, python_s=0.001).rate == pytest.approx(3 * 1000, rel=0.02)


def test_redis_bounds_all_together_and_is_busy_then(model: ModuleType) -> None:
    found = simulated(model, 20, 1, 0.001, trip_s=1e-4, task_s=1e-4)

    assert (found.rate, found.redis_busy) == (pytest.approx(5000, rel=0.02), pytest.approx(1, abs=0.01))


def test_workers_of_an_instance_share_round_trips_when_redis_is_slow(model: ModuleType) -> None:
    """Half of them are in a round trip while the others gather for the next: 8 tasks in 1 ms + 8 * 0.1 ms."""
    found = simulated(model, 1, 16, 0.0, trip_s=1e-3, task_s=1e-4)

    assert found.sharing == pytest.approx(8, rel=0.01)
    assert found.rate == pytest.approx(8 / 1.8e-3, rel=0.01)


def test_what_a_task_asks_for_itself_is_not_shared(model: ModuleType) -> None:
    """Sixteen tasks make 32 round trips of their own and at least one for all."""
    found = simulated(model, 1, 16, 0.0, trip_s=1e-4, own_trips=2)

    assert 16 / (16 * 3e-4) < found.rate < 16 / (33e-4) * 1.01


def test_each_answer_takes_a_moment_to_be_heard(model: ModuleType) -> None:
    assert simulated(model, 1, 1, 0.0, latency_s=1e-3, own_trips=2).gap_p50_s == pytest.approx(3e-3)


def test_the_background_takes_its_part_of_redis(model: ModuleType) -> None:
    """Twenty instances, 1 % each and 0.1 % for each of 380 pairs: 58 %."""
    found = simulated(model, 20, 8, 0.001, trip_s=1e-4, idle_s=0.01, idle_pair_s=0.001)
    alone = simulated(model, 20, 8, 0.001, trip_s=1e-4)

    assert found.rate == pytest.approx(0.42 * alone.rate, rel=0.1)
    assert found.redis_busy == pytest.approx(1, abs=0.02)


def test_a_redis_that_runs_for_a_twentieth_of_the_time_does_a_twentieth(model: ModuleType) -> None:
    fast = simulated(model, 16, 8, 0.001, trip_s=1e-4, task_s=1e-4)
    slow = simulated(model, 16, 8, 0.001, trip_s=1e-4, task_s=1e-4, share=0.05)

    assert slow.rate == pytest.approx(fast.rate / 20, rel=0.1)


def test_the_same_seed_gives_the_same(model: ModuleType) -> None:
    assert simulated(model, 3, 4, 0.01, trip_s=1e-5) == simulated(model, 3, 4, 0.01, trip_s=1e-5)
