"""`goophry failed …`: what is listed, shown, put back and deleted, and the statuses by which scripts know."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import redis
from acceptance.command_line import Config, do
from acceptance.tally import FULL
from acceptance.terminal import Screen
from conftest import eventually

from goophry import exit_codes
from goophry.entry import failed_entry, parse, unreadable_entry
from goophry.failed_entry import key_of
from goophry.record import TaskRecord
from goophry.store import keys

pytest_plugins = ("acceptance.command_fixtures", "acceptance.terminal_fixtures")

OK, FAILED, USAGE = exit_codes.OK, exit_codes.FAILED, exit_codes.USAGE

#: Failed entries of which the retry is killed in the middle.
MANY = 100_000 if FULL else 9_000

EVIL = "a\x1b[31mred\u202e\x07\nType: none\x9b"


def pushed(*args: str, **fields: object) -> bytes:
    return json.dumps({"Args": args, **fields}, separators=(",", ":"), ensure_ascii=False).encode()


def failed(*args: str, message: str = "exit status 3\n\nno disk", **fields: object) -> bytes:
    return failed_entry(parse(pushed(*args, **fields)), message, b"")


RECORD = unreadable_entry(b"rub\nbish\x1b", "parseQueueTask(): not JSON")


@pytest.fixture
def q(queue_key: str) -> str:
    return f"{queue_key}:resize"


@pytest.fixture
def cli(config: Config, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `goophry failed …` in this process; returns status, stdout and stderr."""
    path = config(Tasks=[{"Type": name, "Script": "/bin/true"} for name in ("resize", "mail")])

    def failed_command(*words: str) -> tuple[int, str, str]:
        status = do("-c", path, "failed", *words)
        told = capsys.readouterr()
        return status, told.out, told.err

    return failed_command


Cli = Callable[..., tuple[int, str, str]]


def test_it_lists_the_newest_first_with_key_outcome_message_and_arguments(
    cli: Cli, r: "redis.Redis[bytes]", q: str
) -> None:
    entries = [failed("1.png"), failed("2.png", message="timed out after 60 s"), RECORD]
    r.rpush(f"{q}:failed", *entries)

    status, out, _ = cli("ls", "resize")

    assert status == OK
    keys_ = [key_of(raw) for raw in entries]
    assert out.splitlines() == [
        f"{keys_[2]}  invalid       parseQueueTask(): not JSON  rub\\nbish\\x1b",
        f'{keys_[1]}  timeout       timed out after 60 s  "2.png"',
        f'{keys_[0]}  failed        exit status 3  "1.png"',
    ]
    assert cli("ls", "--limit", "1")[1].splitlines() == [f"resize  {out.splitlines()[0]}"]
    assert cli("ls", "res*", "--outcome", "timeout", "--outcome", "failed")[1].splitlines() == out.splitlines()[1:]
    assert cli("ls", "--match", "2.PNG", "resize")[1].splitlines() == out.splitlines()[1:2]
    assert cli("ls", "resize", "--regex", r"^[13]\.png$")[1].splitlines() == out.splitlines()[2:]


def test_nothing_found_is_status_1(cli: Cli, r: "redis.Redis[bytes]", q: str) -> None:
    assert cli("ls") == (FAILED, "", "goophry: nothing has failed\n")
    r.rpush(f"{q}:failed", failed("1"))
    assert cli("ls", "--match", "2") == (FAILED, "", "goophry: no such failed entry\n")
    assert cli("ls", "mail")[0] == FAILED
    assert cli("show", "resize", "0123456789abcdef")[0] == FAILED
    assert cli("retry", "resize", "0123456789abcdef")[:2] == (FAILED, f"{q}: 0 put back\n")
    assert cli("rm", "mail", "--all")[0] == FAILED
    assert cli("rm", "none", "--all")[2] == "goophry: 'none' is no task type; there are: resize, mail\n"


def test_a_type_that_is_configured_nowhere_any_more_can_be_cleared_up(
    cli: Cli, r: "redis.Redis[bytes]", q: str
) -> None:
    old = q.replace("resize", "old")
    r.rpush(f"{old}:failed", failed("1"))

    assert cli("retry", "old", "--all")[:2] == (OK, f"{old}: 1 put back\n")
    assert r.lrange(old, 0, -1) == [pushed("1")]


