"""The fields of a cron expression: what may stand in one, and what it means in numbers.

An item is `*`, a number or name, a range `a-b`, either of them with a `/step`, or `n/step` for "from
n on"; a field is a list of items with commas between. Days have a few signs more: `?` is `*`, `L` the
last day of the month, `friL` the last Friday, `fri#2` the second.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from goophry.cron_calendar import LAST
from goophry.errors import InvalidCron

_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")

MONTH_NAMES: Final = {name[:length]: number for number, name in enumerate(_MONTHS, 1) for length in (3, None)}
#: From 0, Sunday.
DAY_NAMES: Final = {
    **{name[:length]: number for number, name in enumerate(_DAYS) for length in (3, None)},
    "tues": 2,
    "thurs": 4,
}

_NUMBER: Final = re.compile("[0-9]{1,9}")
_NTH: Final = re.compile("(.+)#([0-9])")
_MOST_OF_A_WEEKDAY: Final = 5
_WEEK: Final = 7
_NEAREST: Final = re.compile("([0-9]{0,2}|L)W", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Values:
    """What a field names."""

    numbers: frozenset[int] = frozenset()
    nth_weekdays: frozenset[tuple[int, int]] = frozenset()
    """Of the field for days of the week; as in `cron_calendar.Days`."""
    is_open: bool = False
    """Whether an item has no end of its own: `*`, `*/n`, `n/step`."""
    starts_with_star: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One of the fields, as a dialect has it."""

    name: str
    low: int
    high: int
    names: Mapping[str, int] = field(default_factory=dict)
    is_day: bool = False
    any_step: bool = False
    """Whether a step may be longer than the field's whole range; it is a mistake, but some let it pass."""

    def read(self, text: str) -> Values:
        """Return what `text` names. Raises `InvalidCron` with a sentence that names the field."""
        numbers: set[int] = set()
        is_open = False
        for item in text.split(","):
            found, item_is_open = self._item(item)
            numbers |= found
            is_open = is_open or item_is_open
        return Values(frozenset(numbers), is_open=is_open, starts_with_star=text.startswith(("*", "?")))

    def wrong(self, found: str) -> InvalidCron:
        """Return the error about a text that cannot stand here."""
        if self.is_day and _NEAREST.fullmatch(found):
            return InvalidCron(f"{self.name}: W, the weekday nearest to a date, is not supported")
        known = f"{self.low} to {self.high}{' or a name' if self.names else ''}"
        return InvalidCron(f'{self.name}: expected {known}, *, ranges, steps and lists of these, found "{found}"')

    def _item(self, item: str) -> tuple[set[int], bool]:
        if item in ("L", "l") and self.is_day and not self.names:
            return {LAST}, False
        span, slash, step_text = item.partition("/")
        step = self._step(step_text) if slash else 1
        if span == "*" or (span == "?" and self.is_day and not slash):
            return set(range(self.low, self.high + 1, step)), True
        first_text, dash, last_text = span.partition("-")
        first = self.number(first_text, within=item)
        last = self.number(last_text, within=item) if dash else self.high if slash else first
        if last < first:
            last = self._wrapped(last, item)
        return set(range(first, last + 1, step)), bool(slash) and not dash

    def number(self, text: str, *, within: str) -> int:
        """Return the number that a number or a name means. Raises `InvalidCron`."""
        if text.lower() in self.names:
            return self.names[text.lower()]
        if not _NUMBER.fullmatch(text):
            raise self.wrong(within)
        number = int(text)
        if not self.low <= number <= self.high:
            raise InvalidCron(f"{self.name}: expected {self.low} to {self.high}, found {text}")
        return number

    def _step(self, text: str) -> int:
        if not _NUMBER.fullmatch(text) or not int(text):
            raise InvalidCron(f'{self.name}: expected a step of 1 or more after the /, found "{text}"')
        step = int(text)
        if step > self.high - self.low + 1 and not self.any_step:
            raise InvalidCron(
                f"{self.name}: a step of {step} leaves its range, {self.low} to {self.high}; it would begin anew each time"
            )
        return step

    def _wrapped(self, last: int, item: str) -> int:
        del last
        raise InvalidCron(f"{self.name}: the range {item} runs backwards")


@dataclass(frozen=True, slots=True)
class WeekdayField(Field):
    """The field for days of the week. Ranges may run over the end of the week: `fri-mon`."""

    sunday: int = 0
    """The number of Sunday; `names` go by it too."""

    def read(self, text: str) -> Values:
        """See `Field.read`. Sunday is 0 in what is returned."""
        items = text.split(",")
        special = [item for item in items if "#" in item or item.endswith(("L", "l"))]
        plain = [item for item in items if item not in special]
        values = Field.read(self, ",".join(plain)) if plain else Values()
        return Values(
            frozenset((number - self.sunday) % _WEEK for number in values.numbers),
            nth_weekdays=frozenset(map(self._nth, special)),
            starts_with_star=values.starts_with_star and text.startswith(("*", "?")),
        )

    def _nth(self, item: str) -> tuple[int, int]:
        if "#" not in item:
            day, nth = item[:-1], LAST
        else:
            found = _NTH.fullmatch(item)
            day, nth = (found[1], int(found[2])) if found else ("", 0)
        if not day or nth not in (LAST, *range(1, _MOST_OF_A_WEEKDAY + 1)):
            raise InvalidCron(
                f'{self.name}: expected a day and which one, fri#1 to fri#5 or friL for the last, found "{item}"'
            )
        return (self.number(day, within=item) - self.sunday) % _WEEK, nth

    def _wrapped(self, last: int, item: str) -> int:
        del item
        return last + _WEEK
