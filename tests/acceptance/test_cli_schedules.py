"""`goophry schedules`: what is listed, and a run out of turn."""

import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from acceptance.command_line import Config, do, run

from goophry import exit_codes
from goophry.record import TaskRecord
from goophry.store import keys

pytest_plugins = ("acceptance.command_fixtures",)

R = "redis.Redis[bytes]"
Cli = Callable[..., tuple[int, str, str]]

SCHEDULES = [
    {"Name": "nightly", "Cron": "0 3 * * *", "Timezone": "Asia/Kathmandu", "Type": "resize", "Args": ["--all"]},
    {"Name": "every hour", "Cron": "@hourly", "Type": "resize", "Overlap": "skip"},
]


@pytest.fixture
def cli(config: Config, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run `goophry schedules …` in this process; returns status, stdout and stderr."""

    def command(*words: str, **keys: object) -> tuple[int, str, str]:
        status = do("-c", config(**({"Schedules": SCHEDULES} | keys)), "schedules", *words)
        told = capsys.readouterr()
        return status, told.out, told.err

    return command


def remember(r: R, queue_key: str, name: str, moment: str, **record: object) -> None:
    entry_id = f"{name}@{moment}"
    ms = int(datetime.fromisoformat(moment).timestamp() * 1000)
    r.hset(keys.schedules(keys.queue(queue_key, "resize")), name, f"{ms} {entry_id}")
    if record:
        fields = {"id": entry_id, "type": "resize"} | record
        r.set(keys.result(queue_key, entry_id), TaskRecord(**fields).to_json())


def test_a_line_tells_of_the_last_run_its_result_and_the_next_by_the_schedules_clock(
    cli: Cli, r: R, queue_key: str
) -> None:
    remember(r, queue_key, "nightly", "2026-06-30T21:15:00Z", status="finished", outcome="success")

    status, out, err = cli()

    assert (status, err) == (exit_codes.OK, "")
    titles, nightly, hourly = out.splitlines()
    assert titles.split() == ["NAME", "CRON", "TIMEZONE", "TYPE", "LAST", "RESULT", "NEXT"]
    assert nightly.startswith("nightly  ")
    assert "  0 3 * * *  Asia/Kathmandu  resize  Wed 2026-07-01 03:00:00 +0545  success  " in nightly
    assert nightly.endswith(" 03:00:00 +0545")
    assert "  @hourly    UTC             resize  –  " in hourly


def test_json_is_for_programs(cli: Cli, r: R, queue_key: str) -> None:
    remember(r, queue_key, "nightly", "2026-06-30T21:15:00Z", status="running")

    status, out, _ = cli("--json")

    assert status == exit_codes.OK
    nightly, hourly = map(json.loads, out.splitlines())
    assert nightly.pop("Next") > time.time() - 5
    assert nightly == {
        "Name": "nightly",
        "Cron": "0 3 * * *",
        "Timezone": "Asia/Kathmandu",
        "Type": "resize",
        "Args": ["--all"],
        "CatchUp": 60,
        "Overlap": "allow",
        "Last": 1_782_854_100,
        "LastId": "nightly@2026-06-30T21:15:00Z",
        "LastResult": "running",
    }
    assert (hourly["Name"], hourly["Last"], hourly["LastId"], hourly["LastResult"]) == ("every hour", None, None, None)


def test_names_may_be_patterns(cli: Cli) -> None:
    assert [json.loads(line)["Name"] for line in cli("--json", "n*", "nightly")[1].splitlines()] == ["nightly"]


def test_what_is_no_schedule_is_told_with_those_that_are(cli: Cli) -> None:
    status, out, err = cli("other")

    assert (status, out) == (exit_codes.FAILED, "")
    assert err == "goophry: 'other' is no schedule; there are: nightly, every hour\n"
    assert cli("--run", "night*")[0] == exit_codes.FAILED
    assert cli(Schedules=[])[2] == "goophry: no schedules are configured\n"


def test_run_puts_its_task_into_the_queue_and_prints_the_id(cli: Cli, r: R, queue_key: str) -> None:
    remember(r, queue_key, "nightly", "2026-06-30T21:15:00Z")

    status, out, _ = cli("--run", "nightly")

    assert status == exit_codes.OK
    (entry,) = map(json.loads, r.lrange(f"{queue_key}:resize", 0, -1))
    assert (entry["Args"], f"{entry['Id']}\n") == (["--all"], out)
    noted = r.hget(keys.schedules(keys.queue(queue_key, "resize")), "nightly")
    assert noted == f"1782854100000 {entry['Id']}".encode()
    listed = json.loads(cli("--json", "nightly")[1])
    assert (listed["LastId"], listed["LastResult"]) == (entry["Id"], "waiting")
    assert abs(listed["Last"] - time.time()) < 60


def test_overlap_holds_for_a_run_out_of_turn_too(cli: Cli) -> None:
    first = cli("--run", "every hour")[1].strip()

    status, _, err = cli("--run", "every hour")

    assert status == exit_codes.FAILED
    assert err == f"goophry: every hour was not run, its run before is still there: {first}\n"


def test_rubbish_in_the_memory_counts_as_none(cli: Cli, r: R, queue_key: str) -> None:
    key = keys.schedules(keys.queue(queue_key, "resize"))
    r.hset(key, mapping={"nightly": "rubbish \xff@\x1b[31m", "every hour": b"1782854100000"})

    status, out, _ = cli()

    assert status == exit_codes.OK
    assert "\x1b" not in out
    r.delete(key)
    r.set(key, "x")
    assert cli()[0] == exit_codes.FAILED


def test_without_redis_it_says_so(config: Config, tmp_path: Path) -> None:
    done = run("-c", config(Schedules=SCHEDULES, RedisAddress="127.0.0.1:1"), "schedules")

    assert done.returncode == exit_codes.FAILED
    assert "Connection refused" in done.stderr
