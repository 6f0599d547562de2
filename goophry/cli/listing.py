"""Lists of entries, of one type or of several: page after page from Redis, a line for each."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from goophry import exit_codes
from goophry.cli.showing import one_json, width
from goophry.log_lines import escaped

#: Entries that are asked for at once.
PAGE: Final = 200

_Entry = TypeVar("_Entry")
_Told_co = TypeVar("_Told_co", covariant=True)


class Page(Protocol[_Told_co]):
    """A part of a list."""

    @property
    def entries(self) -> Sequence[_Told_co]:
        """Those that are meant."""
        ...

    @property
    def cursor(self) -> str | None:
        """Where to go on; None at the end."""
        ...


def paged(ask: Callable[[str | None, int], Page[_Entry]], limit: int) -> Iterator[_Entry]:
    """Yield up to `limit` entries, 0 = all of them; `ask` is called with a cursor and how many are still wanted."""
    cursor, left = None, limit or sys.maxsize
    while left > 0:
        page = ask(cursor, left)
        found = page.entries[:left]
        yield from found
        left -= len(found)
        cursor = page.cursor
        if cursor is None:
            return


def print_entries(
    names: Sequence[str],
    entries: Callable[[str], Iterable[_Entry]],
    *,
    line: Callable[[_Entry], str],
    told: Callable[[_Entry], Mapping[str, Any]],
    as_json: bool,
    otherwise: str,
) -> int:
    """Print the entries of each type: its `line`, behind the type where there are several, or what is `told` as JSON.

    Returns OK; without any entry FAILED, having said `otherwise`.
    """
    column = max(len(escaped(name)) for name in names) if len(names) > 1 else 0
    shown = 0
    for name in names:
        head = f"{escaped(name):<{column}}  " if column else ""
        for entry in entries(name):
            print(one_json(told(entry)) if as_json else _fitting(head + line(entry)))
            shown += 1
    if not shown:
        print(f"goophry: {otherwise}", file=sys.stderr)
    return exit_codes.OK if shown else exit_codes.FAILED


def _fitting(line: str) -> str:
    line, room = line.rstrip(), width()
    return line if len(line) <= room else line[: room - 1] + "…"
