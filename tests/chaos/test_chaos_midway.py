"""A master lost in the midst of many tasks of eight types; in a short form, and only when the long forms are asked for."""

from pathlib import Path

import pytest
from acceptance.tally import FULL
from chaos.midway import in_a_cluster, in_a_set

pytestmark = pytest.mark.skipif(not FULL, reason="long form: GOOPHRY_TEST_FULL=1")


def test_a_master_that_sentinels_watch_over_is_lost_and_no_task_is(tmp_path: Path) -> None:
    assert not in_a_set(tmp_path, seed=1, tasks=4000).problems


@pytest.mark.parametrize(("kill", "move"), [(True, False), (False, True), (True, True)])
def test_a_master_of_a_cluster_is_lost_or_its_slots_move_and_no_task_is_lost(
    tmp_path: Path, kill: bool, move: bool
) -> None:
    assert not in_a_cluster(tmp_path, seed=1, tasks=4000, kill=kill, move=move).problems
