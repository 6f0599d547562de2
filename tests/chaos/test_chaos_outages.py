"""Redis away in many ways: nothing lost, nothing twice, and work goes on by itself. The long forms: `scripts/chaos`."""

from pathlib import Path

import pytest
from chaos.outages import HARMS, outage


@pytest.mark.parametrize("kind", HARMS)
def test_after_an_outage_all_is_there_and_goes_on(tmp_path: Path, kind: str) -> None:
    assert not outage(tmp_path, kind, seed=1, away_s=0.5, instances=1).problems
