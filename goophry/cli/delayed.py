"""`goophry delayed …`: looking through what is due later, having it run now, taking it out."""

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from goophry import exit_codes
from goophry.cli.acting import act
from goophry.cli.configuration import path_of, read
from goophry.cli.showing import one_json, span, width
from goophry.cli.which_types import delayed, meant
from goophry.log_lines import escaped, quoted
from goophry.store.console import Console
from goophry.store.delayed import Delayed, DelayedEntry
from goophry.wiring.outside import Outside

#: Entries that are asked for at once.
_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries the flags of a command mean."""

    text: str = ""
    regex: str = ""

    def __bool__(self) -> bool:
        return self != Wanted()

    def filter(self) -> Callable[[DelayedEntry], bool]:
        """Return what tells whether an entry is meant. Raises `re.error`."""
        text, pattern = self.text.casefold(), re.compile(self.regex, re.MULTILINE) if self.regex else None

        def matches(each: DelayedEntry) -> bool:
            entry = each.entry()
            known = [entry.id or "", *entry.args] if not each.problem() else [each.raw.decode(errors="replace")]
            found = "\n".join(known)
            return text in found.casefold() and (pattern is None or pattern.search(found) is not None)

        return matches


def ls(config: Path | None, types: Sequence[str], *, wanted: Wanted, limit: int, as_json: bool) -> int:
    """Print the entries of each type that are due next; FAILED if there is none."""
    settings = read(path_of(config))
    shown = 0
    with Console(settings) as console, Outside(settings) as outside:
        names = meant(console, settings, types)
        column = max((len(escaped(name)) for name in names), default=0) if len(names) > 1 else 0
        for name in names:
            for entry in _entries(delayed(outside, settings), name, wanted, limit):
                print(one_json(_told(entry)) if as_json else _line(entry, column))
                shown += 1
    if not shown:
        print("goophry: no such delayed entry" if wanted else "goophry: nothing is delayed", file=sys.stderr)
    return exit_codes.OK if shown else exit_codes.FAILED


def now(config: Path | None, task_type: str, keys: Sequence[str], *, wanted: Wanted | None) -> int:
    """Put entries into their queues at once: those with these keys, else those wanted."""
    return _act(config, task_type, keys, wanted, take=Delayed.hasten, done="put into the queue")


def rm(config: Path | None, task_type: str, keys: Sequence[str], *, wanted: Wanted | None) -> int:
    """Cancel entries: those with these keys, else those wanted."""
    return _act(config, task_type, keys, wanted, take=Delayed.take_out, done="cancelled")


def _act(
    config: Path | None,
    task_type: str,
    keys: Sequence[str],
    wanted: Wanted | None,
    *,
    take: Callable[[Delayed, str, Sequence[DelayedEntry]], int],
    done: str,
) -> int:
    settings = read(path_of(config))
    with Console(settings) as console, Outside(settings) as outside:
        entries = delayed(outside, settings)

        def deed(name: str) -> "_TakeOut":
            return _TakeOut(entries, name, wanted or Wanted(), partial(take, entries))

        return act(console, settings, task_type, keys if wanted is None else None, deed, done=done)


@dataclass(frozen=True, slots=True)
class _TakeOut:
    """A `Deed`."""

    entries: Delayed
    type: str
    wanted: Wanted
    take: Callable[[str, Sequence[DelayedEntry]], int]
    """Takes out entries of a type and returns how many were still there."""

    def length(self) -> int:
        return self.entries.length(self.type)

    def one(self, key: str) -> bool:
        found = self.entries.find(self.type, key)
        return found is not None and self.take(self.type, [found]) == 1

    def all(self, progress: Callable[[int], object]) -> tuple[int, Sequence[str]]:
        return self.entries.sweep(self.type, self.take, wanted=self.wanted.filter(), progress=progress), []


def _entries(entries: Delayed, name: str, wanted: Wanted, limit: int) -> Iterator[DelayedEntry]:
    """Yield up to `limit` entries of a type, 0 = all of them, the next due first."""
    matches, cursor, left = wanted.filter(), None, limit or sys.maxsize
    while left > 0:
        page = entries.page([name], cursor=cursor, limit=_PAGE if wanted else min(left, _PAGE))
        found = [each for each in page.entries if matches(each)][:left]
        yield from found
        left -= len(found)
        cursor = page.cursor
        if cursor is None:
            return


def _line(each: DelayedEntry, column: int) -> str:
    """Return `key when [Id] args` on one line."""
    entry, problem = each.entry(), each.problem()
    head = f"{escaped(each.type):<{column}}  " if column else ""
    left_s = each.due_ms / 1000 - time.time()
    when = f"in {span(left_s)}" if left_s > 0 else "due"
    id_ = f"[{escaped(entry.id)}] " if entry.id else ""
    args = quoted(entry.args) if not problem else escaped(each.raw.decode(errors="replace"))
    attempt = f"  (try {entry.attempt})" if entry.attempt > 1 else ""
    line = f"{head}{each.key}  {when:<9}  {id_}{args}{attempt}".rstrip()
    room = width()
    return line if len(line) <= room else line[: room - 1] + "…"


def _told(each: DelayedEntry) -> dict[str, Any]:
    entry, problem = each.entry(), each.problem()
    told: dict[str, Any] = {
        "Type": each.type,
        "Key": each.key,
        "Due": each.due_ms / 1000,
        "Id": entry.id,
        "Args": list(entry.args),
        "Attempt": entry.attempt,
    }
    return told | {"Problem": problem, "Entry": each.raw.decode(errors="replace")} if problem else told
