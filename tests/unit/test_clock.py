"""A clock that is set right where it differs from that of all."""

import pytest
from fakes import FakeClock

from goophry.clock import AGREES_S, DIFFERS_S, SharedClock


def test_clocks_that_are_in_step_are_left_alone() -> None:
    own = FakeClock(1000.0)
    clock = SharedClock(own)

    assert not clock.compare(1000.0 + DIFFERS_S * 0.9)

    assert (clock.now(), clock.ahead_s) == (1000.0, 0.0)


@pytest.mark.parametrize("ahead_s", [60.0, -60.0])
def test_a_clock_that_is_wrong_is_set_right_until_it_agrees_again(ahead_s: float) -> None:
    own = FakeClock(1000.0)
    clock = SharedClock(own)

    assert clock.compare(1000.0 - ahead_s)
    assert clock.now() == 1000.0 - ahead_s
    assert clock.monotonic() == 1000.0

    own.forward(5)
    assert not clock.compare(1005.0 - ahead_s)
    assert clock.now() == 1005.0 - ahead_s

    assert not clock.compare(1005.0 - AGREES_S * 1.1)
    assert clock.compare(1005.0 - AGREES_S * 0.9)
    assert clock.now() == 1005.0
