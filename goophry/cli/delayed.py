"""`goophry delayed …`: looking through what is due later, having it run now, taking it out."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from goophry.cli.acting import act
from goophry.cli.configuration import path_of, read
from goophry.cli.listing import PAGE, paged, print_entries
from goophry.cli.showing import span
from goophry.cli.which_types import delayed, meant
from goophry.log_lines import escaped, quoted
from goophry.store.console import Console
from goophry.store.delayed import Delayed, DelayedEntry, DelayedPage
from goophry.wiring.outside import Outside


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
    with Console(settings) as console, Outside(settings) as outside:
        entries = delayed(outside, settings)
        return print_entries(
            meant(console, settings, types),
            lambda name: _entries(entries, name, wanted, limit),
            line=_line,
            told=_told,
            as_json=as_json,
            otherwise="no such delayed entry" if wanted else "nothing is delayed",
        )


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
    """Return up to `limit` entries of a type, 0 = all of them, the next due first."""
    matches = wanted.filter()

    def ask(cursor: str | None, left: int) -> DelayedPage:
        page = entries.page([name], cursor=cursor, limit=PAGE if wanted else min(left, PAGE))
        return DelayedPage(tuple(each for each in page.entries if matches(each)), page.cursor)

    return paged(ask, limit)


def _line(each: DelayedEntry) -> str:
    """Return `key when [Id] args`."""
    entry, problem = each.entry(), each.problem()
    left_s = each.due_ms / 1000 - time.time()
    when = f"in {span(left_s)}" if left_s > 0 else "due"
    id_ = f"[{escaped(entry.id)}] " if entry.id else ""
    args = quoted(entry.args) if not problem else escaped(each.raw.decode(errors="replace"))
    attempt = f"  (try {entry.attempt})" if entry.attempt > 1 else ""
    return f"{each.key}  {when:<9}  {id_}{args}{attempt}"


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
