"""`goophry failed …`: looking through failed lists, putting entries back, deleting them."""

import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from goophry import exit_codes
from goophry.cli.acting import act
from goophry.cli.configuration import path_of, read
from goophry.cli.showing import block, one_json, span, width
from goophry.cli.which_types import meant
from goophry.config import Settings
from goophry.failed_entry import FailedEntry, FailedFilter
from goophry.log_lines import escaped, first_line, quoted
from goophry.store.console import Console
from goophry.store.failed import FailedList
from goophry.store.failed_sweep import Progress, Swept
from goophry.store.records import Records

#: Entries that are asked for at once.
_PAGE: Final = 200

#: Longest message of an entry in a line, if there is room.
_MESSAGE: Final = 60


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

    def filter(self, ages: "Ages") -> FailedFilter:
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


class Ages:
    """How long ago entries failed, as far as their results tell."""

    def __init__(self, console: Console, settings: Settings) -> None:
        self._records = Records(console.links, queue_key=settings.redis_queue_key)
        self._now_s = time.time()

    def of(self, entry: FailedEntry) -> float | None:
        """Return the age in seconds; None if it is not known."""
        record = self._records.read(entry.id) if entry.id else None
        return None if record is None or record.finished is None else max(0.0, self._now_s - record.finished)


def ls(config: Path | None, types: Sequence[str], *, wanted: Wanted, limit: int, as_json: bool) -> int:
    """Print the newest entries of each type; FAILED if there is none."""
    settings = read(path_of(config))
    with Console(settings) as console:
        ages, shown = Ages(console, settings), 0
        names = meant(console, settings, types)
        column = max((len(escaped(name)) for name in names), default=0) if len(names) > 1 else 0
        for name in names:
            entries = _entries(console.failed(name), wanted.filter(ages), limit)
            for entry in entries:
                age_s = ages.of(entry)
                print(one_json(_told(name, entry, age_s)) if as_json else _line(name, entry, age_s, column))
                shown += 1
    if not shown:
        print("goophry: no such failed entry" if wanted else "goophry: nothing has failed", file=sys.stderr)
    return exit_codes.OK if shown else exit_codes.FAILED


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
                _write(entry.original)
            elif as_json:
                print(one_json(_told(name, entry, ages.of(entry))))
            else:
                print(_page(name, entry, ages.of(entry)))
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
    """Yield up to `limit` entries, 0 = all of them, the newest first."""
    cursor, left = None, limit or sys.maxsize
    while left > 0:
        page = failed.search(wanted, cursor=cursor, limit=min(left, _PAGE))
        yield from page.entries
        left -= len(page.entries)
        cursor = page.cursor
        if cursor is None:
            return


def _found(
    console: Console, settings: Settings, task_type: str, keys: Sequence[str]
) -> Iterator[tuple[str, str, FailedEntry | None]]:
    for name in meant(console, settings, [task_type]):
        failed = console.failed(name)
        for key in keys:
            yield name, key, failed.find(key)


def _line(name: str, entry: FailedEntry, age_s: float | None, column: int) -> str:
    """Return `key outcome [age] message args` on one line."""
    head = f"{escaped(name):<{column}}  " if column else ""
    age = "" if age_s is None else f"{span(age_s)} ago  "
    message = escaped(first_line(entry.message), limit=_MESSAGE)
    args = quoted(entry.args) if not entry.problem else escaped(entry.original.decode(errors="replace"))
    line = f"{head}{entry.key}  {entry.outcome:<12}  {age}{message}  {args}".rstrip()
    room = width()
    return line if len(line) <= room else line[: room - 1] + "…"


def _page(name: str, entry: FailedEntry, age_s: float | None) -> str:
    rows = [("Key", entry.key), ("Type", escaped(name)), ("Outcome", entry.outcome)]
    if age_s is not None:
        rows.append(("Failed", f"{span(age_s)} ago"))
    if entry.id:
        rows.append(("Id", escaped(entry.id)))
    rows += [(f"Args[{index}]", block(arg)) for index, arg in enumerate(entry.args)]
    if entry.problem:
        rows += [("Text", block(entry.original.decode(errors="replace"))), ("Cannot be run", escaped(entry.problem))]
    rows.append(("Message", block(entry.message.rstrip())))
    # Further lines are indented, so that none of them looks like one of ours.
    indent = "\n" + 11 * " "
    return "\n".join(f"{label + ':':<10} {text.replace(chr(10), indent)}" for label, text in rows) + "\n"


def _told(name: str, entry: FailedEntry, age_s: float | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "Type": name,
        "Key": entry.key,
        "Outcome": entry.outcome,
        "Id": entry.id,
        "Args": list(entry.args),
        "ErrorMessage": entry.message,
        "Entry": entry.original.decode(errors="replace"),
    }
    if entry.problem:
        told["Problem"] = entry.problem
    return told if age_s is None else told | {"Age": round(age_s, 3)}


def _write(entry: bytes) -> None:
    """Write an entry byte by byte; to a terminal only what does not command it."""
    if sys.stdout.isatty():
        print(block(entry.decode(errors="surrogateescape")))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(entry + b"\n")
