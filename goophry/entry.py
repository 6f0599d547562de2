"""The JSON in a list: reading what a producer pushed, writing what the failed list keeps.

Compatible with the original: keys in any letter case, unknown keys ignored (and kept), `null`
for no arguments, Go's JSON style on output. Bytes that are not UTF-8 travel unchanged from the
entry into the script's arguments and into the failed list.
"""

import base64
import json
import re
import textwrap
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeVar

from goophry import retry
from goophry.errors import UnreadableEntry
from goophry.retry import RetryPolicy

#: Where goophry itself notes in an entry what it knows of it: an object with `Attempt` (number of the
#: next run), `Enqueued` and `Due` (Unix seconds), `Ticket` (what makes an entry that was put off differ
#: from its equals in the sorted set). What is not understood there counts as absent, and goes on with the entry:
#: a newer release may have noted it. No failed entry has it.
NOTES: Final = "Goophry"

_NOTED: Final = ("Attempt", "Enqueued", "Due", "Ticket")

#: Known keys by their lower-case form; others are kept as the producer wrote them.
KNOWN_KEYS: Final = {
    name.lower(): name for name in ("Args", "Id", "Env", "Timeout", "Delay", "At", "Retry", "ErrorMessage")
}

#: Longest Id, in characters: it becomes part of a key name and of the environment.
MAX_ID_LENGTH: Final = 512

#: How the message of an unreadable entry begins, in the original's words.
UNREADABLE: Final = "parseQueueTask(): "

#: Longest time span, and latest moment, in seconds: three hundred years; more does not fit the kernel's clocks.
MAX_SECONDS: Final = 10_000_000_000

#: Environment names that make an interpreter or the loader run other code than the type's
#: Script. A producer chooses arguments, never a program.
_FORBIDDEN_ENV: Final = re.compile(
    r"(LD_|DYLD_|GOOPHRY_|GLIBC_TUNABLES$|GCONV_PATH$|BASH_ENV$|BASH_FUNC_|ENV$|IFS$|PATH$|PS4$|SHELLOPTS$|BASHOPTS$"
    r"|PYTHON|PERL5|PERLLIB$|RUBY|NODE_|PHPRC$|PHP_INI_SCAN_DIR$|JAVA_TOOL_OPTIONS$|_JAVA_OPTIONS$|LUA_)"
)
_Number = TypeVar("_Number", int, float)
_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Halves of surrogate pairs that came from \ud800-like escapes; U+DC80…U+DCFF stand for raw bytes.
_LONE_SURROGATE: Final = re.compile("[\ud800-\udc7f\udd00-\udfff]")

_NOTHING: Final[Mapping[str, Any]] = {}


# A named tuple, as the events are: one is made for every task, and a frozen dataclass takes four times as long.
class TaskEntry(NamedTuple):
    """One task as a producer asked for it. `fields` is the whole object, known keys spelt our way."""

    args: tuple[str, ...] = ()
    id: str | None = None
    env: Mapping[str, str] = _NOTHING
    timeout_s: float | None = None
    """Overrides the type's Timeout; None = the type's, 0 = no limit."""
    delay_s: float | None = None
    at_s: float | None = None
    """Not to run before this moment, in Unix seconds; counts instead of `delay_s` if both are there."""
    retry: RetryPolicy | None = None
    """Overrides the type's Retry."""
    attempt: int = 1
    """Number of the next run; one more for each that failed and was to be tried again."""
    enqueued_s: float | None = None
    """When goophry took it in, in Unix seconds; None = its producer pushed it."""
    due_s: float | None = None
    """When it was to go into the queue, if it was put off."""
    fields: Mapping[str, Any] = _NOTHING


