"""A pytest plugin: a goophry started with a configuration, and a script that keeps count."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from acceptance.goophry_process import Goophry
from acceptance.spec_site import Spec
from acceptance.tally import Tally, make_tally_program
from conftest import free_port


@pytest.fixture(scope="session")
def tally_program(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_tally_program(tmp_path_factory.mktemp("tally"))


@pytest.fixture
def tally(tmp_path: Path, tally_program: str) -> Callable[[str], Tally]:
    """Make a tally of its own for each name."""

    def make(name: str) -> Tally:
        path = tmp_path / f"tally-{name}"
        return Tally([tally_program, str(path)], path)

    return make


@pytest.fixture
def goophry(
    tmp_path: Path, redis_address: str, queue_key: str, r: "redis.Redis[bytes]"
) -> Iterator[Callable[..., Goophry]]:
    """Start goophry with these task types and top-level keys, on the shared Redis unless told otherwise.

    Returns once it is ready; all processes are gone afterwards.
    """
    started: list[Goophry] = []

    def start(
        *tasks: dict[str, Any],
        client: "redis.Redis[bytes] | None" = None,
        ready: bool = True,
        process: dict[str, Any] | None = None,
        **keys: Any,
    ) -> Goophry:
        config = {"RedisAddress": redis_address, "RedisQueueKey": queue_key, "LogFormat": "json", "Tasks": list(tasks)}
        folder = tmp_path / f"goophry-{len(started)}"
        running = Goophry(folder, config | keys, client=client or r, **(process or {}))
        started.append(running)
        return running.wait_ready() if ready else running

    yield start
    for running in started:
        running.clean_up()
        sys.stdout.write(running.log[-20_000:])  # shown if the test fails


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory, redis_url: str, redis_address: str) -> Iterator[Spec]:
    folder = tmp_path_factory.mktemp("spec")
    client = redis.Redis.from_url(redis_url)
    key = f"test:{folder.name}:{free_port()}"
    made = Spec(folder, address=redis_address, key=key, client=client)
    made.goophry.wait_ready()
    yield made
    made.goophry.clean_up()
    for pattern in (f"{key}:*", f"{{{key}:*"):
        names = list(client.scan_iter(pattern, count=1000))
        if names:
            client.delete(*names)
    client.close()
