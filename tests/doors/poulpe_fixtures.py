"""A pytest plugin: instances of poulpe's door, with a clock of the test's."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from doors.poulpe_instance import EVERY_SECOND, START_S, Instance, Make
from fakes import FakeClock

from goophry.clock import Clock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START_S)


@pytest.fixture
def make(tmp_path: Path, redis_address: str, queue_key: str, clock: FakeClock) -> Iterator[Make]:
    """Make an instance whose cron file has this text."""
    made: list[Instance] = []

    def one(
        text: str = f"{EVERY_SECOND} n PUT\n",
        *,
        address: str = redis_address,
        by: Clock = clock,
        max_entry_bytes: int = 100_000,
    ) -> Instance:
        (tmp_path / "cron").write_text(text)
        made.append(Instance(tmp_path, address, queue_key, clock=by, max_entry_bytes=max_entry_bytes))
        return made[-1]

    yield one
    for instance in made:
        instance.links.close()


@pytest.fixture
def jobs(r: "redis.Redis[bytes]", queue_key: str) -> Callable[[], list[str]]:
    """Return the Ids of what waits for both workers, in the order of their moments."""

    def found() -> list[str]:
        raw = [entry for worker in (0, 1) for entry in r.lrange(f"{queue_key}:poulpe.{worker}", 0, -1)]
        return sorted(json.loads(entry)["Id"] for entry in raw)

    return found
