"""A pytest plugin: the whole program with doors, for one test or for all of a module."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from doors.door_site import DoorSite


@pytest.fixture
def door_site(tmp_path: Path, redis_url: str, redis_address: str) -> Iterator[Callable[..., DoorSite]]:
    """Start a goophry with both doors, for one test."""
    client, sites = redis.Redis.from_url(redis_url), []

    def start(*, ready: bool = True, **keys: Any) -> DoorSite:
        folder = tmp_path / f"site-{len(sites)}"
        folder.mkdir()
        sites.append(DoorSite(folder, redis_address=redis_address, client=client, **keys))
        return sites[-1].start(ready=ready)

    yield start
    for site in sites:
        site.close()
    client.close()


@pytest.fixture(scope="module")
def both_doors(tmp_path_factory: pytest.TempPathFactory, redis_url: str, redis_address: str) -> Iterator[DoorSite]:
    """A goophry with both doors, for all tests of a module."""
    client = redis.Redis.from_url(redis_url)
    site = DoorSite(tmp_path_factory.mktemp("doors"), redis_address=redis_address, client=client)
    yield site.start()
    site.close()
    client.close()
