"""How many tasks may begin in how much time. Pure."""

import re
from dataclasses import dataclass
from typing import Final

#: The spans by the words of the configuration, in seconds.
SPANS_S: Final = {"s": 1, "min": 60, "h": 3600, "d": 86_400}

#: Redis keeps the moment of each task that began within the span: 100,000 of them are 1.5 MB.
MAX_COUNT: Final = 100_000

_FORM: Final = re.compile(rf"([1-9][0-9]*)/({'|'.join(SPANS_S)})")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `count` tasks begin within any span of `span_s` seconds."""

    count: int
    span_s: int


def parse(text: object) -> RateLimit:
    """Read `10/s`, `100/min`, `1000/h` or `5000/d`. Raises `ValueError` with what was expected."""
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError('a number of tasks and s, min, h or d, as "100/min"')
    # Cut: a number of many digits takes long to read, and is too much in any case.
    count = int(found[1][:9])
    if count > MAX_COUNT:
        raise ValueError(f"at most {MAX_COUNT} tasks in a span (a shorter span allows more)")
    return RateLimit(count, SPANS_S[found[2]])
