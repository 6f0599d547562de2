"""Schedules of a fleet: each moment once, whoever lives and whoever dies."""

import json
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from acceptance.goophry_process import Goophry
from acceptance.tally import FULL
from conftest import eventually

pytest_plugins = ("acceptance.fixtures",)

R = "redis.Redis[bytes]"
Start = Callable[..., Goophry]
Script = Callable[..., Path]

#: Moments that the fleet is watched for.
MOMENTS = 60 if FULL else 8

SCHEDULE = {"Name": "often", "Cron": "* * * * * *", "Type": "t"}


class Ran:
    """The file into which the script writes the Id of each run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self) -> list[int]:
        """Return the moments of all runs so far, in Unix seconds, in the order in which they ran."""
        return [moment for _, moment in self._read()]

    def of(self, schedule: str) -> list[int]:
        """Return the moments of one schedule, in order."""
        return sorted(moment for name, moment in self._read() if name == schedule)

    def _read(self) -> list[tuple[str, int]]:
        ids = self.path.read_text().split() if self.path.exists() else []
        pairs = [entry_id.split("@") for entry_id in ids]
        return [(name, int(datetime.fromisoformat(moment).timestamp())) for name, moment in pairs]


@pytest.fixture
def ran(tmp_path: Path) -> Ran:
    return Ran(tmp_path / "ran")


@pytest.fixture
def task(tmp_path: Path, script: Script) -> dict[str, object]:
    return {"Type": "t", "Script": str(script(f'echo "$GOOPHRY_ID" >> "{tmp_path}/ran"')), "Workers": 2}


def between_moments(r: R) -> bool:
    """Whether the last moment is long past, and the next one far off."""
    _, micros = r.time()
    return 300_000 < micros < 700_000


@pytest.mark.timeout(200)
def test_three_instances_fire_each_moment_once_while_one_of_them_is_killed(
    goophry: Start, task: dict[str, object], ran: Ran, r: R
) -> None:
    fleet = [goophry(task, Schedules=[SCHEDULE]) for _ in range(3)]
    eventually(lambda: len(ran()) >= MOMENTS // 2, within=90, what="half of the moments ran")

    eventually(lambda: between_moments(r) and fleet[0].drained("t"), every=0.01, what="nothing runs")
    fleet[0].kill()

    eventually(lambda: len(ran()) >= MOMENTS, within=90, what="all moments ran")
    found = ran()
    assert sorted(found) == list(range(found[0], found[0] + len(found)))
    for survivor in fleet[1:]:
        assert survivor.stop() == 0
        assert not survivor.events("schedule.skipped")


def test_a_reload_leaves_schedules_that_stay_where_they_are_and_begins_new_ones(
    goophry: Start, task: dict[str, object], ran: Ran, r: R
) -> None:
    process = goophry(task, Schedules=[SCHEDULE])
    eventually(ran, what="it fires")

    config = process.config | {"Schedules": [SCHEDULE, SCHEDULE | {"Name": "new"}]}
    process.path.write_text(json.dumps(config))
    process.send(signal.SIGHUP)
    eventually(lambda: r.hexists(f"{{{process.queue('t')}}}:schedules", "new"), what="the new one is known")
    eventually(lambda: len(ran.of("new")) >= 2, what="both fire")
    assert process.stop() == 0

    for found in (ran.of("often"), ran.of("new")):
        assert found == list(range(found[0], found[0] + len(found)))


def test_a_restart_makes_up_for_what_was_missed_and_a_later_one_does_not(
    goophry: Start, task: dict[str, object], ran: Ran, r: R
) -> None:
    first = goophry(task, Schedules=[SCHEDULE])
    eventually(ran, what="it fires")
    eventually(lambda: between_moments(r) and first.drained("t"), every=0.01, what="nothing runs")
    first.kill()
    gone = r.time()[0]

    eventually(lambda: r.time()[0] >= gone + 3, what="three moments were missed")
    second = goophry(task, Schedules=[SCHEDULE])
    eventually(lambda: len(ran()) >= 5, what="they ran")
    assert second.stop() == 0
    found = ran()
    assert sorted(found) == list(range(found[0], found[0] + len(found)))

    # As after a downtime of a day.
    r.hset(f"{{{second.queue('t')}}}:schedules", "often", (gone - 86_400) * 1000)
    third = goophry(task, Schedules=[SCHEDULE | {"CatchUp": 0}])
    skipped = third.wait_event("schedule.skipped", why="missed")
    assert skipped["moment_s"] == gone - 86_400 + 1
    assert third.stop() == 0
