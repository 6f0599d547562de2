"""What the configuration may say about schedules."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from configs import config, problems
from jsonschema import Draft202012Validator
from slow_cron import unix

from goophry.config import Schedule, json_schema
from goophry.retry import RetryPolicy

MINIMAL = {"Name": "nightly", "Cron": "0 3 * * *", "Type": "a"}


def schedule(tmp_path: Path, **keys: Any) -> Schedule:
    return config(tmp_path, {"Schedules": [MINIMAL | keys]}).schedules[0]


def test_defaults_are_those_documented(tmp_path: Path) -> None:
    assert schedule(tmp_path).model_dump() == {
        "name": "nightly",
        "cron": "0 3 * * *",
        "type": "a",
        "args": (),
        "timezone": "UTC",
        "catch_up": 60,
        "overlap": "allow",
        "env": {},
        "timeout": None,
        "retry": None,
    }


def test_everything_that_a_schedule_may_say(tmp_path: Path) -> None:
    said = schedule(
        tmp_path,
        Cron="@daily",
        Args=["--all", ""],
        Timezone="Europe/Berlin",
        CatchUp=86400,
        Overlap="skip",
        Env={"LEVEL": "9"},
        Timeout=0,
        Retry=[60, 600],
    )

    assert (said.args, said.catch_up, said.overlap, said.env) == (("--all", ""), 86400, "skip", {"LEVEL": "9"})
    assert (said.timeout, said.retry) == (0, RetryPolicy(delays_s=(60.0, 600.0)))


def test_cron_goes_by_the_time_zone(tmp_path: Path) -> None:
    berlin = schedule(tmp_path, Timezone="Europe/Berlin").moments()

    assert berlin.next_after(unix("2026-07-01")) == unix("2026-07-01T01:00")
    assert schedule(tmp_path).moments().next_after(unix("2026-07-01")) == unix("2026-07-01T03:00")


def test_schedules_come_from_the_environment_too(tmp_path: Path) -> None:
    variables = {"GOOPHRY_SCHEDULES": '[{"name":"x","cron":"@hourly","type":"a"}]'}

    (only,) = config(tmp_path, {"Schedules": [MINIMAL]}, environ=variables).schedules

    assert (only.name, only.cron) == ("x", "@hourly")


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"Name": None}, ".Name: missing, this key is required"),
        ({"Cron": None}, ".Cron: missing, this key is required"),
        ({"Type": None}, ".Type: missing, this key is required"),
        ({"Name": ""}, '.Name: expected text that is not empty, found ""'),
        (
            {"Name": "a\nb"},
            '.Name: expected at most 100 printable characters, no blank at either end, found "a\\nb"',
        ),
        (
            {"Name": " a"},
            '.Name: expected at most 100 printable characters, no blank at either end, found " a"',
        ),
        (
            {"Name": "x" * 101},
            f'.Name: expected at most 100 printable characters, no blank at either end, found "{"x" * 59}…',
        ),
        ({"Cron": "61 * * * *"}, ".Cron: minute: expected 0 to 59, found 61"),
        ({"Cron": "0 0 30 2 *"}, ".Cron: day of month and month: no such day will ever come"),
        ({"Cron": 5}, ".Cron: expected a string, found 5"),
        (
            {"Cron": "\x1b * * * *"},
            '.Cron: minute: expected 0 to 59, *, ranges, steps and lists of these, found "\ufffd"',
        ),
        ({"Type": "b"}, '.Type: "b" is the Type of none of the Tasks'),
        ({"Type": ""}, '.Type: expected text that is not empty, found ""'),
        (
            {"Timezone": "Europe/Paradise"},
            '.Timezone: expected the name of a time zone, as Europe/Berlin, found "Europe/Paradise"',
        ),
        ({"Timezone": "Europe"}, '.Timezone: expected the name of a time zone, as Europe/Berlin, found "Europe"'),
        (
            {"Timezone": "/etc/passwd"},
            '.Timezone: expected the name of a time zone, as Europe/Berlin, found "/etc/passwd"',
        ),
        ({"Timezone": "../UTC"}, '.Timezone: expected the name of a time zone, as Europe/Berlin, found "../UTC"'),
        ({"Timezone": ""}, '.Timezone: expected the name of a time zone, as Europe/Berlin, found ""'),
        ({"Args": "x"}, ".Args: expected an array, found a string"),
        ({"Args": ["x", 1]}, ".Args[1]: expected a string, found 1"),
        ({"Args": ["a\0"]}, '.Args[0]: expected text without a NUL character, found "a\\u0000"'),
        ({"CatchUp": -1}, ".CatchUp: expected 0 or more, found -1"),
        ({"CatchUp": "1h"}, '.CatchUp: expected a number, found "1h"'),
        ({"Overlap": "queue"}, '.Overlap: expected "allow" or "skip", found "queue"'),
        ({"Env": {"LD_PRELOAD": "x"}}, ".Env: LD_PRELOAD may not be set by an entry, it decides what code runs"),
        ({"Env": {"a b": "x"}}, ".Env: 'a b' is not a name that an environment variable may have"),
        ({"Timeout": -1}, ".Timeout: expected 0 or more, found -1"),
        ({"Retry": {"Times": -1}}, ".Retry: expected Times, a whole number between 0 and 1000000, found an object"),
        ({"Timezon": "UTC"}, ".Timezon: unknown key, did you mean Timezone?"),
    ],
)
def test_sentences_about_a_schedule(tmp_path: Path, keys: dict[str, Any], sentence: str) -> None:
    assert problems(tmp_path, {"Schedules": [MINIMAL | keys]}) == [f"Schedules[0]{sentence}"]


def test_a_name_may_be_there_once(tmp_path: Path) -> None:
    assert problems(tmp_path, {"Schedules": [MINIMAL, MINIMAL | {"Name": "b"}, MINIMAL]}) == [
        'Schedules[2].Name: "nightly" is the Name of Schedules[0] already'
    ]


def test_where_there_are_no_types_nothing_is_said_about_their_names(tmp_path: Path) -> None:
    assert problems(tmp_path, {"Schedules": [MINIMAL], "Tasks": []}) == [
        "Tasks: expected at least one task type, found []"
    ]


def test_a_machine_without_time_zones_says_what_to_do() -> None:
    """Debian's smallest images have none; UTC needs none."""
    code = """
import sys, zoneinfo
sys.modules["tzdata"] = None
zoneinfo.reset_tzpath(to=[])
from goophry.config import Schedule
Schedule(name="n", cron="@daily", type="a", timezone="UTC").moments()
try:
    Schedule(name="n", cron="@daily", type="a", timezone="Europe/Berlin")
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)

    assert "this machine knows no time zones but UTC; install tzdata" in done.stdout


def test_schema_knows_schedules() -> None:
    document = {"RedisQueueKey": "q", "Tasks": [{"Type": "a", "Script": "a"}], "Schedules": [MINIMAL]}
    schema = Draft202012Validator(json_schema())

    schema.validate(document)
    assert not schema.is_valid(document | {"Schedules": [{"Name": "x"}]})
    assert not schema.is_valid(document | {"Schedules": [MINIMAL | {"Overlap": "queue"}]})


def test_moments_of_the_smallest_schedule_are_those_of_utc() -> None:
    daily = Schedule(name="n", cron="@daily", type="a").moments()

    assert daily.next_after(datetime(2026, 3, 29, tzinfo=UTC).timestamp()) == unix("2026-03-30")
