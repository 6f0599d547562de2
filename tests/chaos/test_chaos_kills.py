"""Killed and frozen instances: nothing lost, nothing beside a living first run. The long forms: `scripts/chaos`."""

from pathlib import Path

from chaos.freeze import freeze
from chaos.kill_storm import kill_storm, swept_kills
from chaos.lives import kill_lives
from chaos.poison import poison
from chaos.reloads import reload_storm


def test_a_storm_of_kills_loses_nothing_and_runs_nothing_beside_itself(tmp_path: Path) -> None:
    row = kill_storm(tmp_path, seed=1, tasks=800, kills=8)
    assert not row.problems
    assert row.kills == 8


def test_in_a_storm_of_kills_tasks_that_are_put_off_and_tried_again_come_to_the_right_end(tmp_path: Path) -> None:
    assert not kill_lives(tmp_path, seed=1, tasks=600, kills=6).problems


def test_a_kill_at_each_moment_after_the_start_loses_nothing(tmp_path: Path) -> None:
    assert not swept_kills(tmp_path, seed=1, tasks=600, sweeps=6, step_s=0.01).problems


def test_a_frozen_instance_settles_nothing_that_others_took_and_a_living_one_runs_long_tasks_once(
    tmp_path: Path,
) -> None:
    assert not freeze(tmp_path, seed=1, tasks=200, frozen_s=13, scripts_too=False).problems


def test_types_that_come_go_and_change_while_instances_are_killed_lose_nothing(tmp_path: Path) -> None:
    assert not reload_storm(tmp_path, seed=1, tasks=800, rounds=10).problems


def test_poison_is_given_up_after_max_recoveries_and_the_other_type_goes_on(tmp_path: Path) -> None:
    assert not poison(tmp_path, seed=1, tasks=300).problems
