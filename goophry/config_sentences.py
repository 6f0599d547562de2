"""What is wrong with the configuration, told in sentences: the place, what was expected, what was found."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

Place = tuple[str | int, ...]

#: What is said of a required key that is not there.
MISSING: Final = "missing, this key is required"

#: Longest piece of a value that a sentence shows, in characters.
_SHOWN: Final = 60
_CREDENTIALS: Final = re.compile(r"//.*@")
_PLAIN_KEY: Final = re.compile(r"[\w$-]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: where in the file, and the rest of the sentence."""

    place: Place
    text: str


#: The phrases for pydantic's kinds of error; those with a limit are filled from its context.
_EXPECTED: Final = {
    "string_type": "a string",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "tuple_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "expected": "{what}",
    "too_short": "at least {min_length} in it",
}
_OBJECTS: Final = ("tuple_type", "dict_type", "model_type", "model_attributes_type")


def problems_of(error: ValidationError, *, secret: Collection[str]) -> Iterator[Problem]:
    """Translate what pydantic found; the values of keys in `secret` are not shown."""
    for detail in error.errors(include_url=False):
        yield _problem(detail, secret=secret)


def sentences(problems: list[Problem], *, variables: Mapping[str, str]) -> list[str]:
    """Return the sentences: those about the top level first, then type by type.

    `variables` names the environment variable that a top-level key's value came from.
    """
    ordered = sorted(problems, key=lambda problem: next((part for part in problem.place if isinstance(part, int)), -1))
    return [f"{place_text(problem.place, variables=variables)}: {problem.text}" for problem in ordered]


def place_text(place: Place, *, variables: Mapping[str, str]) -> str:
    """Write a place as `Tasks[0].Env.NAME`."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not text:
            text = variables.get(part) or _key(part)
        else:
            text += f".{_key(part)}"
    return text


def shown(value: Any) -> str:
    """Show a value as compact JSON, cut; objects, which may hold secrets, by their kind only."""
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict | list) for item in value)):
        return kind(value)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    text = _CREDENTIALS.sub("//…@", text)
    text = printable(text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def printable(text: str) -> str:
    """Put U+FFFD for characters that would upset a terminal."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def kind(value: Any) -> str:
    """Say what kind of JSON value it is."""
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a string", int: "a number", float: "a number", list: "an array"}
    if isinstance(value, dict):
        return "an object"
    return names.get(type(value), "null")


def _problem(detail: ErrorDetails, *, secret: Collection[str]) -> Problem:
    place, found = detail["loc"], detail["input"]
    if detail["type"] == "missing":
        return Problem(place, MISSING)
    if detail["type"] == "sentence":
        return Problem(place, detail["ctx"]["text"])
    if detail["type"] == "told":
        return Problem(place, printable(str(detail.get("ctx", {})["what"])))
    expected = _EXPECTED.get(detail["type"], "another value").format_map(_limits(detail.get("ctx", {})))
    if detail["type"] == "literal_error":
        expected = expected.replace("'", '"')
    if place[-1] == "[key]":  # a name in Env; whoever wrote NAME=value there has shown the value
        return Problem(place[:-2], f"expected {expected}, found {shown(str(found).partition('=')[0] + '=…')}")
    may_hold = detail["type"] in _OBJECTS and isinstance(found, str | list | dict)
    hidden = may_hold or any(part in secret for part in place)
    return Problem(place, f"expected {expected}, found {kind(found) if hidden else shown(found)}")


def _limits(context: Mapping[str, Any]) -> dict[str, Any]:
    """Write a limit of 0.0 as 0."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in context.items()
    }


def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else shown(key)
