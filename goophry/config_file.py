"""Reading the file: JSON into values under the documented keys, the environment laid over them.

Keys match in any letter case; those that start with `_` or `$` are remarks. `null` is the same as
no value; so is an empty string at the top level, where the original knew no difference.
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goophry.config_fields import Section, is_list, keys_of, section_in, takes_text, variables_of
from goophry.config_sentences import Place, Problem
from goophry.errors import ConfigError

_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Given:
    """What was configured, by documented keys, not yet validated."""

    values: dict[str, Any]
    problems: list[Problem] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    """The environment variable that a top-level value came from, for those that did."""


class _Object(dict[str, Any]):
    """A JSON object that remembers which keys it was given twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated: set[str] = set()
        if len(pairs) > len(self):
            names = [name for name, _ in pairs]
            self.repeated = {name for name in self if names.count(name) > 1}


def read(path: Path, *, section: Section, environ: Mapping[str, str]) -> Given:
    """Read the file and the environment.

    Raises `ConfigError` when the file cannot be read or is no JSON object.
    """
    value = _parse_file(path)
    if not isinstance(value, dict):
        raise ConfigError([f"{path}: expected a JSON object, {{…}}, at the top of the file"])
    problems: list[Problem] = []
    values = {key: item for key, item in _canonical(value, section, (), problems).items() if item != ""}
    given = Given(values, problems)
    _lay_environment_over(given, section=section, environ=environ)
    return given


def _parse_file(path: Path) -> Any:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except ValueError as error:
        raise ConfigError([f"{path}: cannot be read: no such path"]) from error
    if content.startswith(_BYTE_ORDER_MARKS):
        raise ConfigError([f"{path}: starts with a byte order mark, save it as UTF-8 without one"])
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}: is not UTF-8, line {line} has a byte that cannot be read"]) from error
    if not text.strip():
        raise ConfigError([f"{path}: is empty, expected a JSON object"])
    try:
        return _parse(text)
    except ValueError as error:
        raise ConfigError([f"{path}: {error}"]) from error


def _parse(text: str) -> Any:
    """Parse JSON; 2.0 counts as a whole number. Raises `ValueError` with the reason."""
    try:
        value = json.loads(text, object_pairs_hook=_Object, parse_float=_number, parse_constant=_no_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from error
    except UnicodeEncodeError as error:
        raise ValueError("not JSON that can be read: half a character, written as \\ud800 to \\udfff") from error
    except RecursionError as error:
        raise ValueError("not JSON that can be read: too many brackets in each other") from error
    return value


def _number(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _no_constant(name: str) -> None:
    raise ValueError(f"not JSON: {name} is no number that JSON has")


def _canonical(value: dict[str, Any], section: Section, place: Place, problems: list[Problem]) -> dict[str, Any]:
    """Spell the keys of an object as documented, leave out remarks and nulls, tell of the unknown."""
    known = {key.lower(): key for key in keys_of(section)}
    found: dict[str, str] = {}
    result: dict[str, Any] = {}
    for spelling, item in value.items():
        if spelling.startswith(("_", "$")):
            continue
        key = known.get(spelling.lower())
        if key is None:
            problems.append(Problem((*place, spelling), _unknown(spelling, section)))
            continue
        if key in found:
            problems.append(Problem((*place, key), f"given twice, as {found[key]} and as {spelling}"))
        elif isinstance(value, _Object) and spelling in value.repeated:
            problems.append(Problem((*place, key), "given twice"))
        found[key] = spelling
        if item is not None:
            result[key] = _canonical_value(item, section, key, (*place, key), problems)
    return result


def _canonical_value(value: Any, section: Section, key: str, place: Place, problems: list[Problem]) -> Any:
    field = keys_of(section)[key]
    inner = section_in(field)
    if inner is None:
        return value
    if isinstance(value, dict) and not is_list(field):
        return _canonical(value, inner, place, problems)
    if isinstance(value, list) and is_list(field):
        return [
            _canonical(item, inner, (*place, index), problems) if isinstance(item, dict) else item
            for index, item in enumerate(value)
        ]
    return value


def _unknown(spelling: str, section: Section) -> str:
    for outer, holder in keys_of(section).items():
        inner = section_in(holder)
        if inner is not None and spelling.lower() in map(str.lower, keys_of(inner)):
            return f"unknown key here, it is one of the keys inside {outer}"
    known = {key.lower(): key for key in keys_of(section)}
    near = difflib.get_close_matches(spelling.lower(), known, n=1, cutoff=0.65)
    return f"unknown key, did you mean {known[near[0]]}?" if near else "unknown key"


def _lay_environment_over(given: Given, *, section: Section, environ: Mapping[str, str]) -> None:
    fields = keys_of(section)
    for key, variable in variables_of(section).items():
        text = environ.get(variable)
        if text is None:
            continue
        given.variables[key] = variable
        given.values.pop(key, None)
        given.problems[:] = [problem for problem in given.problems if problem.place[0] != key]
        try:
            text.encode()
            value = text if takes_text(fields[key]) or not text.strip() else _parse(text)
        except UnicodeEncodeError:
            given.problems.append(Problem((key,), "expected text in UTF-8"))
            continue
        except ValueError as error:
            if section_in(fields[key]) is not None:
                given.problems.append(Problem((key,), str(error)))
                continue
            value = text
        if value not in ("", None):
            given.values[key] = _canonical_value(value, section, key, (key,), given.problems)
