"""A second opinion on cron: expressions made item by item, and a clock that is looked at step by step."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from hypothesis import strategies as st

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

#: No zone puts its clock back further than this since 1970.
FURTHEST_BACK_S = 2 * 3600


@dataclass(frozen=True)
class Part:
    """One field: how it is written, which numbers that means, whether it is open."""

    text: str
    numbers: frozenset[int]
    is_open: bool = False


@dataclass(frozen=True)
class Expression:
    """An expression of which everything is known without reading it."""

    second: Part
    minute: Part
    hour: Part
    day: Part
    month: Part
    weekday: Part
    both_days: bool | None = None
    """Whether days must fit both ways; None = by Debian's rule."""

    @property
    def five(self) -> str:
        return " ".join(part.text for part in (self.minute, self.hour, self.day, self.month, self.weekday))

    @property
    def six(self) -> str:
        return f"{self.second.text} {self.five}"

    def names_day(self, time: datetime) -> bool:
        by_number = time.day in self.day.numbers
        by_weekday = time.isoweekday() % 7 in self.weekday.numbers
        both = self.both_days
        if both is None:
            both = self.day.text.startswith("*") or self.weekday.text.startswith("*")
        return (by_number and by_weekday) if both else (by_number or by_weekday)

    def names(self, time: datetime) -> bool:
        return (
            time.second in self.second.numbers
            and time.minute in self.minute.numbers
            and time.hour in self.hour.numbers
            and time.month in self.month.numbers
            and self.names_day(time)
        )


def slow_between(expression: Expression, zone: tzinfo, since_s: int, until_s: int, *, step_s: int) -> list[int]:
    """Look at the clock every `step_s` seconds; `since_s` is a multiple of that."""

    def clock_at(moment_s: int) -> datetime:
        return datetime.fromtimestamp(moment_s, zone).replace(tzinfo=None, fold=0)

    looks = range(since_s + step_s, until_s + 1, step_s)
    if expression.minute.is_open or expression.hour.is_open:
        return [moment_s for moment_s in looks if expression.names(clock_at(moment_s))]
    reached = max(map(clock_at, range(since_s - FURTHEST_BACK_S, since_s + 1, step_s)))
    found = []
    for moment_s in looks:
        fires, clock = False, clock_at(moment_s)
        while reached < clock:
            reached += timedelta(seconds=step_s)
            fires = fires or expression.names(reached)
        if fires:
            found.append(moment_s)
    return found


def numbers(low: int, high: int, *, names: list[str] | None = None, first: int = 0) -> st.SearchStrategy[Part]:
    """Make a field of the numbers from `low` to `high`; `names` are those from `first` on."""
    number = st.integers(low, high)

    def written(value: int) -> st.SearchStrategy[str]:
        plain = [str(value), f"0{value}"]
        if names and 0 <= value - first < len(names):
            plain += [names[value - first], names[value - first].upper()]
        return st.sampled_from(plain)

    def single(value: int) -> st.SearchStrategy[Part]:
        return written(value).map(lambda text: Part(text, frozenset({value})))

    def span(ends: tuple[int, int]) -> st.SearchStrategy[Part]:
        start, end = sorted(ends)
        texts = st.tuples(written(start), written(end), st.integers(0, 7 if start < end else 0))
        return texts.map(
            lambda given: Part(
                f"{given[0]}-{given[1]}" + (f"/{given[2]}" if given[2] else ""),
                frozenset(range(start, end + 1, given[2] or 1)),
            )
        )

    def stepped(given: tuple[int, int]) -> st.SearchStrategy[Part]:
        start, step = given
        return written(start).map(
            lambda text: Part(f"{text}/{step}", frozenset(range(start, high + 1, step)), is_open=True)
        )

    star = st.just(Part("*", frozenset(range(low, high + 1)), is_open=True))
    star_step = st.integers(1, 7).map(lambda n: Part(f"*/{n}", frozenset(range(low, high + 1, n)), is_open=True))
    item = st.one_of(
        number.flatmap(single),
        st.tuples(number, number).flatmap(span),
        st.tuples(number, st.integers(1, 7)).flatmap(stepped),
    )
    return st.one_of(star, star_step, st.lists(item, min_size=1, max_size=3).map(joined))


def joined(parts: list[Part]) -> Part:
    return Part(
        ",".join(part.text for part in parts),
        frozenset().union(*(part.numbers for part in parts)),
        is_open=any(part.is_open for part in parts),
    )


def weekdays() -> st.SearchStrategy[Part]:
    return numbers(0, 7, names=DAYS).map(
        lambda part: Part(part.text, frozenset(number % 7 for number in part.numbers), is_open=part.is_open)
    )


def poulpe_weekdays() -> st.SearchStrategy[Part]:
    return numbers(1, 7, names=DAYS, first=1).map(
        lambda part: Part(part.text, frozenset(number - 1 for number in part.numbers), is_open=part.is_open)
    )


ZERO = Part("0", frozenset({0}))

expressions = st.builds(
    Expression,
    second=numbers(0, 59),
    minute=numbers(0, 59),
    hour=numbers(0, 23),
    day=numbers(1, 31),
    month=numbers(1, 12, names=MONTHS, first=1),
    weekday=weekdays(),
)


def unix(text: str) -> int:
    """Return the Unix time of an ISO date in UTC, or with its offset."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
