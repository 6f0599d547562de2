"""Ids of a schedule's runs, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goophry.schedule_ids import moment_of, run_id


@given(st.text(), st.integers(0, 4_000_000_000_000))
def test_an_id_names_its_moment_to_the_ms(name: str, ms: int) -> None:
    assert moment_of(run_id(name, ms / 1000)) == pytest.approx(ms / 1000, abs=1e-6)


def test_a_whole_second_is_written_as_such() -> None:
    assert run_id("nightly", 1_782_865_800) == "nightly@2026-07-01T00:30:00Z"
    assert run_id("nightly", 1_782_865_800.25) == "nightly@2026-07-01T00:30:00.250Z"
    assert run_id("nightly", 1_782_865_800.0004) == "nightly@2026-07-01T00:30:00Z"


@pytest.mark.parametrize("entry_id", ["", "order-17", "nightly@", "nightly@yesterday", "a@2026-07-01T00:30:00"])
def test_other_ids_name_no_moment(entry_id: str) -> None:
    assert moment_of(entry_id) is None
