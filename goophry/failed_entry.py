"""What stands in a failed list, read back: what was asked, what went wrong, and what to push to have it run again.

The list holds what `entry.failed_entry` and `entry.unreadable_entry` wrote, and whatever somebody
pushed there by hand. Of a readable one the ErrorMessage is cut out of the text and all other bytes
stay; of the record of an unreadable one the text it keeps is what counts.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from goophry.entry import UNREADABLE, parse
from goophry.errors import UnreadableEntry
from goophry.outcome import Verdict

#: Characters of an entry's key: half of its SHA-1, which Redis can compute too.
KEY_LENGTH: Final = 16

#: How the first line of a message tells what happened. Anything else is the script's own text.
_BEGINNINGS: Final = (
    (UNREADABLE, Verdict.INVALID),
    ("lost: ", Verdict.LOST),
    ("exit status ", Verdict.FAILED),
    ("signal: ", Verdict.SIGNALLED),
    ("timed out after ", Verdict.TIMEOUT),
    ("fork/exec ", Verdict.START_FAILED),
    ("chdir ", Verdict.START_FAILED),
    ("goophry could not run it: ", Verdict.START_FAILED),
)

#: The outcome where the message is what a script wrote to stdout, or what a persistent one answered.
OTHER: Final = "other"

#: What `FailedFilter.outcomes` may hold.
OUTCOMES: Final = (*dict.fromkeys(verdict.value for _, verdict in _BEGINNINGS), Verdict.CANCELLED.value, OTHER)

# Numbers stay text: one of 5,000 digits is no reason not to find the end of it.
_DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str)
_SPACE: Final = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class FailedEntry:
    """One entry of a failed list. `raw` is what identifies it; equal entries are the same to everybody."""

    raw: bytes
    message: str = ""
    """The ErrorMessage; empty if there is none, as of an entry that was too long to be put into a record."""
    args: tuple[str, ...] = ()
    id: str | None = None
    original: bytes = b""
    """What to push to have it run again; of an unreadable one its text, to be mended."""
    problem: str = ""
    """Why `original` cannot be pushed as it is; empty when it can."""

    @property
    def key(self) -> str:
        """A short name for it; made of its bytes."""
        return key_of(self.raw)

    @property
    def outcome(self) -> str:
        """One of `OUTCOMES`, as far as the message tells."""
        if self.message == Verdict.CANCELLED:
            return Verdict.CANCELLED.value
        return next((verdict.value for start, verdict in _BEGINNINGS if self.message.startswith(start)), OTHER)


@dataclass(frozen=True, slots=True)
class FailedFilter:
    """Which entries are meant; all that is given must hold. Without anything: all."""

    text: str = ""
    """Stands in an argument, the Id, the message or an unreadable text, in any letter case."""
    pattern: "re.Pattern[str] | None" = None
    """Is found in one of these."""
    outcomes: frozenset[str] = frozenset()
    further: Callable[[FailedEntry], bool] | None = None
    """Whatever else must hold."""

    @property
    def is_everything(self) -> bool:
        """Whether nothing must hold."""
        return not (self.text or self.pattern or self.outcomes or self.further)

    def matches(self, entry: FailedEntry) -> bool:
        """Whether `entry` is meant."""
        if self.outcomes and entry.outcome not in self.outcomes:
            return False
        if self.text or self.pattern:
            unread = [entry.original.decode(errors="replace")] if entry.problem else []
            text = "\n".join([entry.id or "", *entry.args, entry.message, *unread])
            if self.text.casefold() not in text.casefold():
                return False
            if self.pattern and not self.pattern.search(text):
                return False
        return self.further is None or self.further(entry)


#: All of them.
EVERYTHING: Final = FailedFilter()


def key_of(raw: bytes) -> str:
    """Return the key of the entry `raw`."""
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest()[:KEY_LENGTH]


def read_failed(raw: bytes) -> FailedEntry:
    """Read an entry of a failed list; never fails, for anything may stand there."""
    text = raw.decode(errors="surrogateescape")
    try:
        members = _members(text)
    except (ValueError, RecursionError):
        members = []
    named = {member.name.lower(): member.value for member in members}
    message = _text(named.get("errormessage"))
    original = _kept_text(members)
    if original is None:
        original = _without_message(text, members)
    try:
        entry = parse(original)
    except UnreadableEntry as error:
        return FailedEntry(raw, message, original=original, problem=str(error))
    return FailedEntry(raw, message, entry.args, entry.id, original)


class _Member(NamedTuple):
    """One `"name": value` of an object, and where in the text it stands."""

    name: str
    value: Any
    start: int
    end: int


def _members(text: str) -> list[_Member]:
    """Return the members of the object `text`. Raises `ValueError` if it is none."""
    position = _after_space(text, 0)
    if text[position : position + 1] != "{":
        raise ValueError("no object")
    members = []
    position = _after_space(text, position + 1)
    while text[position : position + 1] != "}":
        start = position
        name, position = _DECODER.raw_decode(text, start)
        position = _after_space(text, position)
        if not isinstance(name, str) or text[position : position + 1] != ":":
            raise ValueError("no member")
        value, position = _DECODER.raw_decode(text, _after_space(text, position + 1))
        members.append(_Member(name, value, start, position))
        position = _after_space(text, position)
        if text[position : position + 1] == ",":
            position = _after_space(text, position + 1)
    return members


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _without_message(text: str, members: list[_Member]) -> bytes:
    """Return `text` without its ErrorMessage, whatever else stands in it untouched."""
    kept = [index for index, member in enumerate(members) if member.name.lower() != "errormessage"]
    if len(kept) == len(members):
        return text.encode(errors="surrogateescape")
    parts = [text[: members[0].start]]
    for place, index in enumerate(kept):
        # What separates it from the member before stays with it.
        start = members[index].start if place == 0 else members[index - 1].end
        parts.append(text[start : members[index].end])
    parts.append(text[members[-1].end :])
    return "".join(parts).encode(errors="surrogateescape")


def _kept_text(members: list[_Member]) -> bytes | None:
    """Return the text that the record of an unreadable entry keeps; None if this is no such record.

    There Entry stands behind ErrorMessage, which comes last in everything else: an entry may have
    a key Entry of its own.
    """
    places = {member.name: index for index, member in enumerate(members)}
    if not 0 <= places.get("ErrorMessage", -1) < places.get("Entry", -1):
        return None
    exact = places.get("EntryBase64")
    if exact is not None:
        try:
            return base64.b64decode(_text(members[exact].value), validate=True)
        except ValueError:
            pass  # somebody edited it; the text says nearly the same
    return _text(members[places["Entry"]].value).encode(errors="replace")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
