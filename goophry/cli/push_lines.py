"""Tasks as they are written line by line: a whole entry, or the arguments alone."""

import json
from typing import NamedTuple

from goophry.entry import KNOWN_KEYS, NOTES, parse
from goophry.errors import UnreadableEntry
from goophry.submission import Submission

_KNOWN = {*KNOWN_KEYS.values(), NOTES}


class Line(NamedTuple):
    """One line of the input."""

    number: int
    raw: bytes

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing but white space."""
        return not self.raw.strip()


def submission_of(line: Line, task_type: str) -> Submission:
    """Read a JSON object as an entry, and a JSON array of strings as arguments. Raises `UnreadableEntry`."""
    raw = line.raw.strip()
    if raw.startswith(b"["):
        raw = b'{"Args":' + raw + b"}"
    elif not raw.startswith(b"{"):
        shown = json.dumps(raw[:40].decode(errors="replace"))
        raise UnreadableEntry(f"expected an entry, as {{…}}, or its arguments, as […], found {shown}")
    entry = parse(raw)
    return Submission(
        task_type,
        entry.args,
        id=entry.id,
        env=entry.env,
        delay_s=entry.delay_s if entry.at_s is None else None,
        at_s=entry.at_s,
        timeout_s=entry.timeout_s,
        retry=entry.retry,
        fields={key: value for key, value in entry.fields.items() if key not in _KNOWN},
    )
