"""`goophry cancel`: have tasks not run, or not go on, wherever they are."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from goophry import exit_codes
from goophry.cli.configuration import path_of, read
from goophry.engine.intake import Cancellation
from goophry.log_lines import escaped
from goophry.wiring.outside import Outside

_DONE: Final[dict[Cancellation, str]] = {
    "removed": "taken out before it began",
    "told": "its instance was told to end it",
}
_NOT_DONE: Final[dict[Cancellation, str]] = {
    "ended": "it has ended already",
    "unknown": "there is no such task",
}


def cancel(config: Path | None, entry_ids: Sequence[str]) -> int:
    """Cancel tasks by their Ids; FAILED if one had ended, or is not known."""
    settings = read(path_of(config))
    good = True
    with Outside(settings) as outside:
        for entry_id in entry_ids:
            found = outside.intake.cancel(entry_id)
            if found in _DONE:
                print(f"{escaped(entry_id)}: {_DONE[found]}")
            else:
                print(f"goophry: {escaped(entry_id)}: {_NOT_DONE[found]}", file=sys.stderr)
                good = False
    return exit_codes.OK if good else exit_codes.FAILED
