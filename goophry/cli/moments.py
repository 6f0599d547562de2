"""Time spans and moments as they are given on the command line."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = {"": 1, "ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+) *([a-z]*) *")
_NUMBER: Final = re.compile(r"\d+(\.\d*)?")
_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")


def seconds(text: str) -> float:
    """Read a time span: `90`, `1.5s`, `15m`, `1h30m`, `2d`. Raises `ValueError` with a sentence."""
    wrong = ValueError(f"expected a time span as 90, 1.5s, 15m, 1h30m or 2d, found {text[:40]!r}")
    rest, total = text.strip().lower(), 0.0
    if not rest:
        raise wrong
    while rest:
        found = _PART.match(rest)
        # Of several numbers each needs its unit: "1h30" may mean minutes or seconds.
        if found is None or found[2] not in _UNITS or (found[2] == "" and found[0] != text.strip()):
            raise wrong
        total += float(found[1]) * _UNITS[found[2]]
        rest = rest[found.end() :]
    if not math.isfinite(total):
        raise wrong
    return total


def moment(text: str, *, now: float) -> float:
    """Read a moment as Unix seconds: such a number, an ISO date with time, or a time of day, the next one after `now`.

    What names no time zone is local time. Raises `ValueError` with a sentence.
    """
    text = text.strip()
    try:
        if _NUMBER.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC).timestamp()
        clock = _CLOCK.fullmatch(text)
        if clock is None:
            return datetime.fromisoformat(text).timestamp()
        hour, minute, second = (int(part or 0) for part in clock.groups())
        day = datetime.fromtimestamp(now).replace(hour=hour, minute=minute, second=second, microsecond=0)  # noqa: DTZ006 - local time is meant
        today = day.timestamp()
        return today if today >= now else (day + timedelta(days=1)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(
            f"expected a moment as 14:30, 2026-11-30T14:30:00+01:00 or Unix seconds, found {text[:40]!r}"
        ) from None
