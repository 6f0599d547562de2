"""The dialects in which cron expressions are written, each read into the same kind of value."""

from datetime import tzinfo
from typing import Final

from goophry.cron_calendar import Calendar, Days
from goophry.cron_fields import DAY_NAMES, MONTH_NAMES, Field, Values, WeekdayField
from goophry.cron_moments import Cron
from goophry.errors import InvalidCron

__all__ = ["Cron", "parse", "parse_poulpe"]

_NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

#: Both 0 and 7 are Sunday.
_WEEKDAY: Final = WeekdayField("day of week", 0, 7, names=DAY_NAMES, is_day=True)
_FIELDS: Final = (
    Field("second", 0, 59),
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of month", 1, 31, is_day=True),
    Field("month", 1, 12, names=MONTH_NAMES),
    _WEEKDAY,
)
_WITHOUT_SECONDS: Final = 5

#: The fields of poulpe's cron file. 1 is Sunday, and a year comes last.
_POULPE_FIELDS: Final = (
    Field("second", 0, 59, any_step=True),
    Field("minute", 0, 59, any_step=True),
    Field("hour", 0, 23, any_step=True),
    Field("day of month", 1, 31, is_day=True, any_step=True),
    Field("month", 1, 12, names=MONTH_NAMES, any_step=True),
    WeekdayField(
        "day of week",
        1,
        7,
        names={name: number + 1 for name, number in DAY_NAMES.items()},
        is_day=True,
        any_step=True,
        sunday=1,
    ),
    Field("year", 1970, 2100, any_step=True),
)


def parse(text: str, zone: tzinfo) -> Cron:
    """Read five fields (minute, hour, day of month, month, day of week), or six with the second first, or `@daily`.

    Days as in Debian's cron: when one of the two day fields begins with `*`, a day must fit both;
    else it is enough to fit one. Raises `InvalidCron` with a sentence that names the field.
    """
    words = text.split()
    if text.strip().startswith("@"):
        words = _nickname(text.strip()).split()
    if len(words) not in (_WITHOUT_SECONDS, len(_FIELDS)):
        raise InvalidCron(
            f"expected 5 fields (minute, hour, day of month, month, day of week), or 6 with the second first, found {len(words)}"
        )
    if len(words) == _WITHOUT_SECONDS:
        words = ["0", *words]
    values = [field.read(word) for field, word in zip(_FIELDS, words, strict=True)]
    both = values[3].starts_with_star or values[5].starts_with_star
    return _cron(text, values, zone, both=both)


def parse_poulpe(text: str, zone: tzinfo) -> Cron:
    """Read poulpe's seven fields: second, minute, hour, day of month, month, day of week (1 is Sunday), year.

    A day must fit both day fields. `*/n`, `a-b/n` and what else `parse` knows are read too; poulpe
    refused them. Raises `InvalidCron` with a sentence that names the field.
    """
    words = text.split()
    if len(words) != len(_POULPE_FIELDS):
        raise InvalidCron(f"expected 7 fields, the second first and the year last, found {len(words)}")
    values = [field.read(word) for field, word in zip(_POULPE_FIELDS, words, strict=True)]
    return _cron(text, values, zone, both=True)


def _nickname(text: str) -> str:
    if text.lower() == "@reboot":
        raise InvalidCron("@reboot is not supported, a fleet of instances has no single start")
    if text.lower() not in _NICKNAMES:
        raise InvalidCron(f'expected fields, or one of {", ".join(_NICKNAMES)}, found "{text}"')
    return _NICKNAMES[text.lower()]


def _cron(text: str, values: list[Values], zone: tzinfo, *, both: bool) -> Cron:
    seconds, minutes, hours, days, months, weekdays = (tuple(sorted(value.numbers)) for value in values[:6])
    calendar = Calendar(
        seconds,
        minutes,
        hours,
        Days(frozenset(days), frozenset(weekdays), values[5].nth_weekdays, both=both),
        months,
    )
    if len(values) > len(_FIELDS):
        calendar = Calendar(seconds, minutes, hours, calendar.days, months, values[6].numbers)
    if calendar.has_none():
        raise InvalidCron("day of month and month: no such day will ever come")
    return Cron(text, calendar, zone, by_intervals=values[1].is_open or values[2].is_open)
