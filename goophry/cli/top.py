"""`goophry top`: a live screen of what runs, waits and fails, on all instances."""

import sys
import time
from collections import deque
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

from rich.live import Live

from goophry import exit_codes
from goophry.cli.configuration import path_of, read
from goophry.cli.keyboard import Keyboard
from goophry.cli.showing import rich_console
from goophry.cli.status import headline, only
from goophry.cli.top_screen import Shown, screen
from goophry.cli.which_types import fleet, meant
from goophry.config import Settings
from goophry.errors import StoreError
from goophry.failed_entry import FailedEntry
from goophry.log_lines import escaped
from goophry.store.console import Console
from goophry.store.fleet import FleetState

#: Seconds that Redis may take for an answer; keys wait for so long.
_ANSWER_S: Final = 2.0

#: Failures that are kept in mind, and how many of one type are looked at when there are new ones.
_FAILURES: Final = 50
_AT_ONCE: Final = 10


_HINT: Final = "q quits"


class Watch:
    """Looks again and again. What one look has seen, the next one knows."""

    def __init__(self, console: Console, settings: Settings, types: Sequence[str]) -> None:
        self._console = console
        self._settings = settings
        self._only = meant(console, settings, types) if types else None
        self._lengths: dict[str, int] = {}
        self._failures: deque[tuple[str, FailedEntry]] = deque(maxlen=_FAILURES)
        self._last: Shown | None = None

    def look(self) -> Shown:
        """Return what there is to show now; while Redis is away, what there was. Raises `StoreError` the first time."""
        try:
            state = fleet(self._console.links, self._settings).look()
            if self._only is not None:
                state = only(state, self._only)
            self._note_failures(state)
        except StoreError as error:
            if self._last is None:
                raise
            trouble = f"Redis is out of reach, trying again: {escaped(str(error))}"
            return Shown(self._last.headline, self._last.state, self._last.failures, trouble)
        self._last = Shown(headline(state, self._settings), state, tuple(self._failures))
        return self._last

    def _note_failures(self, state: FleetState) -> None:
        """Read those that are new. A failed list has no times: those of one look count as equally old."""
        found = []
        for each in state.types:
            new = each.failed - self._lengths.get(each.name, 0)
            self._lengths[each.name] = each.failed
            if new > 0:
                entries = self._console.failed(each.name).page(limit=min(new, _AT_ONCE)).entries
                found.append([(each.name, entry) for entry in entries])
        newest_first = [each for row in zip_longest(*found) for each in row if each is not None]
        self._failures.extendleft(reversed(newest_first))


def top(config: Path | None, types: Sequence[str], *, interval_s: float, once: bool) -> int:
    """Show it until q is pressed; where stdout is no terminal, or with `once`, print it once."""
    settings = read(path_of(config))
    with Console(settings, answer_timeout_s=_ANSWER_S) as console:
        watch = Watch(console, settings, types)
        if once or not sys.stdout.isatty():
            rich_console(sys.stdout).print(screen(watch.look(), lines=None))
        else:
            _live(watch, interval_s)
    return exit_codes.OK


def _live(watch: Watch, interval_s: float) -> None:
    console = rich_console(sys.stdout)
    shown = watch.look()
    next_look = time.monotonic() + interval_s
    with Keyboard() as keys, Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            # The size is asked for each time: the window may have another one by now.
            live.update(screen(shown, lines=console.size.height, hint=_HINT), refresh=True)
            if "q" in keys.wait(max(0.0, next_look - time.monotonic())).lower():
                return
            if time.monotonic() >= next_look:
                shown = watch.look()
                next_look = time.monotonic() + interval_s
