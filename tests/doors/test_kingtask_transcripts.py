"""Recorded exchanges with kingtask: with the door alone, and with the whole program over a socket."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from acceptance.goophry_process import Goophry
from conftest import free_port
from doors.desks import KingtaskTable
from doors.exchanges import go_through, go_through_alone
from doors.kingtask_site import Target, make_programs
from doors.transcript import blocks, cases
from fakes import FakeClock

from goophry.doors.kingtask import KingtaskDoor

CASES = cases("kingtask")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_door_alone(path: Path) -> None:
    given = next((block.json for block in blocks(path) if block.name == "given"), {})
    ids = iter(["65a5e7cb-7eb7-4ddc-95c1-2bcfee864600"])
    desk = KingtaskTable(given)
    door = KingtaskDoor(desk, bin_path="/srv/bin", clock=FakeClock(time.time()), new_id=lambda: next(ids))

    go_through_alone(path, door, submitted=desk.submitted, marks={"@BIN@": "/srv/bin", "@PORT@": "7203"})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, redis_url: str, redis_address: str) -> Iterator[tuple[str, int]]:
    folder = tmp_path_factory.mktemp("kingtask")
    client, target, port = redis.Redis.from_url(redis_url), Target(), free_port()
    key = f"test:{folder.name}:{port}"
    door = {
        "Interface": f"127.0.0.1:{port}",
        "BinPath": str(make_programs(folder / "bin")),
        "AllowUrls": ["*"],
        "AllowNetworks": ["127.0.0.0/8"],
    }
    config = {"RedisAddress": redis_address, "RedisQueueKey": key, "Doors": {"Kingtask": door}}
    goophry = Goophry(folder / "goophry", json.loads(json.dumps(config)), client=client).wait_ready()
    yield f"127.0.0.1:{port}", target.port
    goophry.clean_up()
    target.close()
    for pattern in (f"{key}:*", f"{{{key}:*"):
        names = list(client.scan_iter(pattern, count=1000))
        if names:
            client.delete(*names)
    client.close()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_whole_program(path: Path, site: tuple[str, int]) -> None:
    address, port = site

    go_through(path, address, marks={"@PORT@": str(port)})
