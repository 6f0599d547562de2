"""Text from outside, made safe to look at, and values as people read them.

Arguments, messages and names may hold anything: line ends, escape sequences, half a character, a
megabyte. Nothing of that reaches a terminal as it is.
"""

import json
import math
import shutil
import sys
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, Final

from goophry.log_lines import escaped

if TYPE_CHECKING:
    from rich.console import Console

#: Longest text of several lines that is shown, in characters.
MAX_BLOCK: Final = 20_000

#: Characters of a line where no terminal says how many there may be: nothing is cut or broken for their sake.
WIDE: Final = 10_000

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def width() -> int:
    """Return how many characters a line on stdout may have."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE


def block(text: str, *, limit: int = MAX_BLOCK) -> str:
    """Return text of several lines with its line ends; all else that could command a terminal is escaped."""
    cut = text[:limit]
    lines = "\n".join(escaped(line.rstrip("\r"), limit=limit) for line in cut.split("\n"))
    return lines if len(text) <= limit else f"{lines}…\n({len(text) - limit} more characters)"


def span(seconds: float) -> str:
    """Return a time span with two digits or so, in at most six characters up to three years."""
    seconds = max(seconds, 0.0)
    if seconds < 9.95:  # noqa: PLR2004 - 9.95 is shown as 10
        return f"{seconds:.1f} s"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.0f} h"
    return f"{seconds / _DAY:.0f} d"


def count(number: int) -> str:
    """Return a number in at most five characters, up to a quadrillion."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M")):
        if number >= size:
            return f"{number // size}{letter}" if number >= 10 * size else f"{number / size:.1f}{letter}"
    return str(number) if number < 100_000 else f"{number // 1000}k"  # noqa: PLR2004 - five digits fit


def rate(per_s: float) -> str:
    """Return a number of tasks a second."""
    if not math.isfinite(per_s) or per_s >= 9.95:  # noqa: PLR2004 - 9.95 is shown as 10
        return f"{per_s:,.0f}"
    return f"{per_s:.1f}" if per_s >= 0.05 or not per_s else "<0.1"  # noqa: PLR2004 - 0.05 is shown as 0.1


def one_json(value: Mapping[str, Any]) -> str:
    """Return an object on one line; ASCII only, so that nothing in it commands a terminal."""
    return json.dumps(value, separators=(",", ":"))


def rich_console(file: IO[str]) -> "Console":
    """Return a console that takes no text for markup, and has room for everything where there is no terminal."""
    from rich.console import Console

    columns = None if file.isatty() else WIDE
    return Console(file=file, width=columns, markup=False, highlight=False, emoji=False)
