"""`goophry failed …`: looking through failed lists, putting entries back, deleting them."""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from goophry import exit_codes
from goophry.cli.acting import act
from goophry.cli.configuration import path_of, read
from goophry.cli.failed_shown import Ages, Shown, write_original
from goophry.cli.listing import PAGE, paged, print_entries
from goophry.cli.showing import one_json
from goophry.cli.which_types import meant
from goophry.config import Settings
from goophry.failed_entry import FailedEntry, FailedFilter
from goophry.log_lines import escaped
from goophry.store.console import Console
from goophry.store.failed import FailedList
from goophry.store.failed_sweep import Progress, Swept


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries the flags of a command mean."""

    text: str = ""
    regex: str = ""
    outcomes: tuple[str, ...] = ()
    older_s: float | None = None
    newer_s: float | None = None
    """Only entries with an Id whose result is still kept have a known age."""

    def __bool__(self) -> bool:
        return self != Wanted()

    def filter(self, ages: Ages) -> FailedFilter:
        """Return the filter. Raises `re.error`."""
        # ^ and $ stand for the ends of each argument and of each line of the message.
        pattern = re.compile(self.regex, re.MULTILINE) if self.regex else None
        by_age = self.older_s is not None or self.newer_s is not None
        further = (lambda entry: self._has_age(ages.of(entry))) if by_age else None
        return FailedFilter(self.text, pattern, frozenset(self.outcomes), further)

    def _has_age(self, age_s: float | None) -> bool:
        if age_s is None:
            return False
        return (self.older_s is None or age_s > self.older_s) and (self.newer_s is None or age_s < self.newer_s)


def ls(config: Path | None, types: Sequence[str], *, wanted: Wanted, limit: int, as_json: bool) -> int:
    """Print the newest entries of each type; FAILED if there is none."""
    settings = read(path_of(config))
    with Console(settings) as console:
        ages = Ages(console, settings)
        meant_ones = wanted.filter(ages)

        def entries(name: str) -> Iterator[Shown]:
            for entry in _entries(console.failed(name), meant_ones, limit):
                yield Shown(name, entry, ages.of(entry))

        return print_entries(
            meant(console, settings, types),
            entries,
            line=Shown.line,
            told=Shown.told,
            as_json=as_json,
            otherwise="no such failed entry" if wanted else "nothing has failed",
        )


def show(config: Path | None, task_type: str, keys: Sequence[str], *, raw: bool, as_json: bool) -> int:
    """Print everything about some entries; FAILED if one is not there."""
    settings = read(path_of(config))
    missing = 0
    with Console(settings) as console:
        ages = Ages(console, settings)
        for name, key, entry in _found(console, settings, task_type, keys):
            if entry is None:
                missing += 1
                print(f"goophry: {escaped(name)} has no failed entry {escaped(key)}", file=sys.stderr)
            elif raw:
                write_original(entry.original)
            else:
                shown = Shown(name, entry, ages.of(entry))
                print(one_json(shown.told()) if as_json else shown.page())
    return exit_codes.FAILED if missing else exit_codes.OK


def retry(
    config: Path | None, task_type: str, keys: Sequence[str], *, wanted: Wanted | None, mended: bytes | None
) -> int:
    """Put entries back to their queues: those with these keys, in the form `mended` if given, else those wanted."""
    settings = read(path_of(config))
    with Console(settings) as console:

        def deed(name: str) -> "_Retry":
            return _Retry(console.failed(name), _filter(wanted, console, settings), mended)

        return act(console, settings, task_type, keys if wanted is None else None, deed, done="put back")


def rm(config: Path | None, task_type: str, keys: Sequence[str], *, wanted: Wanted | None) -> int:
    """Delete entries: those with these keys, else those wanted."""
    settings = read(path_of(config))
    with Console(settings) as console:

        def deed(name: str) -> "_Delete":
            return _Delete(console.failed(name), _filter(wanted, console, settings))

        return act(console, settings, task_type, keys if wanted is None else None, deed, done="deleted")


@dataclass(frozen=True, slots=True)
class _Retry:
    """A `Deed`."""

    failed: FailedList
    wanted: FailedFilter
    mended: bytes | None

    def length(self) -> int:
        return self.failed.length()

    def one(self, key: str) -> bool:
        return self.failed.retry_one(key, mended=self.mended) is not None

    def all(self, progress: Progress) -> tuple[int, Sequence[str]]:
        swept = self.failed.retry_all(self.wanted, progress=progress)
        return swept.done, _refusals(swept)


@dataclass(frozen=True, slots=True)
class _Delete:
    """A `Deed`."""

    failed: FailedList
    wanted: FailedFilter

    def length(self) -> int:
        return self.failed.length()

    def one(self, key: str) -> bool:
        return self.failed.delete_one(key) is not None

    def all(self, progress: Progress) -> tuple[int, Sequence[str]]:
        return self.failed.delete_all(self.wanted, progress=progress).done, []


def _filter(wanted: Wanted | None, console: Console, settings: Settings) -> FailedFilter:
    return (wanted or Wanted()).filter(Ages(console, settings))


def _refusals(swept: Swept) -> list[str]:
    told = [f"{entry.key} stays, it cannot be run: {escaped(entry.problem)}" for entry in swept.told]
    rest = swept.refused - len(told)
    return [*told, f"and {rest} more that cannot be run"] if rest else told


def _entries(failed: FailedList, wanted: FailedFilter, limit: int) -> Iterator[FailedEntry]:
    """Return up to `limit` entries, 0 = all of them, the newest first."""
    return paged(lambda cursor, left: failed.search(wanted, cursor=cursor, limit=min(left, PAGE)), limit)


def _found(
    console: Console, settings: Settings, task_type: str, keys: Sequence[str]
) -> Iterator[tuple[str, str, FailedEntry | None]]:
    for name in meant(console, settings, [task_type]):
        failed = console.failed(name)
        for key in keys:
            yield name, key, failed.find(key)
