"""Which times of the calendar a cron expression names, on a clock that nobody ever adjusts."""

from calendar import monthrange
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import MAXYEAR, datetime
from typing import Final

#: The Gregorian calendar repeats itself, days of the week included, after so many years.
CYCLE_YEARS: Final = 400

#: Stands for the last one where others have a number in the month.
LAST: Final = -1

_WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Days:
    """Days of a month, named by their number and by their day of the week (0 is Sunday)."""

    numbers: Collection[int]
    """1 to 31, and `LAST`."""
    weekdays: Collection[int]
    nth_weekdays: Collection[tuple[int, int]] = ()
    """Pairs of a day of the week and which one in the month: 1 to 5, or `LAST`."""
    both: bool = True
    """Whether a day must fit by its number and by its day of the week; else one of the two is enough."""

    def of(self, year: int, month: int) -> list[int]:
        """Return the numbers of the days that fit, in order."""
        first_weekday, length = monthrange(year, month)
        fitting = []
        for day in range(1, length + 1):
            # Of monthrange 0 is Monday.
            weekday = (first_weekday + day) % _WEEK
            by_number = day in self.numbers or (day == length and LAST in self.numbers)
            by_weekday = weekday in self.weekdays or (
                (weekday, (day + _WEEK - 1) // _WEEK) in self.nth_weekdays
                or (day + _WEEK > length and (weekday, LAST) in self.nth_weekdays)
            )
            if (by_number and by_weekday) if self.both else (by_number or by_weekday):
                fitting.append(day)
        return fitting


@dataclass(frozen=True, slots=True)
class Calendar:
    """Times, to the second. Everything in order."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    months: tuple[int, ...]
    years: Collection[int] = field(default=range(1, MAXYEAR))
    """The last year of all has no time zone's noon after it, so it is none of them."""

    def first_from(self, start: datetime) -> datetime | None:
        """Return the first time that is not before `start`; None when there is none."""
        date = self._first_date(start.year, start.month, start.day)
        if date == (start.year, start.month, start.day):
            time = self._first_time(start.hour, start.minute, start.second)
            if time is not None:
                return datetime(*date, *time)  # noqa: DTZ001 - what a clock shows, in no zone yet
            date = self._first_date(start.year, start.month, start.day + 1)
        if date is None:
            return None
        return datetime(*date, self.hours[0], self.minutes[0], self.seconds[0])  # noqa: DTZ001 - same

    def has_none(self) -> bool:
        """Whether no such time will ever be, as on 30 February."""
        return self._first_date(min(self.years), 1, 1) is None

    def _first_date(self, year: int, month: int, day: int) -> tuple[int, int, int] | None:
        for later_year in range(year, year + CYCLE_YEARS + 1):
            if later_year not in self.years:
                continue
            for later_month in self.months:
                if (later_year, later_month) < (year, month):
                    continue
                first = day if (later_year, later_month) == (year, month) else 1
                fitting = (found for found in self.days.of(later_year, later_month) if found >= first)
                found = next(fitting, None)
                if found is not None:
                    return later_year, later_month, found
        return None

    def _first_time(self, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
        for later_hour in self.hours:
            if later_hour > hour:
                return later_hour, self.minutes[0], self.seconds[0]
            if later_hour < hour:
                continue
            for later_minute in self.minutes:
                if later_minute > minute:
                    return later_hour, later_minute, self.seconds[0]
                later_second = next((found for found in self.seconds if found >= second), None)
                if later_minute == minute and later_second is not None:
                    return later_hour, later_minute, later_second
        return None
