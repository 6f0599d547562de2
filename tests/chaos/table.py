"""The table that `scripts/chaos` prints, a line as soon as it is known."""

from collections.abc import Callable, Sequence
from typing import Final

from chaos.invariants import Row

_COLUMNS: Final[Sequence[tuple[str, int, Callable[[Row], str]]]] = (
    ("scenario", -25, lambda row: row.scenario),
    ("tasks", 7, lambda row: str(row.tasks)),
    ("kills", 6, lambda row: str(row.kills)),
    ("lost", 5, lambda row: str(row.lost)),
    ("duplicates", 11, lambda row: str(row.duplicates)),
    ("doubles", 8, lambda row: str(row.doubles)),
    ("recovery s", 11, lambda row: _seconds(row.recovery_s)),
    ("outage s", 9, lambda row: _seconds(row.outage_s)),
    ("took s", 7, lambda row: f"{row.took_s:.0f}"),
    ("verdict", -8, lambda row: row.verdict),
    ("note", -1, lambda row: row.note),
)


def heading() -> str:
    """Return the first line."""
    return " ".join(_aligned(title, width) for title, width, _ in _COLUMNS).rstrip()


def line(row: Row) -> str:
    """Return the line of a scenario."""
    return " ".join(_aligned(show(row), width) for _, width, show in _COLUMNS).rstrip()


def _aligned(text: str, width: int) -> str:
    return text.ljust(-width) if width < 0 else text.rjust(width)


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value else "-"