def parse(raw: bytes) -> TaskEntry:
    """Read the entry `raw` as it stood in the list.

    Raises `UnreadableEntry` with the reason.
    """
    try:
        fields = _canonical(_load(raw))
        if len(fields) == 1 and "Args" in fields:
            return TaskEntry(_args(fields["Args"]), fields=fields)
        if "Entry" in fields and str(fields.get("ErrorMessage", "")).startswith(UNREADABLE):
            # Its Args are empty because nothing could be read: run, it would do something else than was asked.
            raise UnreadableEntry("this is the record of an unreadable entry; mend the text in Entry and push that")
        return TaskEntry(
            args=_args(fields.get("Args")),
            id=_id(fields.get("Id")),
            env=_env(fields.get("Env")),
            timeout_s=_seconds("Timeout", fields.get("Timeout")),
            delay_s=_seconds("Delay", fields.get("Delay")),
            at_s=_seconds("At", fields.get("At")),
            retry=_retry(fields.get("Retry")),
            attempt=_noted(fields, "Attempt", int) or 1,
            enqueued_s=_noted(fields, "Enqueued", float),
            due_s=_noted(fields, "Due", float),
            fields=fields,
        )
    except RecursionError as error:  # hundreds of brackets in one another
        raise UnreadableEntry(f"not JSON that can be read: {error}") from error


def failed_entry(entry: TaskEntry, message: str, raw: bytes) -> bytes:
    """Return the failed-list form: the producer's entry with ErrorMessage last, compact."""
    fields = {"Args": list(entry.args)} | dict(entry.fields)
    fields["Args"] = list(entry.args)
    for key in ("ErrorMessage", NOTES):
        fields.pop(key, None)
    fields["ErrorMessage"] = message
    try:
        return _dump(fields)
    except (ValueError, RecursionError):  # a number that only other JSON libraries can write, as 1e400; deep brackets
        return _dump({"Args": list(entry.args), "ErrorMessage": message, "Entry": raw.decode(errors="replace")})


def put_off(entry: TaskEntry, raw: bytes, *, attempt: int, due_s: float, ticket: str) -> bytes:
    """Return the entry as it waits in the sorted set: without Delay and At, for the set knows when it is due.

    `ticket` differs for each time that an entry is put off, so that equal entries are two members.
    """
    notes: dict[str, Any] = {"Attempt": attempt, "Due": round(due_s, 3), "Ticket": ticket}
    if entry.enqueued_s is not None:
        notes["Enqueued"] = entry.enqueued_s
    fields = {key: value for key, value in entry.fields.items() if key not in ("Delay", "At")}
    noted = fields.get(NOTES)
    others = {key: value for key, value in noted.items() if key not in _NOTED} if isinstance(noted, dict) else {}
    try:
        return _dump(fields | {NOTES: others | notes})
    except (ValueError, RecursionError):  # as in `failed_entry`; of keys that stand twice the last wins
        return raw.rstrip()[:-1] + b"," + _dump({"Delay": None, "At": None, NOTES: notes})[1:]


def submitted(fields: Mapping[str, Any]) -> bytes:
    """Return the JSON of an entry that goophry itself puts in. Raises `UnreadableEntry` if it would be none."""
    try:
        raw = _dump(dict(fields))
    except (ValueError, TypeError, RecursionError, UnicodeEncodeError) as error:
        raise UnreadableEntry(f"not JSON: {error}") from error
    parse(raw)
    return raw


def unreadable_entry(raw: bytes, message: str) -> bytes:
    """Return the failed-list form of text that is no entry: the text itself, under `Entry`.

    Text that is not UTF-8 is kept a second time, exactly, as `EntryBase64`.
    """
    kept: dict[str, Any] = {"Args": [], "ErrorMessage": message, "Entry": raw.decode(errors="replace")}
    try:
        raw.decode()
    except UnicodeDecodeError:
        kept["EntryBase64"] = base64.b64encode(raw).decode()
    return _dump(kept)


