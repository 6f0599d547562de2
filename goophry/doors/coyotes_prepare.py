"""An entry of the list into which clients push tasks without HTTP."""

import json
from dataclasses import dataclass
from typing import Any, Final

from goophry.doors.gojson import sound
from goophry.doors.gotime import NEVER, rfc3339

#: The list; with a BizName, that and a colon stand before it.
PREPARE_QUEUE: Final = "task:prepare:queue"

_TEXTS: Final = ("id", "task", "chan")
_NUMBERS: Final = ("ts", "execute_at")
_INT64: Final = range(-(2**63), 2**63)


class BadEntry(Exception):
    """The entry is no task; the text says why."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a client asks for."""

    task: str = ""
    chan: str = ""
    id: str = ""
    command: str = ""
    args: tuple[Any, ...] | None = None
    execute_at: int = 0
    """Unix seconds."""

    def due_at(self, now: float) -> tuple[float | None, str]:
        """Return when it is due, None = now, and how that is shown."""
        if self.execute_at <= now:
            return None, NEVER
        return float(self.execute_at), rfc3339(min(self.execute_at, _LAST_S))


#: The end of the year 9999, the last that can be shown.
_LAST_S: Final = 253_402_214_400


def read_entry(raw: bytes) -> Prepared:
    """Read the entry; unknown keys are passed over, and keys match in any case. Raises `BadEntry`."""
    try:
        value = json.loads(raw.decode(errors="surrogateescape"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadEntry(f"not JSON: {sound(str(error))}") from error
    if not isinstance(value, dict):
        raise BadEntry("expected a JSON object")
    found = {key.casefold(): item for key, item in value.items() if item is not None}
    for name in _TEXTS:
        if not isinstance(found.get(name, ""), str):
            raise BadEntry(f"{name}: expected text")
    for name in _NUMBERS:
        number = found.get(name, 0)
        if isinstance(number, bool) or not isinstance(number, int) or number not in _INT64:
            raise BadEntry(f"{name}: expected a whole number")
    command, args = _command(found.get("command", {}))
    return Prepared(
        sound(found.get("task", "")),
        sound(found.get("chan", "")),
        sound(found.get("id", "")),
        command,
        args,
        found.get("execute_at", 0),
    )


def _command(value: Any) -> tuple[str, tuple[Any, ...] | None]:
    if not isinstance(value, dict):
        raise BadEntry("command: expected an object")
    found = {key.casefold(): item for key, item in value.items() if item is not None}
    name, args = found.get("name", ""), found.get("args")
    if not isinstance(name, str):
        raise BadEntry("command.name: expected text")
    if args is not None and not isinstance(args, list):
        raise BadEntry("command.args: expected a list")
    return sound(name), None if args is None else tuple(_sound(arg) for arg in args)


def _sound(value: Any) -> Any:
    """Put U+FFFD where text is none, also within lists and objects; numbers become floats, as in Go."""
    if isinstance(value, str):
        return sound(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _float(value)
    if isinstance(value, list):
        return [_sound(item) for item in value]
    if isinstance(value, dict):
        return {sound(key): _sound(item) for key, item in value.items()}
    return value


def _float(number: int) -> float:
    try:
        return float(number)
    except OverflowError as error:
        raise BadEntry("command.args: a number that is too large") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
