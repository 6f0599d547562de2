"""What commands show: safe, short, and within the window."""

import io
import time
from datetime import datetime, timedelta

import pytest
from rich.console import Console
from rich.text import Text

from goophry.cli import moments
from goophry.cli.showing import MAX_BLOCK, block, count, one_json, rate, span
from goophry.cli.top_screen import Shown, screen, shares
from goophry.failed_entry import read_failed
from goophry.store.fleet import Done, FleetState, Instance, Run, TypeState

EVIL = "\x1b[2J\x9b31m\u202e\r\x07[red]x[/red]:smile:"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2 h"),
        (172_800, "2 d"),
        (float("inf"), "inf d"),
    ],
)
def test_a_span_has_two_digits_or_so(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (99_999, "99999"),
        (100_000, "100k"),
        (999_999, "999k"),
        (1_250_000, "1.2M"),
        (10**7, "10M"),
        (10**14, "100T"),
    ],
)
def test_a_count_has_at_most_five_characters(number: int, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("per_s", "text"), [(0, "0.0"), (0.01, "<0.1"), (0.05, "0.1"), (9.94, "9.9"), (1234.5, "1,234")]
)
def test_a_rate_shows_that_something_happens(per_s: float, text: str) -> None:
    assert rate(per_s) == text


def test_text_of_several_lines_keeps_its_lines_and_nothing_else_that_commands_a_terminal() -> None:
    assert block(f"one\r\ntwo {EVIL}") == "one\ntwo \\x1b[2J\\x9b31m\\u202e\\r\\x07[red]x[/red]:smile:"
    assert block("x" * (MAX_BLOCK + 5)).endswith("x…\n(5 more characters)")
    assert one_json({"a": EVIL}).isprintable()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1.5s", 1.5),
        (".5", 0.5),
        ("15m", 900),
        ("1h30m", 5400),
        ("2 d", 172_800),
        ("1H 30min", 5400),
        ("250ms", 0.25),
    ],
)
def test_spans_are_read(text: str, seconds: float) -> None:
    assert moments.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-5", "1h30", "5 y", "1e5", "1..5", "9" * 400])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time span"):
        moments.seconds(text)


def test_moments_are_read() -> None:
    now = time.time()
    local = datetime.fromtimestamp(now).replace(microsecond=0)  # noqa: DTZ006
    before, after = local - timedelta(minutes=2), local + timedelta(minutes=2)

    assert moments.moment("1795627921.5", now=now) == 1795627921.5
    assert moments.moment("2026-11-30T14:30:00+01:00", now=now) == 1796045400
    assert moments.moment("2026-11-30 14:30", now=now) == datetime(2026, 11, 30, 14, 30).timestamp()  # noqa: DTZ001
    assert moments.moment(f"{after:%H:%M:%S}", now=now) == after.timestamp()
    assert moments.moment(f"{before:%H:%M:%S}", now=now) == (before + timedelta(days=1)).timestamp()


@pytest.mark.parametrize("text", ["", "soon", "25:00", "14:60", "2026-13-01", "-1", "1" * 400, "9999999-01-01"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a moment"):
        moments.moment(text, now=0)


# The screen of top.


def fleet(types: int, runs: int) -> FleetState:
    states = [
        TypeState(f"type-{number}", True, 10**7, 10**7, int(number == types - 1), 10**7, 1, 10, Done(1, 1, 12_345.6))
        for number in range(types)
    ]
    going = [Run("mail", "r", "7", f'"{EVIL}"', 100.0, 2, "host-17-6b072bbd-c7bfd5") for _ in range(runs)]
    one = Instance("i", "h", 1, 0.0, "2", 0, False, (), {}, {}, ())
    return FleetState(200.0, (one,), tuple(states), tuple(going))


FAILED = read_failed(b'{"Args":["' + b"x" * 500 + b'"],"ErrorMessage":"\\u001b[31mexit"}')


def drawn(shown: Shown, *, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False, markup=False)
    console.print(screen(shown, lines=height, hint="q quits"))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 10), (40, 5), (20, 2), (1, 1), (300, 100)])
@pytest.mark.parametrize("trouble", ["", "Redis is out of reach, trying again: " + "x" * 300])
@pytest.mark.parametrize(("types", "runs", "failures"), [(2, 3, 1), (30, 100, 50), (0, 0, 0), (1, 0, 50), (0, 100, 0)])
def test_the_screen_fits_into_any_window(  # noqa: PLR0917
    width: int, height: int, trouble: str, types: int, runs: int, failures: int
) -> None:
    shown = Shown(Text("goophry " + "x" * 200), fleet(types, runs), [("t", FAILED)] * failures, trouble)

    lines = drawn(shown, width=width, height=height)

    assert len(lines) <= max(height, 1 + bool(trouble))
    assert all(len(line) <= width and line.isprintable() for line in lines)


def test_80_by_24_shows_something_of_everything() -> None:
    shown = Shown(Text("goophry"), fleet(30, 100), [("resize", FAILED)] * 50)

    lines = drawn(shown, width=80, height=24)

    assert len(lines) == 24
    text = "\n".join(lines)
    assert "TYPE (+21)" in text
    assert "type-29          10        1      10M      10M     10M  12,346" in text
    assert "RUNNING (+96)" in text
    assert '100 s          mail  host-17   2    [7] "\\x1b[2J' in text
    assert text.count("\\x1b[31mexit") == 4


def test_sections_share_the_lines() -> None:
    assert shares(23, (2, 3, 4)) == (2, 3, 4)
    assert shares(23, (30, 100, 50)) == (9, 4, 4)
    assert shares(23, (2, 100, 1)) == (2, 14, 1)
    assert shares(23, (2, 0, 50)) == (2, 0, 17)
    assert shares(3, (5, 5, 5)) == (0, 0, 1)
    assert shares(0, (5, 5, 5)) == (0, 0, 0)
