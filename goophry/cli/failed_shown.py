"""How entries of failed lists are shown: on a line, on a page, as JSON, byte by byte."""

import sys
import time
from typing import Any, Final, NamedTuple

from goophry.cli.showing import block, span
from goophry.config import Settings
from goophry.failed_entry import FailedEntry
from goophry.log_lines import escaped, first_line, quoted
from goophry.store.console import Console
from goophry.store.records import Records

#: Longest message of an entry in a line, if there is room.
_MESSAGE: Final = 60


class Ages:
    """How long ago entries failed, as far as their results tell."""

    def __init__(self, console: Console, settings: Settings) -> None:
        self._records = Records(console.links, queue_key=settings.redis_queue_key)
        self._now_s = time.time()

    def of(self, entry: FailedEntry) -> float | None:
        """Return the age in seconds; None if it is not known."""
        record = self._records.read(entry.id) if entry.id else None
        return None if record is None or record.finished is None else max(0.0, self._now_s - record.finished)


class Shown(NamedTuple):
    """An entry of a failed list, with what is known beside it."""

    type: str
    entry: FailedEntry
    age_s: float | None

    def line(self) -> str:
        """Return `key outcome [age] message args`."""
        entry = self.entry
        age = "" if self.age_s is None else f"{span(self.age_s)} ago  "
        message = escaped(first_line(entry.message), limit=_MESSAGE)
        args = quoted(entry.args) if not entry.problem else escaped(entry.original.decode(errors="replace"))
        return f"{entry.key}  {entry.outcome:<12}  {age}{message}  {args}"

    def page(self) -> str:
        """Return everything about it, on lines of their own."""
        entry = self.entry
        rows = [("Key", entry.key), ("Type", escaped(self.type)), ("Outcome", entry.outcome)]
        if self.age_s is not None:
            rows.append(("Failed", f"{span(self.age_s)} ago"))
        if entry.id:
            rows.append(("Id", escaped(entry.id)))
        rows += [(f"Args[{index}]", block(arg)) for index, arg in enumerate(entry.args)]
        if entry.problem:
            text = block(entry.original.decode(errors="replace"))
            rows += [("Text", text), ("Cannot be run", escaped(entry.problem))]
        rows.append(("Message", block(entry.message.rstrip())))
        # Further lines are indented, so that none of them looks like one of ours.
        indent = "\n" + 11 * " "
        return "\n".join(f"{label + ':':<10} {text.replace(chr(10), indent)}" for label, text in rows) + "\n"

    def told(self) -> dict[str, Any]:
        """Return it for programs."""
        entry = self.entry
        told: dict[str, Any] = {
            "Type": self.type,
            "Key": entry.key,
            "Outcome": entry.outcome,
            "Id": entry.id,
            "Args": list(entry.args),
            "ErrorMessage": entry.message,
            "Entry": entry.original.decode(errors="replace"),
        }
        if entry.problem:
            told["Problem"] = entry.problem
        return told if self.age_s is None else told | {"Age": round(self.age_s, 3)}


def write_original(entry: bytes) -> None:
    """Write an entry byte by byte; to a terminal only what does not command it."""
    if sys.stdout.isatty():
        print(block(entry.decode(errors="surrogateescape")))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(entry + b"\n")
