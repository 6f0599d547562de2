"""The machine's time zone, from TZ as C programs read it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import TZPATH

import pytest

from goophry.local_zone import local_zone

SUMMER = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize("tz", ["Europe/Berlin", ":Europe/Berlin"])
def test_a_name(tz: str) -> None:
    assert SUMMER.astimezone(local_zone(tz)).utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize("tz", ["", "UTC0", "No/Such"])
def test_none_and_nonsense_is_an_offset(tz: str) -> None:
    assert SUMMER.astimezone(local_zone(tz)).utcoffset() is not None


def test_a_file() -> None:
    files = [path for folder in TZPATH if (path := Path(folder) / "Asia" / "Tokyo").exists()]
    if not files:
        pytest.skip("there are no files of time zones here")

    assert SUMMER.astimezone(local_zone(str(files[0]))).utcoffset() == timedelta(hours=9)


def test_without_tz_it_is_the_machines() -> None:
    offset = SUMMER.astimezone(local_zone(None)).utcoffset()

    assert offset is not None
    assert abs(offset) <= timedelta(hours=14)
