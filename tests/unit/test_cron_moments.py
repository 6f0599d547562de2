"""When a cron expression fires, against a clock looked at step by step, and against Debian's rules."""

import os
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from slow_cron import ZERO, Expression, expressions, slow_between, unix

from goophry.cron import Cron, parse
from goophry.errors import InvalidCron

HOUR_S = 3600

#: Some hundreds of expressions for every run of the suite, many more when somebody has time.
often = settings(max_examples=5000 if os.environ.get("GOOPHRY_TEST_FULL") == "1" else 40)

#: Moments at which a zone's clock is put forward or back.
CHANGES = [
    ("Europe/Berlin", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-10-25T01:00"),
    ("America/New_York", "2026-03-08T07:00"),
    ("America/New_York", "2026-11-01T06:00"),
    ("Europe/Dublin", "2026-10-25T01:00"),  # where winter is the exception, and its saving negative
    ("Australia/Lord_Howe", "2026-04-04T15:00"),  # half an hour
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("Antarctica/Troll", "2026-03-29T01:00"),  # two hours
    ("Antarctica/Troll", "2026-10-25T01:00"),
    ("Pacific/Apia", "2011-12-30T10:00"),  # 30 December is left out
    ("Pacific/Apia", "2012-03-31T14:00"),
    ("Africa/Casablanca", "2026-02-15T02:00"),  # Ramadan
    ("Africa/Casablanca", "2026-03-22T02:00"),
    ("America/Sao_Paulo", "2018-11-04T03:00"),  # midnight does not exist
    ("America/Havana", "2026-11-01T05:00"),  # nor is it there only once
    ("Asia/Kathmandu", "1985-12-31T18:30"),  # a quarter of an hour
    ("UTC", "2024-02-28T12:00"),
]
changes = st.sampled_from(CHANGES)


@often
@given(expressions, changes, st.integers(-36, 12), st.integers(0, 59))
def test_minutes_come_as_the_clock_shows_them(
    expression: Expression, change: tuple[str, str], hours: int, minutes: int
) -> None:
    zone, since_s = ZoneInfo(change[0]), unix(change[1]) + hours * HOUR_S + minutes * 60
    expression = Expression(
        ZERO, expression.minute, expression.hour, expression.day, expression.month, expression.weekday
    )
    until_s = since_s + 30 * HOUR_S
    cron = parsed(expression.five, zone)

    assert list(cron.between(since_s, until_s)) == slow_between(expression, zone, since_s, until_s, step_s=60)


@often
@given(expressions, changes, st.integers(-4000, 2000))
def test_seconds_come_as_the_clock_shows_them(expression: Expression, change: tuple[str, str], seconds: int) -> None:
    zone, since_s = ZoneInfo(change[0]), unix(change[1]) + seconds
    assume(change[0] != "Pacific/Apia" or "2012" in change[1])  # 86,400 s at once: the test above has that day
    until_s = since_s + 3000
    cron = parsed(expression.six, zone)

    assert list(cron.between(since_s, until_s)) == slow_between(expression, zone, since_s, until_s, step_s=1)


@often
@given(expressions, st.sampled_from(["2023-12-30", "2027-02-20", "2095-01-01", "1999-12-31"]))
def test_days_come_as_in_the_calendar(expression: Expression, start: str) -> None:
    """Two years a time, the leap days of 2000, 2024, 2028 and 2096 among them."""
    cron = parsed(f"0 0 {' '.join(expression.five.split()[2:])}", UTC)
    day, end = datetime.fromisoformat(start), datetime.fromisoformat(start) + timedelta(days=2 * 365)
    expected = []
    while (day := day + timedelta(days=1)) <= end:
        if day.month in expression.month.numbers and expression.names_day(day):
            expected.append(unix(day.isoformat()))

    assert list(cron.between(unix(start), unix(end.isoformat()))) == expected


@often
@given(expressions, changes, st.integers(-36, 12))
def test_what_somebody_else_made_of_debians_rules_agrees(
    expression: Expression, change: tuple[str, str], hours: int
) -> None:
    """Left out is what cronsim knows otherwise: `n/step`, gaps at midnight, changes by less than an hour."""
    assume(change[0] not in {"America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"})
    steps = (item for part in expression.five.split() for item in part.split(",") if "/" in item)
    assume(all(item.startswith("*") or "-" in item for item in steps))
    zone, since = ZoneInfo(change[0]), datetime.fromtimestamp(unix(change[1]) + hours * HOUR_S, ZoneInfo(change[0]))
    assume(not since.fold)  # from within a repeated hour cronsim begins as if it were the first pass
    cron = parsed(expression.five, zone)
    theirs = CronSim(expression.five, since)

    moment_s: float | None = since.timestamp()
    for _ in range(20):
        moment_s = cron.next_after(moment_s)
        assert moment_s == int(next(theirs).timestamp())


def parsed(text: str, zone: tzinfo) -> Cron:
    """Parse; what never comes is no example."""
    try:
        return parse(text, zone)
    except InvalidCron as error:
        assume("will ever come" not in str(error))
        raise


def shown(text: str, zone: str, since: str, count: int) -> list[str]:
    cron, moment_s, found = parse(text, ZoneInfo(zone)), unix(since), []
    for _ in range(count):
        moment_s = cron.next_after(moment_s)
        found.append(datetime.fromtimestamp(moment_s, cron.zone).isoformat(timespec="minutes"))
    return found


@pytest.mark.parametrize(
    ("text", "since", "expected"),
    [
        # Fixed times: what does not exist is made up for behind the gap, once.
        ("30 2 * * *", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
        ("0,30 2 * * *", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
        ("0 2,3 * * *", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
        # What exists twice counts the first time.
        ("30 2 * * *", "2026-10-24T12:00", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        ("30 2 * * *", "2026-10-25T01:10", ["2026-10-26T02:30+01:00"]),
        (
            "0,30 2 * * *",
            "2026-10-24T12:00",
            ["2026-10-25T02:00+02:00", "2026-10-25T02:30+02:00", "2026-10-26T02:00+01:00"],
        ),
        ("0 2,3 * * *", "2026-10-24T12:00", ["2026-10-25T02:00+02:00", "2026-10-25T03:00+01:00"]),
        # Intervals go on as time does.
        ("*/30 * * * *", "2026-03-29T00:00", ["2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00"]),
        ("@hourly", "2026-10-24T23:30", ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"]),
        ("@hourly", "2026-03-28T23:30", ["2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00"]),
        ("*/30 2 * * *", "2026-03-28T12:00", ["2026-03-30T02:00+02:00"]),
        (
            "*/30 2 * * *",
            "2026-10-25T00:10",
            ["2026-10-25T02:30+02:00", "2026-10-25T02:00+01:00", "2026-10-25T02:30+01:00"],
        ),
    ],
)
def test_the_examples_of_the_documentation(text: str, since: str, expected: list[str]) -> None:
    assert shown(text, "Europe/Berlin", since, len(expected)) == expected


def test_a_day_that_is_left_out_is_made_up_for_when_the_next_begins() -> None:
    assert shown("0 3 * * *", "Pacific/Apia", "2011-12-29T14:00", 2) == [
        "2011-12-31T00:00+14:00",
        "2011-12-31T03:00+14:00",
    ]
    assert shown("*/20 * * * *", "Pacific/Apia", "2011-12-30T09:30", 2) == [
        "2011-12-29T23:40-10:00",
        "2011-12-31T00:00+14:00",
    ]


def test_a_leap_day_on_a_monday_is_found_across_a_century_without_one() -> None:
    cron = parse("0 0 29 2 */7", UTC)

    assert list(cron.between(unix("2070-01-01"), unix("2140-01-01"))) == [
        unix("2088-02-29"),
        unix("2128-02-29"),
    ]


def test_a_moment_is_never_its_own_successor() -> None:
    cron = parse("* * * * * *", UTC)

    assert cron.next_after(1000) == 1001
    assert cron.next_after(1000.999) == 1001
    assert list(cron.between(1000, 1003)) == [1001, 1002, 1003]
    assert list(cron.between(1003, 1000)) == []
