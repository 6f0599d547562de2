"""When a failed run is tried again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goophry import retry
from goophry.retry import NEVER, RetryPolicy


def test_a_list_is_the_delay_after_each_failed_run() -> None:
    policy = retry.parse([60, 600, 3600.5])

    assert [policy.delay_s(attempt, lambda: 0.0) for attempt in range(1, 5)] == [60, 600, 3600.5, None]


def test_growing_delays_end_after_times() -> None:
    policy = retry.parse({"Times": 4, "Min": 1, "Max": 6, "Factor": 2, "Jitter": False})

    assert [policy.delay_s(attempt, lambda: 0.0) for attempt in range(1, 6)] == [1, 2, 4, 6, None]


def test_jitter_spreads_over_half_of_the_step() -> None:
    policy = retry.parse({"times": 1, "MIN": 10, "max": 10})

    assert policy.delay_s(1, lambda: 0.0) == 5
    assert policy.delay_s(1, lambda: 0.999) == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize("value", [[], {"Times": 0}])
def test_none_means_never(value: object) -> None:
    assert retry.parse(value).delay_s(1, lambda: 0.0) is None
    assert NEVER.delay_s(1, lambda: 0.0) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, "a list of seconds as"),
        ("60", "a list of seconds as"),
        (True, "a list of seconds as"),
        ([1, -1], "a list of seconds, each between 0 and"),
        ([True], "a list of seconds, each between 0 and"),
        ([float("inf")], "a list of seconds, each between 0 and"),
        ({}, "Times, a whole number"),
        ({"Times": 1.5}, "Times, a whole number"),
        ({"Times": True}, "Times, a whole number"),
        ({"Times": 1, "Min": -1}, "Min in seconds"),
        ({"Times": 1, "Min": 10, "Max": 5}, "a Min that is not above Max"),
        ({"Times": 1, "Factor": 0.5}, "a Factor between 1 and 1000"),
        ({"Times": 1, "Jitter": 7}, "Jitter to be true or false"),
        ({"Times": 1, "Jitter": []}, "Jitter to be true or false"),
        ({"Times": 1, "Tries": 1}, "the keys Times, Min, Max, Factor, Jitter and no others"),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(value: object, expected: str) -> None:
    with pytest.raises(ValueError, match=expected.replace("(", r"\(")):
        retry.parse(value)


@given(st.lists(st.floats(0, 1e6), max_size=5) | st.builds(dict, Times=st.integers(0, 9), Min=st.floats(0, 5)))
def test_what_is_written_is_read_again(value: object) -> None:
    policy = retry.parse(value)

    assert isinstance(policy, RetryPolicy)
    assert retry.parse(policy.as_json()) == policy