def _load(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode()
        lossless = True
    except UnicodeDecodeError:
        text = raw.decode(errors="surrogateescape")
        lossless = False
    try:
        value = _decode(text)
    except json.JSONDecodeError as error:
        raise UnreadableEntry(f"not JSON: {error}") from error
    except ValueError as error:  # an integer of over 4,300 digits
        raise UnreadableEntry(f"not JSON that can be read: {error}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UnreadableEntry(f"expected a JSON object, found {_kind(value)}")
    fields: dict[str, Any] = value
    return _without_lone_surrogates(fields, lossless=lossless) if "\\u" in text else fields


def _canonical(value: dict[str, Any]) -> dict[str, Any]:
    """Spell known keys our way; of keys that differ in case only, the last wins."""
    if len(value) == 1 and "Args" in value:
        return value
    fields: dict[str, Any] = {}
    for key, item in value.items():
        name = key if key == "Args" else KNOWN_KEYS.get(key.lower(), key)
        fields.pop(name, None)
        fields[name] = item
    return fields


def _args(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise UnreadableEntry(f"Args: expected an array of strings, found {_kind(value)}")
    for index, item in enumerate(value):
        if not isinstance(item, str) and item is not None:
            raise UnreadableEntry(f"Args[{index}]: expected a string, found {_kind(item)}")
    # For null the original's decoder leaves the empty string standing.
    return tuple(["" if item is None else item for item in value] if None in value else value)


def _id(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise UnreadableEntry(f"Id: expected a string, found {_kind(value)}")
    if "\0" in value or len(value) > MAX_ID_LENGTH or len(value.encode(errors="ignore").decode()) < len(value):
        raise UnreadableEntry(f"Id: expected at most {MAX_ID_LENGTH} characters without NUL, in UTF-8")
    return value


def _env(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UnreadableEntry(f"Env: expected an object of strings, found {_kind(value)}")
    for name, item in value.items():
        if not isinstance(item, str):
            raise UnreadableEntry(f"Env.{name}: expected a string, found {_kind(item)}")
        if "\0" in item:
            raise UnreadableEntry(f"Env.{name}: the value holds a NUL character")
        if not _ENV_NAME.fullmatch(name):
            raise UnreadableEntry(f"Env: {name!r} is not a name that an environment variable may have")
        if _FORBIDDEN_ENV.match(name):
            raise UnreadableEntry(f"Env: {name} may not be set by an entry, it decides what code runs")
    return value


def _seconds(key: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_SECONDS:
        raise UnreadableEntry(f"{key}: expected seconds, 0 or more, found {_shown(value)}")
    return float(value)


def _retry(value: Any) -> RetryPolicy | None:
    if value is None:
        return None
    try:
        return retry.parse(value)
    except ValueError as error:
        raise UnreadableEntry(f"Retry: expected {error}, found {_shown(value)}") from error


def _noted(fields: Mapping[str, Any], key: str, kind: type[_Number]) -> _Number | None:
    """Return a number of goophry's own notes; a note that makes no sense is none, for it was not the producer's."""
    notes = fields.get(NOTES)
    value: Any = notes.get(key) if isinstance(notes, dict) else None
    is_number = isinstance(value, int) or (kind is float and isinstance(value, float))
    if not is_number or isinstance(value, bool) or not 1 <= value <= MAX_SECONDS:
        return None
    return kind(value)


def _without_lone_surrogates(value: Any, *, lossless: bool) -> Any:
    """Put U+FFFD where an escape stands for half a character, as the original does."""
    pattern = re.compile("[\ud800-\udfff]") if lossless else _LONE_SURROGATE
    if isinstance(value, str):
        return pattern.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_lone_surrogates(item, lossless=lossless) for item in value]
    if isinstance(value, dict):
        return {
            pattern.sub("\ufffd", key): _without_lone_surrogates(item, lossless=lossless) for key, item in value.items()
        }
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# One for all entries: json.loads makes a new decoder for each call with options, a third of its time.
_decode: Final = json.JSONDecoder(parse_constant=_no_constant).decode

_GO_ESCAPES: Final = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def _dump(value: Any) -> bytes:
    """Write compact JSON as Go's encoder does: UTF-8 as it is, `<`, `>` and `&` escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_GO_ESCAPES).encode(errors="surrogateescape")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a string", int: "a number", float: "a number", list: "an array", dict: "an object"}
    return names.get(type(value), "null")


def _shown(value: Any) -> str:
    return textwrap.shorten(json.dumps(value), 40, placeholder="…")
