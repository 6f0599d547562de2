"""Two releases on one Redis, as while a fleet is upgraded: this one, and one that writes more than it understands."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from acceptance.goophry_process import COMMAND, Goophry
from acceptance.tally import FULL
from conftest import eventually
from formats.newer import FUTURE
from formats.scene import YEARS_S

import goophry as package
from goophry.client import Client

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
R = "redis.Redis[bytes]"

ROOT = Path(__file__).parents[2]
#: A state of this repository that wrote these formats before they were recorded.
OLDER = "7465fc3814332b4fa0a860b31d3f58734d3fe938"


@pytest.fixture(params=["newer", "older"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """How to start a goophry of another release."""
    if request.param == "newer":
        return {"command": (sys.executable, str(ROOT / "tests" / "formats" / "newer.py"))}
    if not FULL:
        pytest.skip("long form: GOOPHRY_TEST_FULL=1")
    packed = subprocess.run(["git", "archive", OLDER, "goophry"], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        pytest.skip(f"this clone's history does not have {OLDER}")
    folder = tmp_path / "older"
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
    return {"env": {"PYTHONPATH": str(folder)}}


def command(running: Goophry, *words: str) -> str:
    ended = subprocess.run(
        [*COMMAND, "-c", str(running.path), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=dict(os.environ),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_two_releases_work_side_by_side_and_take_over_from_each_other(
    goophry: Start, other: dict[str, Any], script: Callable[..., Path], tmp_path: Path, r: R
) -> None:
    """Each sees the other, ends its tasks, reads its records, and goes on with what it held and what it put off."""
    hold = script(
        f'echo "$1 ${{GOOPHRY_RECOVERED:-0}}" >> {tmp_path}/ran\nwhile [ ! -e {tmp_path}/$1 ]; do sleep 0.02; done'
    )
    tasks = [
        {"Type": "hold", "Script": str(hold), "KillGrace": 0.1},
        {"Type": "again", "Script": str(script("exit 3")), "Retry": [YEARS_S, YEARS_S], "FailedTasksTTL": 600},
    ]
    theirs = goophry(*tasks, process=other)
    delayed = f"{{{theirs.queue('again')}}}:delayed"

    def ran(line: str, times: int = 1) -> None:
        path = tmp_path / "ran"
        eventually(lambda: path.exists() and path.read_text().splitlines().count(line) == times, what=f"{line} ran")

    def put_off(attempt: int) -> dict[str, Any]:
        """Return the notes of the entry that waits for this attempt."""
        eventually(lambda: b'"Attempt":%d' % attempt in b"".join(r.zrange(delayed, 0, -1)), what=f"attempt {attempt}")
        notes: dict[str, Any] = json.loads(r.zrange(delayed, 0, -1)[0])["Goophry"]
        return notes

    # Theirs puts one off and holds one.
    theirs.push("again", "x", Id="tried")
    noted = put_off(2)
    theirs.push("hold", "h1", Id="h1")
    ran("h1 0")

    # Ours beside it: each is seen by the other, and a cancellation reaches it.
    ours = goophry(*tasks)
    ours.push("hold", "h2", Id="h2")
    ran("h2 0")
    seen = {each["Pid"]: each["Version"] for each in json.loads(command(ours, "status", "--json"))["Instances"]}
    assert seen.keys() == {theirs.pid, ours.pid}
    assert seen[ours.pid] == package.__version__
    with Client(ours.config["RedisAddress"], ours.queue_key) as client:
        assert client.cancel("h1") == "told"
        ended, tried = client.wait("h1", timeout_s=20), client.result("tried")
    assert ended is not None
    assert ended.outcome == "cancelled"
    assert tried is not None
    assert (tried.status, tried.outcome, tried.attempt) == ("delayed", "failed", 1)

    # Theirs is killed: ours runs what it held, and tries again what it had put off.
    theirs.push("hold", "h3")
    ran("h3 0")
    theirs.kill()
    (tmp_path / "h2").touch()
    ran("h3 1")
    command(ours, "delayed", "now", "again", "--all")
    assert noted.keys() - put_off(3).keys() == set()
    if "Future" in noted:
        assert put_off(3)["Future"] == FUTURE["Future"]

    # And the other way round.
    theirs = goophry(*tasks, process=other)
    ours.kill()
    ran("h3 1", times=2)
    (tmp_path / "h3").touch()
    command(ours, "delayed", "now", "again", "--all")
    assert theirs.wait_failed("again") == [b'{"Args":["x"],"Id":"tried","ErrorMessage":"exit status 3"}']
    eventually(lambda: theirs.drained("hold", "again"), what="nothing is left")
    assert theirs.stop() == 0
    assert "Traceback" not in ours.log + theirs.log
    assert not ours.events("bulletin")
    assert not ours.events("helper.repaired")
