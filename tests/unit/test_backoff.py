"""Delays grow, stay within their bounds, and spread."""

from hypothesis import given
from hypothesis import strategies as st

from goophry.backoff import Backoff


def test_without_jitter_delays_grow_by_the_factor_up_to_the_maximum() -> None:
    backoff = Backoff(min_s=1, max_s=10, factor=2, jitter=False)

    assert [backoff.delay_s(n, lambda: 0.5) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_jitter_takes_away_up_to_half() -> None:
    backoff = Backoff(min_s=8, max_s=100)

    assert backoff.delay_s(1, lambda: 0.0) == 4
    assert backoff.delay_s(1, lambda: 0.5) == 6


@given(st.integers(-5, 10**9), st.floats(0, 1, exclude_max=True))
def test_a_delay_is_always_finite_and_within_bounds(attempt: int, random: float) -> None:
    delay = Backoff(min_s=0.1, max_s=3.0).delay_s(attempt, lambda: random)

    assert 0.05 <= delay <= 3.0