@pytest.mark.parametrize(
    "words",
    [
        ("retry", "resize"),
        ("rm", "resize"),
        ("rm", "resize", "--all", "--match", "x"),
        ("rm", "resize", "0123", "--all"),
        ("show", "resize"),
        ("retry", "resize", "--all", "--as", "/dev/null"),
        ("retry", "resize", "0123", "4567", "--as", "/dev/null"),
        ("ls", "--regex", "("),
        ("ls", "--outcome", "sad"),
        ("ls", "--older", "soon"),
        ("ls", "--limit", "-1"),
        ("frob",),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage_and_nothing_is_done(
    cli: Cli, r: "redis.Redis[bytes]", q: str, words: tuple[str, ...]
) -> None:
    r.rpush(f"{q}:failed", failed("1"))

    assert cli(*words)[0] == USAGE
    assert r.lrange(f"{q}:failed", 0, -1) == [failed("1")]


def test_hostile_text_commands_no_terminal_and_forges_no_line(cli: Cli, r: "redis.Redis[bytes]", q: str) -> None:
    raw = failed(EVIL, "x" * 1_000_000, message=EVIL, Id=EVIL)
    r.rpush(f"{q}:failed", raw)

    for words in (
        ("ls",),
        ("ls", "--json"),
        ("show", "resize", key_of(raw)),
        ("show", "resize", key_of(raw), "--json"),
    ):
        status, out, err = cli(*words)
        assert status == OK
        assert (out + err).replace("\n", "").isprintable()
        assert "\nType: none" not in out
    assert len(cli("ls")[1]) < 1000
    assert len(cli("show", "resize", key_of(raw))[1]) < 50_000


def test_everything_about_an_entry_is_shown(cli: Cli, r: "redis.Redis[bytes]", q: str) -> None:
    raw = failed("1.png", "two\nlines", Id="order-7")
    r.rpush(f"{q}:failed", raw, RECORD)

    assert cli("show", "resize", key_of(raw)[:6])[1] == (
        f"Key:       {key_of(raw)}\nType:      resize\nOutcome:   failed\nId:        order-7\n"
        "Args[0]:   1.png\nArgs[1]:   two\n           lines\n"
        "Message:   exit status 3\n           \n           no disk\n\n"
    )
    out = cli("show", "resize", key_of(RECORD))[1]
    assert "Text:      rub\n           bish\\x1b\n" in out
    assert "Cannot be run: not JSON" in out
    told = json.loads(cli("show", "resize", key_of(RECORD), "--json")[1])
    assert told == {
        "Type": "resize",
        "Key": key_of(RECORD),
        "Outcome": "invalid",
        "Id": None,
        "Args": [],
        "ErrorMessage": "parseQueueTask(): not JSON",
        "Entry": "rub\nbish\x1b",
        "Problem": told["Problem"],
    }


def test_the_age_is_known_while_the_result_is_kept(cli: Cli, r: "redis.Redis[bytes]", queue_key: str, q: str) -> None:
    r.rpush(f"{q}:failed", failed("old", Id="1"), failed("new", Id="2"), failed("none"), failed("forgotten", Id="3"))
    for entry_id, age_s in (("1", 7200), ("2", 30)):
        record = TaskRecord(entry_id, "resize", "finished", finished=time.time() - age_s)
        r.set(keys.result(queue_key, entry_id), record.to_json())

    assert [line.split("failed")[1].split("  exit")[0].strip() for line in cli("ls")[1].splitlines()] == [
        "", "", "30 s ago", "2 h ago",
    ]  # fmt: skip
    assert '"old"' in cli("ls", "--older", "1h30m")[1]
    assert cli("rm", "resize", "--newer", "1h30m")[:2] == (OK, f"{q}: 1 deleted\n")
    assert r.llen(f"{q}:failed") == 3
    assert json.loads(cli("ls", "--match", "old", "--json")[1])["Age"] == pytest.approx(7200, abs=60)


def test_entries_go_back_by_key_by_filter_and_all(cli: Cli, r: "redis.Redis[bytes]", q: str) -> None:
    entries = [failed(str(number)) for number in range(10)]
    r.rpush(f"{q}:failed", *entries)
    r.rpush(f"{q.replace('resize', 'mail')}:failed", failed("m"))

    assert cli("retry", "resize", key_of(entries[3]), key_of(entries[5])[:8])[:2] == (OK, f"{q}: 2 put back\n")
    assert cli("retry", "resize", "--regex", "^[0-2]$")[:2] == (OK, f"{q}: 3 put back\n")
    assert r.lrange(q, 0, -1) == [pushed(number) for number in "35012"]
    assert cli("rm", "resize", key_of(entries[9]))[:2] == (OK, f"{q}: 1 deleted\n")
    assert cli("rm", "resize", "--match", "8")[:2] == (OK, f"{q}: 1 deleted\n")
    assert cli("retry", "*", "--all")[:2] == (OK, f"{q}: 3 put back\n{q.replace('resize', 'mail')}: 1 put back\n")
    assert r.lrange(q, 5, -1) == [pushed(number) for number in "467"]
    assert not r.exists(f"{q}:failed")


def test_what_cannot_be_run_stays_and_is_told_until_it_is_mended(
    cli: Cli, r: "redis.Redis[bytes]", q: str, tmp_path: Path
) -> None:
    r.rpush(f"{q}:failed", RECORD, failed("1"))
    key = key_of(RECORD)

    status, out, err = cli("retry", "resize", "--all")
    assert (status, out) == (FAILED, f"{q}: 1 put back\n")
    assert err.startswith(f"goophry: {key} stays, it cannot be run: not JSON")
    assert cli("retry", "resize", key)[0] == FAILED
    mended = tmp_path / "mended.json"
    mended.write_text('{"Args":["rubbish"]}\n')
    assert cli("retry", "resize", key, "--as", str(mended))[:2] == (OK, f"{q}: 1 put back\n")
    assert r.lrange(q, 0, -1) == [pushed("1"), b'{"Args":["rubbish"]}']


def test_an_entry_can_be_taken_out_mended_and_put_back_through_pipes(
    config: Config, r: "redis.Redis[bytes]", q: str
) -> None:
    exact = unreadable_entry(b'{"Args":[\xff]}', "parseQueueTask(): not JSON")
    r.rpush(f"{q}:failed", exact)
    goophry = [sys.executable, "-m", "goophry", "-c", str(config()), "failed"]
    key = key_of(exact)

    shown = subprocess.run([*goophry, "show", "--raw", "resize", key], capture_output=True, check=True, timeout=60)
    assert shown.stdout == b'{"Args":[\xff]}\n'
    done = subprocess.run(
        [*goophry, "retry", "resize", key, "--as", "-"], input=b'{"Args":["\xff"]}\n', check=False, timeout=60
    )
    assert done.returncode == OK
    assert r.lrange(q, 0, -1) == [b'{"Args":["\xff"]}']


def test_a_reader_that_goes_away_is_no_trouble(config: Config, r: "redis.Redis[bytes]", q: str) -> None:
    r.rpush(f"{q}:failed", *[failed("x" * 200 + str(number)) for number in range(2000)])
    command = f"{sys.executable} -m goophry -c {config()} failed ls resize --limit 0 | head -1"

    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_on_a_terminal_a_bar_shows_how_far_it_is(
    config: Config, r: "redis.Redis[bytes]", q: str, screen: Callable[..., Screen]
) -> None:
    r.rpush(f"{q}:failed", *[failed(str(number)) for number in range(3000)])

    terminal = screen("-c", config(), "failed", "retry", "resize", "--all")

    eventually(terminal.ended)
    assert terminal.process.returncode == OK
    assert terminal.shows("/3000"), terminal.seen
    assert terminal.shows(f"{q}: 3000 put back")


@pytest.mark.timeout(600)
def test_a_retry_of_many_that_is_killed_in_the_middle_loses_and_doubles_nothing(
    config: Config, r: "redis.Redis[bytes]", q: str
) -> None:
    path = config()
    names = [f"{number:06d}" for number in range(MANY)]
    for start in range(0, MANY, 10_000):
        r.rpush(f"{q}:failed", *[failed(name) for name in names[start : start + 10_000]])
    # Killed when it has done a third, twice; then left alone.
    for kill in (True, True, False):
        before = r.llen(q)
        process = subprocess.Popen([sys.executable, "-m", "goophry", "-c", path, "failed", "retry", "resize", "--all"])
        if kill:
            eventually(partial(has_reached, r, q, before + MANY // 3), within=300, every=0.001)
            process.send_signal(signal.SIGKILL)
        assert process.wait(300) == (-signal.SIGKILL if kill else OK)

        found = Counter(r.lrange(q, 0, -1))
        assert bool(r.exists(f"{q}:failed")) == kill, "killed too late to show anything"
        found.update(pushed(json.loads(raw)["Args"][0]) for raw in r.lrange(f"{q}:failed", 0, -1))
        assert found == Counter(map(pushed, names))

    assert r.lrange(q, 0, -1) == list(map(pushed, names))


def has_reached(client: "redis.Redis[bytes]", queue: str, length: int) -> bool:
    return client.llen(queue) >= length
