"""What `goophry top` shows, made to fit into any window."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from goophry.cli.showing import count
from goophry.cli.tables import failures_table, runs_table, types_table
from goophry.failed_entry import FailedEntry
from goophry.store.fleet import FleetState, TypeState

#: Lines that a section takes beside its rows: an empty one and the headings.
_FRAME: Final = 2


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything to show."""

    headline: Text
    state: FleetState
    failures: Sequence[tuple[str, FailedEntry]]
    """The latest ones, the newest first."""
    trouble: str = ""
    """Why the rest is not of now; empty when it is."""


def screen(shown: Shown, *, lines: int | None, hint: str = "") -> Group:
    """Return the screen, at most `lines` high; None = as high as it takes."""
    state = shown.state
    head = [Text.assemble(shown.headline, "  ", (hint, "dim"), no_wrap=True, overflow="ellipsis")]
    if shown.trouble:
        head.append(Text(shown.trouble, "red", no_wrap=True, overflow="ellipsis"))
    wanted = (len(state.types), len(state.runs), len(shown.failures))
    types, runs, failures = wanted if lines is None else shares(lines - len(head), wanted)
    parts: list[RenderableType] = list(head)
    if types:
        table = types_table(_busiest(state.types, types), number=count)
        parts += [Text(), _with_rest(table, len(state.types) - types)]
    if runs:
        parts += [Text(), _with_rest(runs_table(state.runs[:runs], now_s=state.now_s), len(state.runs) - runs)]
    if failures:
        parts += [Text(), failures_table(shown.failures[:failures])]
    return Group(*parts)


def shares(lines: int, wanted: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return how many rows types, runs and failures get of `lines`, if they want so many.

    Types come first: they get up to half of it. What one leaves goes to the others.
    """
    types, runs, failures = wanted
    types = min(types, max(lines // 2, lines - _height(runs) - _height(failures)) - _FRAME)
    left = lines - _height(types)
    runs = min(runs, max(left // 2, left - _height(failures)) - _FRAME)
    failures = min(failures, left - _height(runs) - _FRAME)
    return max(types, 0), max(runs, 0), max(failures, 0)


def _height(rows: int) -> int:
    """Return how many lines a section takes."""
    return rows + _FRAME if rows > 0 else 0


def _busiest(types: Sequence[TypeState], rows: int) -> Sequence[TypeState]:
    """Return those with something to see where not all fit, in their order."""
    if len(types) <= rows:
        return types
    order = sorted(types, key=lambda each: -(each.running * 10**6 + each.waiting + each.delayed + each.failed))
    chosen = {each.name for each in order[:rows]}
    return [each for each in types if each.name in chosen]


def _with_rest(table: Table, rest: int) -> Table:
    """Say in the last heading how many rows there was no room for."""
    if rest:
        column = table.columns[0]
        column.header = f"{column.header} (+{rest})"
    return table
