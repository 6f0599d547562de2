"""What the dialects of cron take and what they refuse, in which words."""

from collections.abc import Collection
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from slow_cron import Expression, Part, expressions, numbers, poulpe_weekdays, slow_between, unix

from goophry.cron import parse, parse_poulpe
from goophry.errors import InvalidCron

MONDAY = unix("2026-06-01")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@Daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        (" @hourly ", "0 * * * *"),
        ("0 5 * * * *", "5 * * * *"),
        ("\t5   4 * * *\n", "5 4 * * *"),
        ("0 0 * * 7", "0 0 * * sun"),
        ("0 0 * * 5-7", "0 0 * * fri,sat,sun"),
        ("0 0 * * fri-mon", "0 0 * * 5,6,0,1"),
        ("0 0 * * sat-sun", "0 0 * * 0,6"),
        ("0 0 * * 0-7", "0 0 * * *"),
        ("0 0 * * sun-sat", "0 0 * * *"),
        ("0 0 * * fri-tue/2", "0 0 * * fri,sun,tue"),
        ("0 0 * * 1/2", "0 0 * * mon,wed,fri,sun"),
        ("0 0 * * Tuesday,THURS,Tues", "0 0 * * 2,4"),
        ("0 0 1 january-mar,December *", "0 0 1 1,2,3,12 *"),
        ("0 0 1 FEB/3 *", "0 0 1 2,5,8,11 *"),
        ("3-3/5 0 * * *", "3 0 * * *"),
        ("07 08 09 010 *", "7 8 9 10 *"),
        ("0 0 ? * mon", "0 0 * * mon"),
        ("0 0 13 * ?", "0 0 13 * *"),
        ("*/60 0 * * *", "0 0 * * *"),
        ("0-59/1 * * * *", "* * * * *"),
    ],
)
def test_two_ways_to_say_the_same(text: str, same: str) -> None:
    one, other = parse(text, UTC), parse(same, UTC)

    assert one.calendar == other.calendar


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("0 0 L * *", ["2026-06-30", "2026-07-31", "2026-08-31"]),
        ("0 0 L 2 *", ["2027-02-28", "2028-02-29", "2029-02-28"]),
        ("0 0 15,L * *", ["2026-06-15", "2026-06-30", "2026-07-15"]),
        ("0 0 * * friL", ["2026-06-26", "2026-07-31", "2026-08-28"]),
        ("0 0 * * 0l", ["2026-06-28", "2026-07-26", "2026-08-30"]),
        ("0 0 * * mon#1", ["2026-07-06", "2026-08-03", "2026-09-07"]),
        ("0 0 * * 7#5", ["2026-08-30", "2026-11-29", "2027-01-31"]),
        ("0 0 * * wed#2,satL", ["2026-06-10", "2026-06-27", "2026-07-08"]),
        ("0 0 * * wed#2,thu", ["2026-06-04", "2026-06-10", "2026-06-11"]),
        ("0 0 1 * friL", ["2026-06-26", "2026-07-01", "2026-07-31"]),
        # One star, and a day must fit both; none, and one is enough.
        ("0 0 13 * fri", ["2026-06-05", "2026-06-12", "2026-06-13"]),
        ("0 0 */5 * mon", ["2026-07-06", "2026-08-31", "2026-09-21"]),
        ("0 0 1-7 * */7", ["2026-06-07", "2026-07-05", "2026-08-02"]),
    ],
)
def test_days(text: str, dates: list[str]) -> None:
    moments = parse(text, UTC).between(MONDAY, unix("2030-01-01"))

    assert [datetime.fromtimestamp(next(moments), UTC).date().isoformat() for _ in dates] == dates


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "* * * *",
            "expected 5 fields (minute, hour, day of month, month, day of week), or 6 with the second first, found 4",
        ),
        (
            "0 0 * * * * 2026",
            "expected 5 fields (minute, hour, day of month, month, day of week), or 6 with the second first, found 7",
        ),
        ("", "expected 5 fields (minute, hour, day of month, month, day of week), or 6 with the second first, found 0"),
        ("@reboot", "@reboot is not supported, a fleet of instances has no single start"),
        (
            "@every 5m",
            'expected fields, or one of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly, found "@every 5m"',
        ),
        ("60 * * * * *", "second: expected 0 to 59, found 60"),
        ("61 * * * *", "minute: expected 0 to 59, found 61"),
        ("* 24 * * *", "hour: expected 0 to 23, found 24"),
        ("* * 0 * *", "day of month: expected 1 to 31, found 0"),
        ("* * * 13 *", "month: expected 1 to 12, found 13"),
        ("* * * * 8", "day of week: expected 0 to 7, found 8"),
        ("1-99 * * * *", "minute: expected 0 to 59, found 99"),
        ("x * * * *", 'minute: expected 0 to 59, *, ranges, steps and lists of these, found "x"'),
        ("1,,2 * * * *", 'minute: expected 0 to 59, *, ranges, steps and lists of these, found ""'),
        ("-1 * * * *", 'minute: expected 0 to 59, *, ranges, steps and lists of these, found "-1"'),
        ("1- * * * *", 'minute: expected 0 to 59, *, ranges, steps and lists of these, found "1-"'),
        ("1-2-3 * * * *", 'minute: expected 0 to 59, *, ranges, steps and lists of these, found "1-2-3"'),
        ("*-5 * * * *", 'minute: expected 0 to 59, *, ranges, steps and lists of these, found "*-5"'),
        ("** * * * *", 'minute: expected 0 to 59, *, ranges, steps and lists of these, found "**"'),
        ("? * * * *", 'minute: expected 0 to 59, *, ranges, steps and lists of these, found "?"'),
        ("٣ * * * *", 'minute: expected 0 to 59, *, ranges, steps and lists of these, found "٣"'),
        ("1.5 * * * *", 'minute: expected 0 to 59, *, ranges, steps and lists of these, found "1.5"'),
        ("* mon * * *", 'hour: expected 0 to 23, *, ranges, steps and lists of these, found "mon"'),
        ("* * * mon *", 'month: expected 1 to 12 or a name, *, ranges, steps and lists of these, found "mon"'),
        ("* * ?/2 * *", 'day of month: expected 1 to 31, *, ranges, steps and lists of these, found "?/2"'),
        ("* * L-3 * *", 'day of month: expected 1 to 31, *, ranges, steps and lists of these, found "L-3"'),
        ("H * * * *", 'minute: expected 0 to 59, *, ranges, steps and lists of these, found "H"'),
        ("* * * L *", 'month: expected 1 to 12 or a name, *, ranges, steps and lists of these, found "L"'),
        ("*/0 * * * *", 'minute: expected a step of 1 or more after the /, found "0"'),
        ("*/ * * * *", 'minute: expected a step of 1 or more after the /, found ""'),
        ("*/2/3 * * * *", 'minute: expected a step of 1 or more after the /, found "2/3"'),
        ("*/90 * * * *", "minute: a step of 90 leaves its range, 0 to 59; it would begin anew each time"),
        ("* 22-2 * * *", "hour: the range 22-2 runs backwards"),
        ("* * * nov-feb *", "month: the range nov-feb runs backwards"),
        ("* * 15W * *", "day of month: W, the weekday nearest to a date, is not supported"),
        ("* * LW * *", "day of month: W, the weekday nearest to a date, is not supported"),
        ("* * * * w", "day of week: W, the weekday nearest to a date, is not supported"),
        (
            "* * * * L",
            'day of week: expected a day and which one, fri#1 to fri#5 or friL for the last, found "L"',
        ),
        (
            "* * * * fri#6",
            'day of week: expected a day and which one, fri#1 to fri#5 or friL for the last, found "fri#6"',
        ),
        (
            "* * * * #1",
            'day of week: expected a day and which one, fri#1 to fri#5 or friL for the last, found "#1"',
        ),
        (
            "* * * * xL",
            'day of week: expected 0 to 7 or a name, *, ranges, steps and lists of these, found "xL"',
        ),
        ("* * 30 2 *", "day of month and month: no such day will ever come"),
        ("* * 31 4,jun,9,11 *", "day of month and month: no such day will ever come"),
        ("* * 1-7/7 * */1,mon#2", None),
        ("* * */31 * mon#2", "day of month and month: no such day will ever come"),
    ],
)
def test_what_cannot_be_is_told_with_the_name_of_the_field(text: str, sentence: str | None) -> None:
    if sentence is None:
        parse(text, UTC)
        return
    with pytest.raises(InvalidCron) as caught:
        parse(text, UTC)

    assert str(caught.value) == sentence


