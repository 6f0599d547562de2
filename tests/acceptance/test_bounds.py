"""What is too much: entries that are too long, a queue without end, a full Redis, a full disk."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from acceptance.goophry_process import Goophry, entry, pids_with, pids_with_name
from acceptance.stats_client import metric
from acceptance.tally import Tally
from conftest import RedisServer, eventually, free_port

from goophry import exit_codes

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
MakeScript = Callable[..., Path]
MakeTally = Callable[[str], Tally]


def ready(port: int) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def test_an_entry_over_the_limit_is_kept_whole_and_not_run(goophry: Start, script: MakeScript, tmp_path: Path) -> None:
    """The limit is on what the producer wrote; the marks of recoveries do not count."""
    lengths = script(f'printf "%s" "$1" | wc -c >> {tmp_path}/lengths')
    running = goophry({"Type": "t", "Script": str(lengths)}, MaxEntryBytes=2000)
    large, longest = entry("large" * 1000), entry("x" * (2000 - len(entry(""))))
    running.client.rpush(running.queue("t"), large, entry("small"), b"\t\r" * 3 + longest)

    eventually(lambda: running.drained("t"))

    assert (tmp_path / "lengths").read_text().split() == ["5", str(2000 - len(entry("")))]
    (kept,) = running.failed("t")
    assert json.loads(kept) == {
        "Args": [],
        "ErrorMessage": f"parseQueueTask(): {len(large)} bytes, MaxEntryBytes is 2000",
        "Entry": large.decode(),
    }
    assert running.stop() == exit_codes.OK


def test_a_queue_of_a_million_is_nothing_special(goophry: Start, tally: MakeTally, r: "redis.Redis[bytes]") -> None:
    made, port = tally("t"), free_port()
    task = {"Type": "t", "Script": made.script, "Workers": 2}
    running = goophry(task, StatsInterface=f"127.0.0.1:{port}", ready=True)
    pipeline = r.pipeline()
    for _ in range(100):
        pipeline.rpush(running.queue("t"), *[entry("1")] * 10_000)
    pipeline.execute()

    eventually(lambda: len(made.lines()) > 100)
    began = time.monotonic()
    assert metric(port, "goophry_queue_length", type="t", state="waiting") > 900_000
    assert time.monotonic() - began < 5
    status = Path(f"/proc/{running.pid}/status").read_text()
    peak_kib = int(status.split("VmHWM:")[1].split()[0])
    assert peak_kib < 120_000, "nothing of the queue is in memory"
    assert running.stop() == exit_codes.OK
    r.delete(running.queue("t"))


class Full:
    """A goophry on a Redis of its own, with runs that end when the test says so."""

    def __init__(self, start: Start, server: RedisServer, script: MakeScript, folder: Path, **keys: Any) -> None:
        self.client, self.folder, self.port = server.client(), folder, free_port()
        body = f'echo "$1" >> {folder}/ran; touch {folder}/up.$1; while [ ! -e {folder}/go ]; do sleep 0.02; done; '
        self.process = start(
            {"Type": "good", "Script": str(script(body)), "Workers": 4},
            {"Type": "bad", "Script": str(script(body + "exit 3")), "FailedTasksTTL": 600},
            client=self.client,
            RedisAddress=server.address,
            StatsInterface=f"127.0.0.1:{self.port}",
            **keys,
        )

    def ran(self) -> list[str]:
        return sorted((self.folder / "ran").read_text().split())


def test_redis_at_its_maxmemory(
    goophry: Start, own_redis: Callable[..., RedisServer], script: MakeScript, tmp_path: Path
) -> None:
    """Nothing more is taken, what ends is settled, /readyz says why, and it goes on by itself."""
    at_work = Full(goophry, own_redis(), script, tmp_path)
    process, client = at_work.process, at_work.client
    names = [f"{number:02d}" for number in range(20)]
    client.rpush(process.queue("good"), *[entry(name) for name in names])
    process.push("bad", "bad")
    eventually(lambda: len(list(tmp_path.glob("up.*"))) == 5)
    assert ready(at_work.port) == (200, "ok\n")

    client.config_set("maxmemory", 1)
    (tmp_path / "go").touch()

    eventually(lambda: process.held("good") == 0, what="what ended is removed")
    eventually(lambda: "maxmemory" in ready(at_work.port)[1])
    assert ready(at_work.port)[0] == 503
    assert len(process.waiting("good")) == 16, "nothing more is taken"
    assert process.held("bad") == 1, "its failure cannot be kept yet"
    # The heartbeat goes on: a full Redis is no reason to be taken for dead.
    (beat,) = client.scan_iter(f"{process.queue_key}:instance:*")
    seen = client.pttl(beat)
    eventually(lambda: client.pttl(beat) > seen, within=10)

    client.config_set("maxmemory", 0)

    eventually(lambda: process.drained("good", "bad"))
    assert at_work.ran() == sorted([*names, "bad"])
    assert [json.loads(kept)["Args"] for kept in process.failed("bad")] == [["bad"]]
    eventually(lambda: ready(at_work.port) == (200, "ok\n"))
    assert not process.events("ownership.lost")
    assert process.stop() == exit_codes.OK
    client.close()


def test_a_full_redis_does_not_keep_the_dead_from_being_recovered(
    goophry: Start, own_redis: Callable[..., RedisServer], script: MakeScript, tmp_path: Path
) -> None:
    server = own_redis()
    first = Full(goophry, server, script, tmp_path)
    first.process.push("good", "a")
    eventually((tmp_path / "up.a").exists)
    first.client.config_set("maxmemory", 1)
    first.process.kill()

    second = Full(goophry, server, script, tmp_path)
    second.process.wait_event("entries.recovered", count=1)
    assert second.process.waiting("good") == [b"\t\r" + entry("a")]

    (tmp_path / "go").touch()
    second.client.config_set("maxmemory", 0)
    eventually(lambda: second.process.drained("good"))
    assert second.process.stop() == exit_codes.OK
    for each in (first, second):
        each.client.close()


def test_a_stop_at_maxmemory_puts_back_what_runs(
    goophry: Start, own_redis: Callable[..., RedisServer], script: MakeScript, tmp_path: Path
) -> None:
    at_work = Full(goophry, own_redis(), script, tmp_path, ShutdownTimeout=0)
    at_work.process.push("good", "a")
    eventually((tmp_path / "up.a").exists)
    at_work.client.config_set("maxmemory", 1)

    assert at_work.process.stop() == exit_codes.OK

    assert at_work.process.waiting("good") == [entry("a")]
    assert at_work.process.held("good") == 0
    at_work.client.close()


def test_a_policy_that_evicts_is_warned_of_at_the_start_and_a_metric(
    goophry: Start, own_redis: Callable[..., RedisServer]
) -> None:
    server, port = own_redis("--maxmemory-policy", "volatile-lru"), free_port()
    client = server.client()
    running = goophry(
        {"Type": "t", "Script": "/bin/true"},
        client=client,
        RedisAddress=server.address,
        StatsInterface=f"127.0.0.1:{port}",
    )
    (warning,) = running.events("eviction_policy")
    assert warning["level"] == "warning"
    assert "volatile-lru" in warning["message"]
    assert metric(port, "goophry_redis_may_evict") == 1
    client.config_set("maxmemory-policy", "noeviction")
    assert metric(port, "goophry_redis_may_evict") == 0
    assert running.stop() == exit_codes.OK
    client.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110 - no path object yet
def test_a_full_disk_under_the_log_stops_nothing(goophry: Start, tally: MakeTally) -> None:
    made = tally("t")
    running = goophry({"Type": "t", "Script": made.script}, Logfile="/dev/full")
    names = [f"{number:03d}" for number in range(50)]
    for name in names:
        running.push("t", name)

    eventually(lambda: made.lines() == names)
    eventually(lambda: running.drained("t"))
    assert running.stop() == exit_codes.OK


#: Mounts a file system of 64 KiB on $1, in a namespace that ends with the process, and goes on as the rest.
SMALL_DISK = 'mount -t tmpfs -o size=64k small "$1" && shift && exec "$@"'


def small_disk(folder: Path) -> tuple[str, ...]:
    """Return what to put before a command, so that it finds a small disk at `folder`; skips where that is refused."""
    folder.mkdir()
    rights = ("--mount",) if os.geteuid() == 0 else ("--mount", "--map-root-user")
    prefix = ("unshare", *rights, "sh", "-c", SMALL_DISK, "sh", str(folder))
    if not shutil.which("unshare") or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may mount nothing here, not even in a namespace of its own")
    return prefix


def test_a_disk_that_fills_up_under_the_log_stops_nothing_and_the_log_goes_on_when_there_is_room(
    goophry: Start, tally: MakeTally, tmp_path: Path
) -> None:
    made, disk = tally("t"), tmp_path / "disk"
    task = {"Type": "t", "Script": made.script, "Workers": 2}
    running = goophry(task, Logfile=str(disk / "log"), process={"prefix": small_disk(disk)})
    inside = Path(f"/proc/{running.pid}/root/{disk}")
    names = [f"{number:04d}" for number in range(600)]
    running.client.rpush(running.queue("t"), *[entry(name) for name in names])
    eventually(lambda: sorted(made.lines()) == names and running.drained("t"))
    assert os.statvfs(inside).f_bavail == 0, "it is full"

    (inside / "log").write_text("")
    running.push("t", "last")

    eventually(lambda: '"last"' in (inside / "log").read_text())
    # The first line ends one that was cut, and that was emptied away.
    lines = [json.loads(line) for line in (inside / "log").read_text().splitlines() if line]
    (dropped,) = [line for line in lines if line["action"] == "log.dropped"]
    assert dropped["count"] > 100
    assert dropped["reason"] == "No space left on device"
    assert running.stop() == exit_codes.OK


def test_error_scripts_that_hang_hold_up_neither_tasks_nor_a_stop_in_a_hurry(
    goophry: Start, script: MakeScript, tally: MakeTally, tmp_path: Path
) -> None:
    """Four at a time hang, deaf to TERM; the notices that wait for them are dropped by the second signal."""
    hangs = script(f'trap "" TERM; echo >> {tmp_path}/told; while :; do sleep 1; done')
    made = tally("good")
    bad = {"Type": "bad", "Script": str(script("exit 3")), "Workers": 4, "FailedTasksTTL": 600}
    running = goophry(bad, {"Type": "good", "Script": made.script}, ErrorScript=str(hangs))
    for number in range(50):
        running.push("bad", str(number))
    eventually(lambda: len(running.failed("bad")) == 50 and running.drained("bad"))
    running.push("good", "1")
    eventually(lambda: made.lines() == ["1"])
    assert (tmp_path / "told").read_text() == "\n" * 4

    running.send(signal.SIGTERM)
    running.wait_event("stop")
    running.send(signal.SIGTERM)

    assert running.wait(20) == exit_codes.FORCED
    assert not pids_with_name("GOOPHRY_NOTICE") & pids_with(running.mark)
    assert running.drained("bad", "good")
