"""Instances for the tests of the engine; all of their threads are gone afterwards."""

from collections.abc import Callable, Iterator

import pytest
from engine.parts import Parts


@pytest.fixture
def make(redis_address: str, queue_key: str) -> Iterator[Callable[..., Parts]]:
    """Make an instance with one type; `address` is that of a path to Redis, if not Redis's own."""
    made: list[Parts] = []

    def make_one(**options: object) -> Parts:
        made.append(Parts(str(options.pop("address", redis_address)), queue_key, **options))
        return made[-1]

    yield make_one
    for parts in made:
        parts.close()
