"""`goophry status` and `top` over a fleet of real instances, from Redis alone."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from acceptance.command_line import do
from acceptance.goophry_process import Goophry
from acceptance.terminal import Screen
from conftest import RedisServer, eventually

from goophry import exit_codes
from goophry.store import keys

pytest_plugins = ("acceptance.fixtures", "acceptance.terminal_fixtures")

Start = Callable[..., Goophry]
EVIL = "\x1b]0;owned\x07\x9b2J\u202e"


@pytest.fixture
def fleet(goophry: Start, script: Callable[..., Path], queue_key: str, r: "redis.Redis[bytes]") -> list[Goophry]:
    """Two instances that share a type; each has one of its own besides. Of three tasks that run, one waits."""
    slow, bad = str(script("sleep 600")), str(script("exit 3"))
    one = goophry({"Type": "slow", "Script": slow, "Workers": 1}, {"Type": "bad", "Script": bad}, FailedTasksTTL=1000)
    two = goophry({"Type": "slow", "Script": slow}, {"Type": "once", "Script": slow, "Delivery": "at-most-once"})
    for number in range(3):
        one.push("slow", f"slow-{number}", EVIL, Id=f"id-{number}")
    one.push("bad", "failing", EVIL)
    two.push("once", "unleased")
    r.zadd(keys.delayed(one.queue("slow")), {b'{"Args":["later"]}': time.time() * 1000 + 600_000})
    one.wait_failed("bad")
    eventually(lambda: one.held("slow") == 2)
    eventually(lambda: told_runs(r, queue_key) == 3, what="both have told of it")
    return [one, two]


def told_runs(client: "redis.Redis[bytes]", queue_key: str) -> int:
    beats = [client.get(name) or b"{}" for name in client.scan_iter(f"{queue_key}:instance:*", count=1000)]
    return sum(len(json.loads(beat).get("Running", ())) for beat in beats)


@pytest.fixture
def status(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Return what `goophry status --json` tells."""

    def ask(process: Goophry, *words: str) -> dict[str, Any]:
        assert do("-c", process.path, "status", "--json", *words) == exit_codes.OK
        out = capsys.readouterr().out
        assert out.isascii()
        told: dict[str, Any] = json.loads(out)
        return told

    return ask


def test_status_tells_of_all_types_and_instances(
    fleet: list[Goophry], status: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    eventually(lambda: status(fleet[0])["Types"][1]["DonePerSecond"], what="the failed one is told of")
    told = status(fleet[0])

    assert told["RedisQueueKey"] == fleet[0].queue_key
    slow, bad, once = told["Types"]
    assert slow == {
        "Type": "slow",
        "Configured": True,
        "Paused": False,
        "Instances": 2,
        "Workers": 2,
        "Running": 2,
        "Waiting": 1,
        "Delayed": 1,
        "Failed": 0,
        "DonePerSecond": 0,
    }
    assert (bad["Failed"], bad["Instances"], bad["Workers"]) == (1, 1, 1)
    assert (once["Type"], once["Configured"], once["Running"]) == ("once", False, 1)
    assert [each["Pid"] for each in told["Instances"]] == [process.pid for process in fleet]
    assert told["Instances"][0]["Done"]["bad"]["Failed"] == 1
    assert {run_["Id"] for run_ in told["Running"]} == {"id-0", "id-1", None}
    assert [each["Type"] for each in status(fleet[0], "on*")["Types"]] == ["once"]
    assert [each["Pid"] for each in status(fleet[0], "bad")["Instances"]] == [fleet[0].pid]

    assert do("-c", fleet[1].path, "status") == exit_codes.OK
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert f"{fleet[0].queue_key} on {fleet[0].config['RedisAddress']}" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["slow", "2", "2", "1", "1", "0", "0.0"] in rows
    assert any(row[:2] == ["bad", "1"] for row in rows)
    assert any(f"-{fleet[1].pid}-" in row[0] for row in rows if row)
    assert 'slow-0" "\\x1b]0;owned\\x07\\x9b2J\\u202e"' in out

    # Into a pipe, top is printed once.
    assert do("-c", fleet[0].path, "top") == exit_codes.OK
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert "slow-1" in out
    assert 'exit status 3  "failing" "\\x1b]0;owned' in out


def test_where_nobody_runs_status_says_so(
    goophry: Start, script: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    process = goophry({"Type": "t", "Script": str(script("true"))})
    process.stop()
    process.push("t")

    assert do("-c", process.path, "status") == exit_codes.FAILED
    out = capsys.readouterr().out
    assert "no instance lives" in out
    assert "t served by none" in out
    assert do("-c", process.path, "status", "--json") == exit_codes.FAILED
    assert json.loads(capsys.readouterr().out)["Instances"] == []
    assert do("-c", process.path, "status", "other") == exit_codes.FAILED
    assert "'other' is no task type; there are: t" in capsys.readouterr().err


def test_top_is_live_follows_the_size_of_the_window_and_ends_at_q(
    fleet: list[Goophry], screen: Callable[..., Screen]
) -> None:
    top = screen("-c", fleet[0].path, "top", "-n", "0.2")
    eventually(lambda: top.shows("slow-0") and top.shows("exit status 3") and top.shows("once"))
    assert b"\x1b]0;" not in top.seen
    assert b"\x9b" not in top.seen.decode().encode("latin-1", errors="replace")

    fleet[0].push("bad", "another-one")
    eventually(lambda: top.shows("another-one"), what="what fails now is shown")
    top.resize(8, 70)
    top.process.send_signal(signal.SIGWINCH)
    eventually(lambda: top.shows("TYPE (+2)"), what="the smaller window is used")
    top.press("x\x1b[A")
    top.press("q")

    eventually(top.ended)
    assert top.process.returncode == exit_codes.OK
    assert top.is_as_it_was()


@pytest.mark.parametrize(("sig", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_top_leaves_the_terminal_as_it_was_when_a_signal_ends_it(
    goophry: Start, script: Callable[..., Path], screen: Callable[..., Screen], sig: signal.Signals, code: int
) -> None:
    process = goophry({"Type": "quick", "Script": str(script("true"))})
    top = screen("-c", process.path, "top")
    eventually(lambda: top.shows("quick"))

    top.process.send_signal(sig)

    eventually(top.ended)
    assert top.process.returncode == code
    assert top.is_as_it_was()


def test_top_outlives_an_outage_of_redis(
    goophry: Start, script: Callable[..., Path], screen: Callable[..., Screen], own_redis: Callable[..., RedisServer]
) -> None:
    server = own_redis()
    client = server.client()
    process = goophry({"Type": "quick", "Script": str(script("true"))}, client=client, RedisAddress=server.address)
    top = screen("-c", process.path, "top", "-n", "0.2")
    eventually(lambda: top.shows("quick"))

    server.stop()
    eventually(lambda: top.shows("Redis is out of reach"))
    server.start()
    top.forget()
    eventually(lambda: (top.shows("quick") and not top.shows("out of reach")) or top.forget())
    top.press("q")
    eventually(top.ended)
    assert top.process.returncode == exit_codes.OK
    client.close()


def test_without_redis_both_say_so(
    goophry: Start, script: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    process = goophry({"Type": "t", "Script": str(script("true"))}, ready=False, RedisAddress="127.0.0.1:1")

    for command in ("status", "top"):
        assert do("-c", process.path, command) == exit_codes.FAILED
        assert "Connection refused" in capsys.readouterr().err
