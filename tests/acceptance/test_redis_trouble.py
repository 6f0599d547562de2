"""Redis away, at the start and in the middle of a drain: nothing popped is lost, nothing needs a restart."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from acceptance.fake_redis import old_redis
from acceptance.goophry_process import Goophry, entry
from acceptance.stats_client import wait_metric
from acceptance.tally import Tally
from conftest import RedisServer, eventually, free_port

from goophry import exit_codes

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
MakeTally = Callable[[str], Tally]

#: Every write is on the disk before it is answered, so that the server may be killed at any time.
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
NAMES = [f"{number:06d}" for number in range(1500)]


# At the start.


def test_gone_at_the_start_is_one_line_a_told_error_script_and_exit_status_1(
    goophry: Start, script: Callable[..., Path], r: "redis.Redis[bytes]"
) -> None:
    told = script('printf "%s" "$1" > "$0.told"')
    address = f"127.0.0.1:{free_port()}"
    process = goophry(
        {"Type": "t", "Script": "t.sh"}, ready=False, RedisAddress=address, ErrorScript=str(told), LogFormat="text"
    )
    assert process.wait(10) == exit_codes.FAILED
    started, problem = process.log.splitlines()
    assert "started" in started
    assert f"Redis at {address}: " in problem
    assert "refused" in problem
    assert Path(f"{told}.told").read_text().startswith("Redis Error:\n")


def test_a_wrong_password_is_said_so_and_is_not_in_the_log(
    goophry: Start, own_redis: Callable[..., RedisServer]
) -> None:
    server = own_redis(password="right")
    for keys in ({}, {"RedisPassword": "wrong-one"}):
        process = goophry({"Type": "t", "Script": "t.sh"}, ready=False, RedisAddress=server.address, **keys)
        assert process.wait(10) == exit_codes.FAILED
        (problem,) = process.events("start_failed")
        assert "refuses the login" in problem["message"]
        assert "wrong-one" not in process.log
    client = server.client()
    process = goophry(
        {"Type": "t", "Script": "t.sh"}, client=client, RedisAddress=server.address, RedisPassword="right"
    )
    assert process.stop() == exit_codes.OK
    client.close()


@pytest.mark.parametrize(
    ("version", "task", "what", "needed"),
    [
        ("5.0.3", {}, "Delivery at-least-once", "6.2"),
        ("4.0.14", {"Delivery": "at-most-once"}, "Delivery at-most-once", "5.0"),
        ("6.0.16", {"Delivery": "at-most-once", "RateLimit": "1/s"}, "RateLimit", "6.2"),
    ],
)
def test_a_redis_that_is_unfit_is_refused(
    goophry: Start, version: str, task: dict[str, str], what: str, needed: str
) -> None:
    with old_redis(version) as address:
        process = goophry({"Type": "t", "Script": "t.sh", **task}, ready=False, RedisAddress=address)
        assert process.wait(10) == exit_codes.FAILED
    (problem,) = process.events("start_failed")
    assert problem["message"] == f"Redis {version} is too old: {what} needs {needed} or newer"


def test_a_policy_that_evicts_is_warned_of(goophry: Start, own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis("--maxmemory-policy", "allkeys-lru")
    client = server.client()
    process = goophry({"Type": "t", "Script": "t.sh"}, client=client, RedisAddress=server.address)
    (warning,) = process.events("eviction_policy")
    assert warning["level"] == "warning"
    assert "allkeys-lru" in warning["message"]
    assert process.stop() == exit_codes.OK
    client.close()


# In the middle of a drain.


class Drain:
    """A goophry on a Redis of its own, with a full queue in two types, some of it done."""

    def __init__(self, start: Start, server: RedisServer, tally: MakeTally, **keys: Any) -> None:
        self.server, self.client = server, server.client()
        self.tallies = {"t": tally("t"), "u": tally("u")}
        tasks = [{"Type": name, "Script": made.script, "Workers": 4} for name, made in self.tallies.items()]
        self.process = start(*tasks, client=self.client, RedisAddress=server.address, **keys)
        for name in self.tallies:
            self.client.rpush(self.process.queue(name), *[entry(item) for item in NAMES])
        eventually(lambda: self.sizes() >= 300 * 7)

    def sizes(self) -> int:
        return sum(made.size() for made in self.tallies.values())

    def wait_progress(self, tasks: int) -> None:
        enough = self.sizes() + tasks * 7
        eventually(lambda: self.sizes() > enough or self.process.drained(*self.tallies))

    def in_the_middle(self) -> bool:
        return all(self.client.llen(self.process.queue(name)) for name in self.tallies)

    def wait_lost(self) -> None:
        for who in ("t", "u", "heartbeat"):
            self.process.wait_event("store.lost", who=who, within=30)

    def wait_back(self) -> None:
        for who in ("t", "u", "heartbeat"):
            self.process.wait_event("store.back", who=who, within=30)

    def assert_all_ran_once(self) -> None:
        eventually(lambda: self.process.drained(*self.tallies), within=60, every=0.05)
        for name, made in self.tallies.items():
            assert sorted(made.lines()) == NAMES
            assert not self.process.failed(name)

    def assert_told_once(self) -> None:
        """Each loop says once that Redis is gone, and once how long it was."""
        for who in self.tallies:
            (lost,) = self.process.events("store.lost", who=who)
            (back,) = self.process.events("store.back", who=who)
            assert lost["reason"]
            assert back["outage_s"] > 0

    def end(self) -> None:
        assert self.process.stop() == exit_codes.OK
        self.client.close()


@pytest.fixture
def drain(goophry: Start, own_redis: Callable[..., RedisServer], tally: MakeTally) -> Iterator[Callable[..., Drain]]:
    made: list[Drain] = []

    def start(**keys: Any) -> Drain:
        made.append(Drain(goophry, own_redis(*DURABLE), tally, **keys))
        return made[-1]

    yield start
    for each in made:
        each.client.close()


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_redis_ended_and_started_again_costs_nothing(drain: Callable[..., Drain], sig: signal.Signals) -> None:
    at_work = drain()
    assert at_work.in_the_middle()
    at_work.server.stop(sig)
    at_work.wait_lost()
    at_work.server.start()
    at_work.wait_back()
    at_work.assert_all_ran_once()
    at_work.assert_told_once()
    at_work.end()


def test_the_error_script_is_told_once_of_an_outage(drain: Callable[..., Drain], script: Callable[..., Path]) -> None:
    told = script('printf "%s\\n--\\n" "$1" >> "$0.told"')
    at_work = drain(ErrorScript=str(told))
    at_work.server.stop(signal.SIGKILL)
    at_work.wait_lost()
    at_work.server.start()
    at_work.wait_back()
    at_work.assert_all_ran_once()
    at_work.end()
    texts = Path(f"{told}.told").read_text().split("\n--\n")[:-1]
    assert len(texts) == 1
    assert texts[0].startswith("Redis Error:\n")


@pytest.mark.timeout(180)
def test_a_redis_that_is_frozen_is_noticed_and_costs_nothing(drain: Callable[..., Drain]) -> None:
    at_work = drain()
    assert at_work.in_the_middle()
    at_work.server.freeze()
    frozen = time.monotonic()
    at_work.wait_lost()
    assert time.monotonic() - frozen < 15, "an answer is waited for 9 s at most"
    # Longer than the heartbeat lives: the one in Redis is gone when it wakes up.
    eventually(lambda: time.monotonic() > frozen + 12, every=0.1)
    at_work.server.thaw()
    at_work.wait_back()
    at_work.assert_all_ran_once()
    at_work.assert_told_once()
    at_work.end()


def test_a_redis_that_becomes_read_only_is_waited_for(drain: Callable[..., Drain]) -> None:
    at_work = drain()
    assert at_work.in_the_middle()
    at_work.client.replicaof("127.0.0.1", free_port())
    at_work.wait_lost()
    at_work.client.replicaof("NO", "ONE")
    at_work.wait_back()
    at_work.assert_all_ran_once()
    at_work.end()


def test_a_redis_that_is_loading_is_waited_for(
    goophry: Start, own_redis: Callable[..., RedisServer], tally: MakeTally
) -> None:
    server, made = own_redis("--rdbcompression", "no"), tally("t")
    client = server.client()
    process = goophry({"Type": "t", "Script": made.script}, client=client, RedisAddress=server.address)
    pipeline = client.pipeline()
    for number in range(1000):
        pipeline.set(f"ballast:{number}", "x" * 10_000)
    pipeline.execute()
    client.save()
    server.stop(signal.SIGKILL)
    process.wait_event("store.lost", who="heartbeat")

    # Three milliseconds for each key; it looks at its clients after every two megabytes.
    server.options = ("--key-load-delay", "3000")
    server.start()

    process.wait_event("store.back", who="t")
    commands = client.info("commandstats")
    refused = {name for name, stats in commands.items() if stats["rejected_calls"] and name != "cmdstat_ping"}
    assert refused, "goophry came while Redis was loading"
    process.push("t", "000001")
    eventually(lambda: made.lines() == ["000001"])
    assert process.stop() == exit_codes.OK
    client.close()


def test_connections_that_are_killed_again_and_again_cost_nothing(drain: Callable[..., Drain]) -> None:
    at_work = drain()
    kills = 0
    while not at_work.process.drained("t", "u"):
        kills += at_work.client.client_kill_filter(_type="normal", skipme=True)
        at_work.wait_progress(100)
    assert kills > 20
    at_work.assert_all_ran_once()
    at_work.end()


def test_a_failure_during_an_outage_is_kept_once_redis_is_back(
    goophry: Start, own_redis: Callable[..., RedisServer], script: Callable[..., Path], tmp_path: Path
) -> None:
    server = own_redis(*DURABLE)
    client = server.client()
    body = f'touch "{tmp_path}/up"; while [ ! -e "{tmp_path}/go" ]; do sleep 0.02; done; exit 3'
    process = goophry(
        {"Type": "t", "Script": str(script(body))}, client=client, RedisAddress=server.address, FailedTasksTTL=600
    )
    process.push("t", "a")
    eventually((tmp_path / "up").exists)
    server.stop(signal.SIGKILL)
    (tmp_path / "go").touch()
    process.wait_event("store.lost", who="t")
    server.start()
    assert process.wait_failed("t") == [b'{"Args":["a"],"ErrorMessage":"exit status 3"}']
    eventually(lambda: process.drained("t"))
    assert len(process.events("task.finished", outcome="failed")) == 1
    assert len(process.failed("t")) == 1
    assert process.stop() == exit_codes.OK
    client.close()


def test_a_stop_while_redis_is_away_ends_and_leaves_the_entry_to_be_recovered(
    goophry: Start, own_redis: Callable[..., RedisServer], script: Callable[..., Path], tmp_path: Path
) -> None:
    server = own_redis(*DURABLE)
    client = server.client()
    body = f'touch "{tmp_path}/up"; while [ ! -e "{tmp_path}/go" ]; do sleep 0.02; done'
    task = {"Type": "t", "Script": str(script(body))}
    port = free_port()
    keys = {"client": client, "RedisAddress": server.address, "StatsInterface": f"127.0.0.1:{port}"}
    process = goophry(task, **keys)
    process.push("t", "a")
    eventually((tmp_path / "up").exists)
    server.stop(signal.SIGKILL)
    process.wait_event("store.lost", who="heartbeat")
    wait_metric(port, "goophry_redis_up", 0)
    process.send(signal.SIGTERM)
    process.wait_event("stop")
    (tmp_path / "go").touch()

    assert process.wait(40) == exit_codes.OK

    server.start()
    assert process.held("t") == 1, "it was not told that the entry is done: it is recovered and runs again"
    client.close()
