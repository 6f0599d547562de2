"""The machine's own time zone, as programs in C have it."""

import os
import zoneinfo
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final

_LOCALTIME: Final = Path("/etc/localtime")


def local_zone(tz: str | None) -> tzinfo:
    """Return the zone that TZ names, given as it stands in the environment; without it, that of /etc/localtime."""
    if tz is not None:
        name = tz.removeprefix(":")
        return _named(name) if name else UTC
    try:
        with _LOCALTIME.open("rb") as file:
            return zoneinfo.ZoneInfo.from_file(file, key=_key())
    except (OSError, ValueError):
        return UTC


def _named(name: str) -> tzinfo:
    try:
        if name.startswith("/"):
            with Path(name).open("rb") as file:
                return zoneinfo.ZoneInfo.from_file(file, key=name)
        return zoneinfo.ZoneInfo(name)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        # A rule written out, as CET-1CEST: the C library knows it, and its offset of this moment is taken.
        return datetime.now().astimezone().tzinfo or UTC


def _key() -> str:
    path = os.path.realpath(_LOCALTIME)
    return path.partition("/zoneinfo/")[2] or path