@given(st.text(alphabet="0123456789*/,-?LW#@ monfri", max_size=30))
def test_whatever_is_written_is_understood_or_refused(text: str) -> None:
    try:
        cron = parse(text, UTC)
    except InvalidCron:
        return

    assert cron.next_after(MONDAY) is not None


POULPE_YEARS = st.sampled_from([("*", range(1970, 2101)), ("2026", [2026]), ("2025/1", range(2025, 2101))])


@settings(max_examples=40)
@given(
    expressions,
    poulpe_weekdays(),
    numbers(1, 31),
    POULPE_YEARS,
    st.sampled_from(["2026-03-29T00:30", "2026-10-25T00:30", "2025-12-31T22:30", "2026-12-31T22:30"]),
)
def test_poulpes_seven_fields(
    expression: Expression, weekday: Part, day: Part, years: tuple[str, Collection[int]], since: str
) -> None:
    """1 is Sunday, days must fit both ways, and the year is the last."""
    named = Expression(
        expression.second, expression.minute, expression.hour, day, expression.month, weekday, both_days=True
    )
    zone, since_s = ZoneInfo("Europe/Berlin"), unix(since)
    try:
        cron = parse_poulpe(f"{named.six} {years[0]}", zone)
    except InvalidCron as error:
        assume("will ever come" not in str(error))
        raise
    slow = slow_between(named, zone, since_s, since_s + 3000, step_s=1)

    assert list(cron.between(since_s, since_s + 3000)) == [
        moment_s for moment_s in slow if datetime.fromtimestamp(moment_s, zone).year in years[1]
    ]


