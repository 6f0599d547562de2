"""Moments as Go writes them: RFC 3339 with up to nine decimals, in local time."""

from datetime import UTC, datetime, tzinfo
from typing import Final

#: How a moment looks that never was.
NEVER: Final = "0001-01-01T00:00:00Z"


def rfc3339(moment_s: float, zone: tzinfo | None = None) -> str:
    """Return a moment, given in Unix seconds, without zeros at the end; `zone` is this machine's unless given."""
    moment = datetime.fromtimestamp(moment_s, UTC).astimezone(zone)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    if moment.microsecond:
        text += f".{moment.microsecond:06d}".rstrip("0")
    offset = moment.strftime("%z")
    return f"{text}Z" if offset in {"+0000", "-0000"} else f"{text}{offset[:3]}:{offset[3:5]}"


def unix_s(text: str) -> float | None:
    """Return the moment that such text tells, in Unix seconds; None if it tells none."""
    if text == NEVER:
        return None
    whole, dot, rest = text.partition(".")
    if dot:  # nine decimals are more than Python reads
        digits = rest.rstrip("Z").partition("+")[0].partition("-")[0]
        text = f"{whole}.{digits[:6].ljust(6, '0')}{rest[len(digits) :]}"
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
