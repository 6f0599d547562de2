"""Stops at any moment, trees that want to stay, vandals and rubbish. The long forms: `scripts/chaos`."""

from pathlib import Path

import pytest
from chaos.fuzz import fuzz_entries, fuzz_stats
from chaos.healing import healing
from chaos.stops import stops
from chaos.trees import ENDINGS, fork_storm, trees


def test_stops_at_random_moments_cost_nothing_and_count_nothing(tmp_path: Path) -> None:
    assert not stops(tmp_path, seed=1, count=10).problems


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_process_of_a_run_outlives_its_end(tmp_path: Path, ending: str) -> None:
    assert not trees(tmp_path, seed=1, ending=ending).problems


def test_a_storm_of_forks_that_the_kernel_stops_is_ended_and_others_go_on(tmp_path: Path) -> None:
    assert not fork_storm(tmp_path, seed=1, ending="timeout").problems


def test_helper_keys_that_somebody_harms_are_repaired() -> None:
    row = healing(seed_=3, examples=2, steps=6)
    assert not row.problems


def test_each_entry_however_garbled_is_either_run_or_in_the_failed_list(tmp_path: Path) -> None:
    assert not fuzz_entries(tmp_path, seed=1, tasks=500).problems


def test_rubbish_on_raw_sockets_does_not_trouble_the_stats_server(tmp_path: Path) -> None:
    assert not fuzz_stats(tmp_path, seed=1, requests=150).problems