@pytest.mark.parametrize(
    ("text", "moments"),
    [
        ("0/30 * * * * * *", ["2026-06-01T00:00:30", "2026-06-01T00:01:00"]),
        ("0 15 3 * * Mon-Fri *", ["2026-06-01T03:15:00", "2026-06-02T03:15:00"]),
        ("0 0 12 13 * 6 *", ["2026-11-13T12:00:00", "2027-08-13T12:00:00"]),
        ("0 0 0 1 1 ? 2030", ["2030-01-01T00:00:00"]),
        ("0 0 0 1 January thurs 1970-2100", ["2032-01-01T00:00:00", "2037-01-01T00:00:00"]),
        ("0 0 0 * * 7,SUNDAY *", ["2026-06-06T00:00:00", "2026-06-07T00:00:00"]),
        ("*/20 0 0 1-31/31 * * *", ["2026-06-01T00:00:20", "2026-06-01T00:00:40"]),
        ("0/100 0 0 1 * * *", ["2026-07-01T00:00:00", "2026-08-01T00:00:00"]),
        ("0 0 0 1 6 * 2026", []),
    ],
)
def test_poulpes_examples(text: str, moments: list[str]) -> None:
    cron, found, moment_s = parse_poulpe(text, UTC), [], MONDAY
    for _ in range(2):
        moment_s = cron.next_after(moment_s)
        if moment_s is None:
            break
        found.append(datetime.fromtimestamp(moment_s, UTC).replace(tzinfo=None).isoformat())

    assert found == moments


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0 0 0 * * *", "expected 7 fields, the second first and the year last, found 6"),
        ("0 0 0 * * 0 *", "day of week: expected 1 to 7, found 0"),
        ("0 0 0 * * * 1969", "year: expected 1970 to 2100, found 1969"),
        ("0 0 0 * * * 2101", "year: expected 1970 to 2100, found 2101"),
        ("0 0/0 0 * * * *", 'minute: expected a step of 1 or more after the /, found "0"'),
        ("0 0 0 29 2 * 2027", "day of month and month: no such day will ever come"),
        ("0 0 0 29 feb * 2025-2027", "day of month and month: no such day will ever come"),
        ("0 30-10 0 * * * *", "minute: the range 30-10 runs backwards"),
    ],
)
def test_what_poulpe_takes_for_no_schedule(text: str, sentence: str) -> None:
    with pytest.raises(InvalidCron) as caught:
        parse_poulpe(text, UTC)

    assert str(caught.value) == sentence
