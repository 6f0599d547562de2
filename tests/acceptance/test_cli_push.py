"""`goophry push`: one task or many, now or later, waited for or not."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from acceptance.command_line import Config, do, run
from acceptance.goophry_process import Goophry
from conftest import RedisServer, eventually

from goophry import exit_codes
from goophry.entry import parse
from goophry.store import keys

pytest_plugins = ("acceptance.command_fixtures", "acceptance.fixtures")

Start = Callable[..., Goophry]
OK, FAILED, USAGE, NOT_ENDED = exit_codes.OK, exit_codes.FAILED, exit_codes.USAGE, exit_codes.NOT_ENDED


def waiting(client: "redis.Redis[bytes]", queue_key: str) -> list[dict[str, Any]]:
    """Return what waits, without what goophry notes there for itself."""
    entries = [json.loads(raw.decode(errors="surrogateescape")) for raw in client.lrange(f"{queue_key}:resize", 0, -1)]
    return [{key: value for key, value in each.items() if key != "Goophry"} for each in entries]


def test_push_takes_a_task_in_and_prints_its_id(
    config: Config, r: "redis.Redis[bytes]", queue_key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config()
    assert do("-c", path, "push", "resize", "in.png", "é", "--", "-q") == OK
    made = capsys.readouterr().out.strip()
    assert do("push", "-c", path, "--id", "7", "--env", "A=b=c", "--timeout", "1.5", "resize") == OK
    assert capsys.readouterr().out == "7\n"

    assert waiting(r, queue_key) == [
        {"Args": ["in.png", "é", "-q"], "Id": made},
        {"Args": [], "Id": "7", "Env": {"A": "b=c"}, "Timeout": 1.5},
    ]
    assert len(made) == 24


def test_arguments_that_are_not_utf_8_are_pushed_byte_by_byte(
    config: Config, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    assert do("-c", config(), "push", "resize", os.fsdecode(b"caf\xe9")) == OK
    assert b'"Args":["caf\xe9"]' in r.lrange(f"{queue_key}:resize", 0, -1)[0]


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["resise"], FAILED, "'resise' is no configured type; there are: resize"),
        (["resize", "--env", "LD_PRELOAD=x"], FAILED, "LD_PRELOAD may not be set"),
        (["resize", "--timeout", "-1"], USAGE, "expected a time span"),
        (["resize", "--env", "A"], USAGE, "expected NAME=VALUE"),
        (["resize", "--delay", "soon"], USAGE, "expected a time span"),
        (["resize", "--at", "25:00"], USAGE, "expected a moment"),
        (["resize", "--at", "14:30", "--delay", "1"], USAGE, "one of --delay and --at"),
        (["resize", "--delay", "400000w"], FAILED, "Delay: expected seconds"),
        (["resize", "--id", "x" * 600], FAILED, "Id: expected at most"),
        (["resize", "x" * 3_000_000], FAILED, "MaxEntryBytes is"),
        (["resize", "x", "--stdin"], USAGE, "--stdin"),
        (["resize", "--id", "7", "--stdin"], USAGE, "--stdin"),
        (["resize", "--wait", "--stdin"], USAGE, "--stdin"),
        ([], USAGE, "TYPE"),
    ],
)
def test_push_refuses_what_would_not_run(  # noqa: PLR0917 # fixtures
    arguments: list[str],
    status: int,
    reason: str,
    config: Config,
    r: "redis.Redis[bytes]",
    queue_key: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert do("-c", config(MaxEntryBytes=1_000_000), "push", *arguments) == status
    assert reason in capsys.readouterr().err
    assert not r.exists(f"{queue_key}:resize")


def test_push_without_redis_says_so(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    assert do("-c", config(RedisAddress="127.0.0.1:1"), "push", "resize") == FAILED
    assert "Connection refused" in capsys.readouterr().err
    assert do("-c", config(RedisAddress="embedded"), "push", "resize") == FAILED
    assert "the embedded Redis does not run" in capsys.readouterr().err


def test_delay_and_at_put_a_task_off(
    config: Config, r: "redis.Redis[bytes]", queue_key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, now = config(), time.time()
    moment = int(now) + 7200
    assert do("-c", path, "push", "--delay", "1h30m", "resize", "delayed") == OK
    assert do("-c", path, "push", "--at", str(moment), "--json", "resize", "at") == OK
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["Due"] == moment

    assert not r.exists(f"{queue_key}:resize")
    due = {
        parse(raw).args[0]: score / 1000
        for raw, score in r.zrange(keys.delayed(f"{queue_key}:resize"), 0, -1, withscores=True)
    }
    assert due == {"delayed": pytest.approx(now + 5400, abs=60), "at": moment}


def test_a_second_task_of_the_same_id_or_of_a_unique_type_is_refused(
    config: Config, r: "redis.Redis[bytes]", queue_key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(task={"Unique": {}})
    assert do("-c", path, "push", "--id", "7", "resize", "a") == OK

    assert do("-c", path, "push", "--id", "7", "resize", "b") == FAILED
    assert "not pushed: a task of the same Id is there, or its result is: 7" in capsys.readouterr().err
    assert do("-c", path, "push", "resize", "a") == FAILED
    assert "not pushed: a task of the same arguments is there, or its result is: 7" in capsys.readouterr().err
    assert len(waiting(r, queue_key)) == 1


LINES = b"""["in.png","200"]

