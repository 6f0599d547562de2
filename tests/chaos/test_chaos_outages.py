"""Redis away in many ways: nothing lost, nothing twice, and work goes on by itself. The long forms: `scripts/chaos`."""

from pathlib import Path

import pytest
from chaos.cluster import cluster
from chaos.failover import failover
from chaos.outages import HARMS, outage


@pytest.mark.parametrize("kind", HARMS)
def test_after_an_outage_all_is_there_and_goes_on(tmp_path: Path, kind: str) -> None:
    assert not outage(tmp_path, kind, seed=1, away_s=0.5, instances=1).problems


def test_a_replica_that_sentinels_promote_is_found_and_nothing_is_lost(tmp_path: Path) -> None:
    assert not failover(tmp_path, "kill", seed=1, tasks=300, instances=2).problems


def test_slots_that_move_and_a_master_that_is_lost_cost_no_task(tmp_path: Path) -> None:
    assert not cluster(tmp_path, "move", "kill", seed=1, tasks=400, instances=1, types=4).problems
