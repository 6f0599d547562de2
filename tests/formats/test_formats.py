"""What stands in Redis: this release writes what its recording says, and reads what every recorded release wrote."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.goophry_process import COMMAND
from conftest import RedisServer, eventually
from formats.dump import Dump, load, read, recorded, shape
from formats.scene import Scene, instances, kingtask_ids, play, scene, told

import goophry
from goophry.client import Client
from goophry.config import load as load_config
from goophry.engine.presence import this_process

OLDEST = Path(__file__).parents[1] / "golden" / "2015" / "failed.json"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Scene]:
    """On a Redis of its own: the dump is of everything, and doors have keys without the RedisQueueKey."""
    server = RedisServer(tmp_path / "redis").start()
    with server.client() as client, scene(tmp_path, client, server.address) as made:
        yield made
    server.end()


def test_this_release_writes_what_its_recording_says(site: Scene) -> None:
    kept = [path for path in recorded() if path.parent.name == goophry.__version__]
    assert kept, f"nothing is recorded of {goophry.__version__}: scripts/record-formats"

    found, wanted = shape(play(site)), shape(read(kept[0]))

    other = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    shown = "\n".join(f"{name}\n  recorded {wanted.get(name)}\n  now      {found.get(name)}" for name in other)
    assert not other, f"If it is meant, and {goophry.__version__} is not released: scripts/record-formats.\n{shown}"


@pytest.fixture(params=recorded(), ids=lambda path: str(path.parent.name))
def dump(request: pytest.FixtureRequest, site: Scene) -> Dump:
    """What a release left, put into Redis, with its instances dead."""
    found = read(request.param)
    load(site.client, found, key=site.key, boot=this_process(now=0).boot)
    return found


def command(site: Scene, *words: str, status: int = 0) -> str:
    line = [*COMMAND, "-c", str(site.started[-1].path), *words]
    ended = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout


def test_this_release_goes_on_with_what_each_release_left(site: Scene, dump: Dump) -> None:
    """Nothing of it is lost, run once too often, or taken for something else."""
    for _, _, failed in json.loads(OLDEST.read_text()):
        site.client.rpush(f"{site.key}:bad:failed", failed)
    site.go.touch()

    goophry_ = site.start()

    # What dead instances held runs again, marked once more, before what waited.
    site.ran("hold twice 1 1", "hold bare 1 1", "hold known 1 1", "hold waits 0 1", "hold waits-known 0 1")
    # What was put off for a moment that has passed runs, of what is to come nothing does.
    site.ran("later soon 0 1")
    assert site.client.zcard(f"{{{site.key}:later}}:delayed") == 2
    assert site.client.zcard(f"{{{site.key}:again}}:delayed") == 2
    # A type is paused still.
    assert site.client.llen(f"{site.key}:still") == 1
    command(site, "resume", "still")
    site.ran("still paused 0 1")
    _check_failed(site)
    _check_put_off(site)
    _check_records(goophry_.path)
    _check_doors(site, dump)
    assert not goophry_.events("helper.repaired")
    assert not goophry_.events("entry.unreadable", type="hold")
    assert "Traceback" not in goophry_.log
    assert goophry_.stop() == 0


def _check_failed(site: Scene) -> None:
    """All that failed is listed, and what can run again does."""
    listed = command(site, "failed", "ls", "bad", "--json").splitlines()
    oldest = len(json.loads(OLDEST.read_text()))
    assert len(listed) == 4 + oldest
    command(site, "failed", "retry", "bad", "--all", status=1)  # two of them cannot be read
    eventually(lambda: len(_of(site, "bad")) >= 2 + oldest, what="the failed ones run again")
    assert {"bad bare 0 1", "bad known 0 1"} <= set(_of(site, "bad"))


def _of(site: Scene, task_type: str) -> list[str]:
    return [line for line in site.lines() if line.startswith(f"{task_type} ")]


def _check_put_off(site: Scene) -> None:
    """What waits for its next try knows which one that is, and goes on with all its keys."""
    command(site, "delayed", "now", "again", "--all")
    site.ran("again bare 0 2", "again known 0 2")
    failed = eventually(lambda: site.client.lrange(f"{site.key}:again:failed", 0, -1)[1:], what="no try is left")
    known = [json.loads(raw) for raw in site.client.lrange(f"{site.key}:again:failed", 0, -1)]
    assert failed
    assert {"Args": ["known"], "Id": "again-known", "Other": {"x": 1}}.items() <= max(known, key=len).items()


def _check_records(path: Path) -> None:
    with Client.of_config(path, environ={}) as tasks:
        records = {name: tasks.result(name) for name in ("ok-known", "bad-known", "still-cancelled", "later-submitted")}
        told = {name: record and (record.status, record.outcome, record.attempt) for name, record in records.items()}
        assert told == {
            "ok-known": ("finished", "success", 1),
            "bad-known": ("finished", "failed", 1),
            "still-cancelled": ("finished", "cancelled", 1),
            "later-submitted": ("delayed", None, 1),
        }
        # An Id that is there, and a task whose like is, refuse others.
        assert tasks.push("later", "another", task_id="later-submitted") == "later-submitted"
        assert tasks.push("once", "one of a kind", task_id="once-second") == "once-first"
        assert tasks.cancel("once-first") == "removed"


def _check_doors(site: Scene, dump: Dump) -> None:
    channels = json.loads(told(site.coyotes, "/channels"))["data"]
    assert "own" in channels
    assert "coyotes-failed" in told(site.coyotes, "/channels/own/failed-tasks")
    for task_id in kingtask_ids(dump):
        assert json.loads(told(site.kingtask, f"/api/v1/task/result/{task_id}"))["message"] == "said"
    assert site.poulpe.response("ended") == '{"reason":"","result":"OK"}'
    assert [key.partition(" ")[0] for key in site.poulpe.info()["delaying_keys"]] == ["task-later"]


@pytest.mark.parametrize("path", recorded(), ids=lambda path: str(path.parent.name))
def test_the_configuration_of_each_release_is_read(path: Path) -> None:
    assert load_config(path.with_name("goophry.config.json"), environ={}).tasks


def test_each_recording_is_whole() -> None:
    """Entries in all states, marks of recoveries, records, heartbeats, and what is kept beside them."""
    for path in recorded():
        kept = read(path)
        names = " ".join(kept)
        parts = "running: delayed instances: recovered ids unique schedules rate step: paused result: failed"
        assert [part for part in parts.split() if part not in names] == [], path
        assert any(each["Busy"] == 3 for each in instances(kept)), path
        held = [raw for name, about in kept.items() if ":running:" in name for raw in about["Value"]]
        assert any(raw.startswith("\t\r{") for raw in held), path
