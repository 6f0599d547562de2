"""The body of kingtask's two POSTs: JSON with Go's manners and strictly typed fields."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from goophry.doors.gojson import sound
from goophry.doors.json_scan import is_cut_off

METHODS: Final = ("GET", "POST", "PUT", "DELETE")

#: Fields that hold text, and those that hold a whole number in text.
_TEXTS: Final = ("bin_name", "args", "time_interval", "method", "url")
_NUMBERS: Final = ("start_time", "max_run_time")

_INTEGER: Final = re.compile(r"-?[0-9]+")
_INT64: Final = range(-(2**63), 2**63)
_NO_QUOTES: Final = "json: invalid use of ,string struct tag, trying to unmarshal unquoted value into int64"


class BadBody(Exception):
    """The body is no task; the text is what the client is told."""


@dataclass(frozen=True, slots=True)
class TaskBody:
    """What a client asks for; fields that are not there are empty, or 0."""

    bin_name: str = ""
    args: str = ""
    time_interval: str = ""
    method: str = ""
    url: str = ""
    start_time: int = 0
    max_run_time: int = 0


class _Number:
    """A JSON number; no field takes one."""


def read_body(raw: bytes) -> TaskBody:
    """Read the first JSON value of `raw`; what follows it is ignored. Raises `BadBody`."""
    value = _first_value(raw.decode(errors="surrogateescape"))
    if value is None:
        return TaskBody()
    if not isinstance(value, list) or not all(isinstance(pair, tuple) for pair in value):
        raise BadBody("json: cannot unmarshal a value that is no object")
    found: dict[str, Any] = {}
    for key, item in value:
        # Go compares by Unicode's simple folding; casefold goes further only for letters that no field has.
        name = key.casefold()
        if item is not None and name in _TEXTS:
            found[name] = _text(name, item)
        elif item is not None and name in _NUMBERS:
            found[name] = _integer(name, item)
    return TaskBody(**found)


def _first_value(text: str) -> Any:
    """Return the value; an object comes as a list of pairs, for a key may stand there twice."""
    text = text.lstrip(" \t\r\n")
    if not text:
        raise BadBody("EOF")
    decoder = json.JSONDecoder(
        object_pairs_hook=lambda pairs: pairs or [("", None)],
        parse_int=lambda _: _Number(),
        parse_float=lambda _: _Number(),
        parse_constant=_no_constant,
    )
    try:
        value, _ = decoder.raw_decode(text)
    except RecursionError as error:
        raise BadBody("json: exceeded max depth") from error
    except ValueError as error:
        raise BadBody("unexpected EOF" if is_cut_off(text) else f"invalid JSON: {sound(str(error))}") from error
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _text(name: str, item: Any) -> str:
    if not isinstance(item, str):
        raise BadBody(f"json: cannot unmarshal a value that is no string into field {name} of type string")
    return sound(item)


def _integer(name: str, item: Any) -> int:
    if not isinstance(item, str):
        raise BadBody(_NO_QUOTES)
    if item == "null":
        return 0
    # Longer than any number of 64 bits may be written by leading zeros, and Python limits what it reads.
    number = int(item.lstrip("-").lstrip("0")[:20] or "0") if _INTEGER.fullmatch(item) else None
    number = -number if number is not None and item.startswith("-") else number
    if number is None or number not in _INT64:
        raise BadBody(f"json: invalid use of ,string struct tag, trying to unmarshal {name} into int64")
    return number