{"Args":["2.png"],"Id":"two","Env":{"A":"own"},"Delay":0,"X":{"y":[1]}}
  {"args":["3.png"],"Retry":[1,2]}  \r
rubbish
["x",1]
{"Args":["4.png"],"Id":"two"}
[]
{"Args":["5.png"],"Goophry":{"Attempt":9},"ErrorMessage":"exit status 1"}
"""


Lines = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture
def push_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lines:
    """Push lines from stdin; returns status, stdout, and the lines of stderr."""

    def push(path: Path, lines: bytes, *flags: str) -> tuple[int, str, list[str]]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
        status = do("-c", path, "push", "resize", "--stdin", *flags)
        told = capsys.readouterr()
        return status, told.out, told.err.splitlines()

    return push


def test_lines_are_taken_in_in_their_order_and_those_that_are_wrong_are_told(
    config: Config, push_lines: Lines, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    status, out, errors = push_lines(config(), LINES, "--env", "A=all", "--timeout", "5")

    assert (status, out) == (FAILED, f"{queue_key}:resize: 5 pushed, 3 refused\n")
    assert errors[0].startswith('goophry: line 5: expected an entry, as {…}, or its arguments, as […], found "rubbish"')
    assert errors[1].startswith("goophry: line 6: Args[1]: expected a string")
    assert errors[2] == "goophry: line 7: a task of the same Id is there, or its result is: two"
    found = waiting(r, queue_key)
    assert [each["Args"] for each in found] == [["in.png", "200"], ["2.png"], ["3.png"], [], ["5.png"]]
    assert [each["Env"]["A"] for each in found] == ["all", "own", "all", "all", "all"]
    assert found[1]["Id"] == "two"
    assert found[1]["X"] == {"y": [1]}
    assert found[2]["Retry"] == [1, 2]
    assert {each["Timeout"] for each in found} == {5}
    assert "ErrorMessage" not in found[4]
    assert parse(r.lindex(f"{queue_key}:resize", -1)).attempt == 1


def test_many_lines_are_many_tasks(config: Config, push_lines: Lines, r: "redis.Redis[bytes]", queue_key: str) -> None:
    lines = b"".join(b'["%d"]\n' % number for number in range(1234)) + b"rubbish\x1b\n" * 15

    status, out, errors = push_lines(config(), lines, "--delay", "1h")

    assert (status, out) == (FAILED, f"{queue_key}:resize: 1234 pushed, 15 refused\n")
    assert sum(error.startswith("goophry: line ") for error in errors) == 10
    assert errors[-1] == "goophry: and 5 more lines"
    assert "".join(errors).isprintable()
    assert r.zcard(keys.delayed(f"{queue_key}:resize")) == 1234
    assert push_lines(config(), b"\n")[0] == FAILED


# Waiting.


@pytest.fixture
def running(goophry: Start, script: Callable[..., Path], tmp_path: Path) -> Goophry:
    """Run a type whose script does what its first argument says; at `wait` it waits for a file."""
    body = (
        f'case $1 in\nfail) echo "no disk" >&2; exit 3;;\nwait) while [ ! -e {tmp_path}/go ]; do sleep 0.02; done;;\n'
        'say) printf "$2";;\nesac'
    )
    return goophry({"Type": "resize", "Script": str(script(body)), "Workers": 4, "FailOnOutput": False})


def test_wait_tells_by_its_status_what_became_of_the_task(
    running: Goophry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert do("-c", running.path, "push", "--wait", "resize", "say", "hello") == OK
    out = capsys.readouterr().out
    assert "\nOutcome:  success\n" in out
    assert "\nOutput:   hello\n" in out

    assert do("-c", running.path, "push", "--wait", "--json", "resize", "fail") == FAILED
    record = json.loads(capsys.readouterr().out)
    assert (record["Outcome"], record["ExitCode"], record["Error"]) == ("failed", 3, "exit status 3\n\nno disk")

    assert do("-c", running.path, "push", "--within", "0.3", "--id", "slow", "resize", "wait") == NOT_ENDED
    assert "slow has not ended within 0.3 s" in capsys.readouterr().err
    assert do("-c", running.path, "result", "slow") == NOT_ENDED
    assert "Status:   running" in capsys.readouterr().out
    assert do("-c", running.path, "result", "--within", "0.1s", "slow") == NOT_ENDED
    (tmp_path / "go").touch()
    assert do("-c", running.path, "result", "--wait", "slow") == OK
    assert do("-c", running.path, "push", "--wait", "--id", "slow", "resize") == FAILED
    assert "a task of the same Id" in capsys.readouterr().err


def test_a_task_that_leaves_no_result_can_be_waited_for(running: Goophry, capsys: pytest.CaptureFixture[str]) -> None:
    path = running.folder / "no-results.json"
    path.write_text(json.dumps(running.config | {"ResultTTL": 0}))
    running.path.write_text(path.read_text())
    running.stop()
    running.path.write_text(path.read_text())

    with Other(running) as other:
        for _ in range(5):
            assert do("-c", path, "push", "--wait", "resize", "say", "x") == OK
        assert other.poll() is None
    assert "Output:   x" in capsys.readouterr().out


class Other:
    """Another goophry with the same configuration file."""

    def __init__(self, first: Goophry) -> None:
        self._command = [sys.executable, "-m", "goophry", "-c", str(first.path)]

    def __enter__(self) -> "subprocess.Popen[bytes]":
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)


def test_waiting_outlives_an_outage_of_redis(
    goophry: Start, script: Callable[..., Path], own_redis: Callable[..., RedisServer], tmp_path: Path
) -> None:
    server = own_redis("--appendonly", "yes", "--appendfsync", "always")
    client = server.client()
    body = f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done"
    process = goophry({"Type": "resize", "Script": str(script(body))}, client=client, RedisAddress=server.address)
    command = [sys.executable, "-m", "goophry", "-c", str(process.path), "push", "--wait", "--id", "7", "resize"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiter:
        eventually(lambda: process.held("resize") == 1)
        server.stop()
        assert waiter.stderr is not None
        assert waiter.stderr.readline().startswith("goophry: Redis is out of reach, trying again: ")
        server.start()
        (tmp_path / "go").touch()
        out, err = waiter.communicate(timeout=60)

    assert waiter.returncode == OK, out + err
    assert "Outcome:  success" in out
    client.close()


def test_whoever_waits_where_nobody_serves_the_type_is_told(config: Config) -> None:
    done = run("-c", config(), "push", "--within", "0.1", "resize")

    assert done.returncode == NOT_ENDED
    assert "goophry: no instance serves resize now\n" in done.stderr
