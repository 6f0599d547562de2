"""docs/howto/backup.md: what becomes of tasks when Redis is put back to an earlier moment."""

import contextlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from acceptance.goophry_process import Goophry, entry
from conftest import RedisServer, eventually, free_port

from goophry.store.embedded import find_program

QUEUE = "q:work"


class Site:
    """A Redis that can be put back, and a type whose script tells in a file what ran."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.server = folder, RedisServer(folder / "redis").start()
        self.client = self.server.client()
        self.goophrys: list[Goophry] = []
        self.told, self.go = folder / "ran", folder / "go"
        self.script = folder / "work.sh"
        self.script.write_text(
            f'#!/bin/sh\n[ "$1" != running ] || until [ -e "{self.go}" ]; do sleep 0.02; done\n'
            f'echo "$1${{GOOPHRY_RECOVERED:+ again}}" >> "{self.told}"\n[ "$1" != failed ]\n'
        )
        self.script.chmod(0o755)

    def start(self) -> Goophry:
        config = {
            "RedisAddress": self.server.address,
            "RedisQueueKey": "q",
            "FailedTasksTTL": 600,
            "LogFormat": "json",
            "Tasks": [{"Type": "work", "Script": str(self.script), "Workers": 1}],
        }
        folder = self.folder / f"goophry-{len(self.goophrys)}"
        self.goophrys.append(Goophry(folder, config, client=self.client))
        return self.goophrys[-1].wait_ready()

    def push(self, name: str) -> None:
        self.client.rpush(QUEUE, entry(name, Id=name))

    def ran(self) -> list[str]:
        return self.told.read_text().splitlines() if self.told.exists() else []

    def save(self) -> None:
        self.client.save()
        shutil.copy(self.server.folder / "dump.rdb", self.folder / "backup.rdb")

    def put_back(self) -> None:
        self.server.stop(signal.SIGKILL)
        shutil.copy(self.folder / "backup.rdb", self.server.folder / "dump.rdb")
        self.server.start()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for each in made.goophrys:
        each.clean_up()
    made.client.close()
    made.server.end()


def reach_the_moment_of_the_backup(site: Site) -> None:
    """One task has ended well, one badly, one runs, two wait, one is put off."""
    site.push("ended")
    site.push("failed")
    eventually(lambda: site.ran() == ["ended", "failed"])
    site.client.zadd(f"{{{QUEUE}}}:delayed", {entry("later"): (time.time() + 3600) * 1000})
    for name in ("running", "waiting-1", "waiting-2"):
        site.push(name)
    eventually(lambda: site.goophrys[0].held("work") == 1 and site.client.llen(QUEUE) == 2)
    site.save()


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "running"])
def test_after_a_restore_what_was_there_then_runs_and_what_had_ended_does_not(site: Site, stopped: bool) -> None:
    first = site.start()
    reach_the_moment_of_the_backup(site)
    site.go.touch()
    site.push("pushed-later")
    eventually(lambda: site.ran()[-1] == "pushed-later")

    if stopped:
        assert first.stop() == 0
    site.told.unlink()
    site.put_back()
    if stopped:
        site.start()

    eventually(lambda: len(site.ran()) >= 3, what="what was there then runs")
    eventually(lambda: site.goophrys[-1].drained("work"))
    assert [line.removesuffix(" again") for line in site.ran()] == ["running", "waiting-1", "waiting-2"]
    assert site.ran()[0] == ("running again" if stopped else "running")
    assert site.client.zcard(f"{{{QUEUE}}}:delayed") == 1
    assert site.client.llen(f"{QUEUE}:failed") == 1
    if not stopped:
        assert first.events("store.changed")


def test_a_copy_becomes_the_file_of_an_embedded_redis(tmp_path: Path) -> None:
    with contextlib.ExitStack() as ending:
        folder = Path(tempfile.mkdtemp(prefix="backup-"))  # a socket's path must be short
        ending.callback(shutil.rmtree, folder)
        port, data, ran, script = free_port(), folder / "data", tmp_path / "ran", folder / "work.sh"
        script.write_text(f'#!/bin/sh\necho "$1" >> "{ran}"\n')
        script.chmod(0o755)
        config = {"RedisAddress": "embedded", "RedisDataDir": str(data), "EmbeddedPort": port, "RedisQueueKey": "q"}
        config |= {"Tasks": [{"Type": "work", "Script": str(script)}]}
        client = redis.Redis(port=port)

        def start() -> Goophry:
            running = Goophry(folder, config, client=client)
            ending.callback(running.clean_up)
            eventually((data / "redis.sock").exists)
            eventually(lambda: "started" in running.log.splitlines()[-1], what="goophry is ready")
            return running.wait_ready()

        first = start()
        client.sadd("q:paused", "work")
        eventually(lambda: "paused" in first.log)
        client.rpush(QUEUE, entry("one"), entry("two"))
        cli = [str(find_program("redis-cli")), "-p", str(port), "--rdb", str(folder / "backup.rdb")]
        subprocess.run(cli, check=True, capture_output=True, timeout=30)
        assert first.stop() == 0
        (data / "appendonly.aof").unlink()
        shutil.copy(folder / "backup.rdb", data / "appendonly.aof")

        second = start()
        assert (client.llen(QUEUE), ran.exists()) == (2, False)
        client.srem("q:paused", "work")

        eventually(lambda: ran.exists() and ran.read_text() == "one\ntwo\n")
        assert second.stop() == 0


def test_what_is_paused_before_the_start_waits_to_be_looked_at(site: Site) -> None:
    first = site.start()
    reach_the_moment_of_the_backup(site)
    site.go.touch()
    eventually(lambda: site.ran()[-1] == "waiting-2")
    assert first.stop() == 0
    site.told.unlink()

    site.put_back()
    site.client.sadd("q:paused", "work")  # as `goophry pause work` does
    site.start()

    eventually(lambda: site.client.llen(QUEUE) == 3, what="what ran then is put back")
    assert site.ran() == []
    site.client.lrem(QUEUE, 1, entry("waiting-1", Id="waiting-1"))
    site.client.srem("q:paused", "work")
    eventually(lambda: len(site.ran()) == 2)
    assert site.ran() == ["running again", "waiting-2"]
