"""`goophry result`, `cancel`, `pause`, `resume` and `delayed …`, over running instances and over Redis alone."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from acceptance.command_line import Config, do, run
from acceptance.goophry_process import Goophry
from conftest import eventually

from goophry import exit_codes
from goophry.failed_entry import key_of
from goophry.record import TaskRecord
from goophry.store import keys

pytest_plugins = ("acceptance.command_fixtures", "acceptance.fixtures")

Start = Callable[..., Goophry]
OK, FAILED, USAGE, NOT_ENDED = exit_codes.OK, exit_codes.FAILED, exit_codes.USAGE, exit_codes.NOT_ENDED
EVIL = "\x1b[2J\x9b\nOutcome: success\u202e"


@pytest.fixture
def cli(config: Config, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; returns status, stdout and stderr."""
    path = config(Tasks=[{"Type": name, "Script": "/bin/true"} for name in ("resize", "mail")])

    def command(*words: str) -> tuple[int, str, str]:
        status = do("-c", path, *words)
        told = capsys.readouterr()
        return status, told.out, told.err

    return command


Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def q(queue_key: str) -> str:
    return f"{queue_key}:resize"


def test_a_result_is_shown_safely_and_written_exactly(
    cli: Cli, config: Config, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    now = time.time()
    record = TaskRecord(
        EVIL, "resize", "finished", "failed", 3, None, EVIL, EVIL, EVIL, 2, 0, now - 600, None, now - 300, now - 200, "i", "r"
    )  # fmt: skip
    r.set(keys.result(queue_key, EVIL), record.to_json())

    status, out, _ = cli("result", EVIL)
    assert status == FAILED
    assert out.replace("\n", "").isprintable()
    assert "\nOutcome:  failed\n" in out
    assert "\nOutcome: success" not in out
    assert "Took:     100 s" in out
    assert "Enqueued: 10 min ago" in out
    assert json.loads(cli("result", EVIL, "--json")[1]) == json.loads(record.to_json())
    done = run("-c", config(), "result", "--output", EVIL)
    assert (done.returncode, done.stdout) == (FAILED, EVIL)


def test_a_task_of_which_nothing_is_known_is_status_1(cli: Cli) -> None:
    assert cli("result", "none") == (FAILED, "", "goophry: nothing is known of a task none\n")
    assert cli("result", "none", "--wait")[0] == FAILED
    assert cli("cancel", "none") == (FAILED, "", "goophry: none: there is no such task\n")


def test_a_task_is_cancelled_wherever_it_is(
    goophry: Start, script: Callable[..., Path], capsys: pytest.CaptureFixture[str], r: "redis.Redis[bytes]"
) -> None:
    process = goophry({"Type": "resize", "Script": str(script("sleep 600"))})
    for words in (("--id", "running"), ("--id", "waiting"), ("--id", "delayed", "--delay", "1h")):
        assert do("-c", process.path, "push", *words, "resize") == OK
    eventually(lambda: process.held("resize") == 1)
    capsys.readouterr()

    assert do("-c", process.path, "cancel", "waiting", "delayed", "running", "none") == FAILED
    told = capsys.readouterr()
    assert told.out == (
        "waiting: taken out before it began\ndelayed: taken out before it began\n"
        "running: its instance was told to end it\n"
    )
    assert told.err == "goophry: none: there is no such task\n"
    assert do("-c", process.path, "result", "--wait", "running") == FAILED
    assert "Outcome:  cancelled" in capsys.readouterr().out
    assert do("-c", process.path, "cancel", "running") == FAILED
    assert "it has ended already" in capsys.readouterr().err
    assert do("-c", process.path, "result", "waiting") == FAILED
    assert not process.waiting("resize")
    assert not r.exists(keys.delayed(process.queue("resize")))


def test_a_paused_type_is_not_run_until_it_is_resumed(
    goophry: Start, script: Callable[..., Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tasks = [
        {"Type": name, "Script": str(script(f"touch {tmp_path}/{name}"))} for name in ("mail-a", "mail-b", "resize")
    ]
    process = goophry(*tasks)
    key = process.queue_key

    assert do("-c", process.path, "pause", "mail-*") == OK
    assert capsys.readouterr().out == f"{key}:mail-a: paused\n{key}:mail-b: paused\n"
    assert do("-c", process.path, "pause", "mail-a") == OK, "it is as was asked"
    process.wait_event("type.paused", type="mail-a")
    process.push("mail-a")
    process.push("resize")
    eventually((tmp_path / "resize").exists)
    assert process.waiting("mail-a")
    capsys.readouterr()
    assert do("-c", process.path, "status") == OK
    assert "mail-a paused" in capsys.readouterr().out

    assert do("-c", process.path, "resume", "mail-*", "resize") == OK
    assert capsys.readouterr().out == f"{key}:mail-a: resumed\n{key}:mail-b: resumed\n{key}:resize: not paused\n"
    eventually((tmp_path / "mail-a").exists)


def test_what_is_paused_and_configured_nowhere_any_more_can_be_resumed(
    cli: Cli, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    r.sadd(keys.paused(queue_key), "old")

    assert cli("pause", "none")[0] == FAILED
    assert cli("resume", "old")[:2] == (OK, f"{queue_key}:old: resumed\n")
    assert not r.exists(keys.paused(queue_key))
    assert cli("pause")[0] == USAGE


# delayed


def put_off(r: "redis.Redis[bytes]", q: str, **due_in_s: float) -> dict[str, bytes]:
    """Put tasks off, as producers' entries are; returns them by name."""
    now = time.time()
    entries = {name: json.dumps({"Args": [name], "Id": f"id-{name}"}).encode() for name in due_in_s}
    r.zadd(keys.delayed(q), {entries[name]: int((now + seconds) * 1000) for name, seconds in due_in_s.items()})
    r.hset(keys.ids(q), mapping={f"id-{name}": 1 for name in entries})
    return entries


def test_what_is_put_off_is_listed_the_next_due_first(cli: Cli, r: "redis.Redis[bytes]", q: str) -> None:
    assert cli("delayed", "ls") == (FAILED, "", "goophry: nothing is delayed\n")
    entries = put_off(r, q, later=7300, soon=95, due=-5)
    r.zadd(keys.delayed(q), {(rubbish := EVIL.encode()): (time.time() + 200_000) * 1000})

    status, out, _ = cli("delayed", "ls", "resize")

    assert status == OK
    shown = [line.split("  ") for line in out.splitlines()]
    assert [(line[0], line[1].strip()) for line in shown] == [
        (key_of(entries["due"]), "due"),
        (key_of(entries["soon"]), shown[1][1].strip()),
        (key_of(entries["later"]), "in 2 h"),
        (key_of(rubbish), "in 2 d"),
    ]
    assert shown[1][1].startswith("in 9")
    assert '[id-soon] "soon"' in out
    assert out.replace("\n", "").isprintable()
    assert cli("delayed", "ls", "--limit", "1")[1].splitlines() == ["resize  " + out.splitlines()[0]]
    assert json.loads(cli("delayed", "ls", "--match", "LATER", "--json")[1])["Id"] == "id-later"
    assert "Problem" in json.loads(cli("delayed", "ls", "--regex", "^Outcome", "--json")[1])
    assert cli("delayed", "ls", "--match", "never") == (FAILED, "", "goophry: no such delayed entry\n")


def test_what_is_put_off_runs_now_on_request(cli: Cli, r: "redis.Redis[bytes]", q: str) -> None:
    entries = put_off(r, q, a=100, b=200, c=300, d=400)

    assert cli("delayed", "now", "resize", key_of(entries["c"])[:8])[:2] == (OK, f"{q}: 1 put into the queue\n")
    assert cli("delayed", "now", "resize", "--regex", "^[ad]$")[:2] == (OK, f"{q}: 2 put into the queue\n")
    assert r.lrange(q, 0, -1) == [entries[name] for name in "cad"]
    assert cli("delayed", "now", "resize", key_of(entries["a"]))[0] == FAILED
    assert cli("delayed", "now", "*", "--all")[:2] == (OK, f"{q}: 1 put into the queue\n")
    assert cli("delayed", "now", "*", "--all")[0] == FAILED
    assert cli("delayed", "now", "resize")[0] == USAGE


def test_what_is_put_off_can_be_cancelled_and_whoever_waits_hears_of_it(
    cli: Cli, r: "redis.Redis[bytes]", q: str, queue_key: str
) -> None:
    entries = put_off(r, q, a=100, b=200)
    plain, rubbish = b'{"Args":["plain"]}', b"rubbish"
    r.zadd(keys.delayed(q), {plain: 10**13, rubbish: 10**13})
    with r.pubsub() as ears:
        ears.subscribe(keys.done(queue_key, "id-a"))
        ears.get_message(timeout=5)
        assert cli("delayed", "rm", "resize", key_of(entries["a"]))[:2] == (OK, f"{q}: 1 cancelled\n")
        assert b"cancelled" in ears.get_message(timeout=5)["data"]

    assert cli("result", "id-a")[0] == FAILED
    assert cli("delayed", "rm", "resize", "--all")[:2] == (OK, f"{q}: 3 cancelled\n")
    assert not r.exists(keys.delayed(q), keys.ids(q), q)
