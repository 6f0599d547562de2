"""Recorded exchanges: with each door alone, and with the whole program over a socket."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from doors.desks import CoyotesTable, KingtaskTable
from doors.door_site import DoorSite
from doors.exchanges import go_through, go_through_alone
from doors.transcript import FOLDER, blocks, cases
from fakes import FakeClock

from goophry.doors.coyotes import CoyotesDoor
from goophry.doors.kingtask import KingtaskDoor

pytest_plugins = ("doors.fixtures",)

AN_ID = "65a5e7cb-7eb7-4ddc-95c1-2bcfee864600"


@pytest.mark.parametrize("path", cases("kingtask"), ids=lambda path: path.stem)
def test_the_door_of_kingtask_alone(path: Path) -> None:
    desk = KingtaskTable(_given(path))
    door = KingtaskDoor(desk, bin_path="/srv/bin", clock=FakeClock(time.time()), new_id=_ids())

    go_through_alone(path, door, submitted=desk.submitted, marks={"@BIN@": "/srv/bin", "@PORT@": "7203"})


@pytest.mark.parametrize("path", cases("coyotes"), ids=lambda path: path.stem)
def test_the_door_of_coyotes_alone(path: Path) -> None:
    desk = CoyotesTable(_given(path))
    door = CoyotesDoor(desk, workers=5, delay_in_channel=False, clock=FakeClock(time.time()), new_id=_ids())

    go_through_alone(path, door, submitted=[], marks={})


#: What one exchange leaves behind must not be seen by this one.
FRESH = FOLDER / "coyotes" / "01-fresh.txt"
SHARED = [path for path in [*cases("kingtask"), *cases("coyotes")] if path != FRESH]


@pytest.mark.parametrize("path", SHARED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_whole_program(path: Path, both_doors: DoorSite) -> None:
    address = getattr(both_doors, path.parent.name)

    go_through(path, address, marks={"@PORT@": str(both_doors.target.port)})


def test_a_fresh_program(door_site: Callable[..., DoorSite]) -> None:
    go_through(FRESH, door_site().coyotes, marks={})


def _given(path: Path) -> dict[str, Any]:
    return next((block.json for block in blocks(path) if block.name == "given"), {})


def _ids() -> Callable[[], str]:
    return lambda: AN_ID
