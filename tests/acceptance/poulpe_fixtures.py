"""goophry with poulpe's door, as tests ask for it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from acceptance.poulpe_site import Site


@pytest.fixture
def site(tmp_path: Path, redis_address: str, r: "redis.Redis[bytes]") -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def make(**door: Any) -> Site:
        sites.append(Site(tmp_path / f"site-{len(sites)}", redis_address, r, **door))
        return sites[-1]

    yield make
    for each in sites:
        each.clean_up()
