"""The job message of poulpe's clients, the same over HTTP, WebSocket and Kafka, and what is kept of a job.

Types are strict, as the original's decoder has them: no number for a text, no float and no boolean
for a number, nothing left out but `wait`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any, Final, Literal, Self, TypeGuard

#: What stands before the id of a job wherever clients see it.
PREFIX: Final = "task-"

Source = Literal["web", "ws", "kafka", "cron"]

_TEXTS: Final = ("id", "method", "name", "params", "cc")
_INT32: Final = range(-(2**31), 2**31)
_UINT64: Final = range(2**64)
#: What Rust takes for white space; Python adds a few control characters.
_BLANKS: Final = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,32}")
_LONGEST_PLACE: Final = 200
_PLAIN: Final = re.compile(r"[\w.:-]{1,100}", re.ASCII)
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class NotJson(ValueError):
    """The text is not JSON; the message says why."""


class NotAJob(ValueError):
    """The value is JSON, and no job."""

    def __init__(self, value: Any) -> None:
        super().__init__("not a job")
        self.value = value


@dataclass(frozen=True, slots=True)
class Job:
    """One job as it was accepted. `key` names it everywhere but in the message itself."""

    key: str
    method: str
    delay: int
    name: str
    params: str
    cc: tuple[int, ...]
    wait: int
    source: Source
    posted: int
    """Unix seconds of the acceptance."""

    @property
    def kind(self) -> str:
        """What is to be done, whatever the letter case it was asked in."""
        return self.method.upper()

    def to_fields(self) -> dict[str, Any]:
        """Return the form that `from_fields` reads."""
        return asdict(self)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Read what `to_fields` made."""
        return replace(cls(**fields), cc=tuple(fields["cc"]))


def read_json(body: bytes) -> Any:
    """Return the first JSON value of a body; of keys that stand there twice, the last counts. Raises `NotJson`."""
    return _decoded(body, _decoder())


def read_message(body: bytes, *, source: Source, now: float) -> Job:
    """Read the message of a WebSocket or of Kafka, where no key stands twice. Raises `NotJson` and `NotAJob`."""
    value = _decoded(body, _decoder(object_pairs_hook=_once))
    return job_of(value, source=source, now=now)


def job_of(value: Any, *, source: Source, now: float) -> Job:
    """Return the job that the value asks for. Raises `NotAJob`."""
    if not isinstance(value, dict) or not all(isinstance(value.get(name), str) for name in _TEXTS):
        raise NotAJob(value)
    delay, wait = value.get("delay"), value.get("wait")
    if not _is_in(delay, _INT32) or not (wait is None or _is_in(wait, _UINT64)):
        raise NotAJob(value)
    return Job(
        key=PREFIX + value["id"],
        method=value["method"],
        delay=delay,
        name=value["name"],
        params=value["params"],
        cc=tuple(worker_numbers(value["cc"])),
        wait=wait or 0,
        source=source,
        posted=int(now),
    )


def place_of(key: str) -> str:
    """Return where results of a job are kept: its key; of a long one a digest, which a thousand who wait can have."""
    return key if len(key) <= _LONGEST_PLACE else f"#{sha256(key.encode(errors='replace')).hexdigest()}"


def ticket_of(key: str, unique: object) -> str:
    """Return the Id of a job's task: for people it begins with the job's key, where that is plain."""
    return f"{key}.{unique}" if _PLAIN.fullmatch(key) else str(unique)


def worker_numbers(text: str) -> list[int]:
    """Return the numbers in `cc`; a word that is none counts as 0, as in the original."""
    return [_int32(word) for word in words(text)]


def words(text: str) -> list[str]:
    """Split at white space, and at nothing else."""
    return [word for word in _BLANKS.split(text) if word]


def allowed_workers(cc: Sequence[int], *, workers: int) -> list[int]:
    """Return the workers that may run the job: those named that there are; all, if that leaves none."""
    named = sorted({number for number in cc if 0 <= number < workers})
    return named or list(range(workers))


def compact(value: Any) -> str:
    """Return JSON as the original writes it: keys in order, no blanks, text as it is."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact(key)}:{compact(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    if isinstance(value, float):
        return _float(value)
    return json.dumps(value, ensure_ascii=False)


def _decoder(**options: Any) -> json.JSONDecoder:
    return json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite, parse_int=_integer, **options)


def _decoded(body: bytes, decoder: json.JSONDecoder) -> Any:
    try:
        text = body.decode().lstrip(" \t\r\n")
        value, _ = decoder.raw_decode(text)
    except RecursionError as error:
        raise NotJson("recursion limit exceeded") from error
    except NotAJob:
        raise
    except ValueError as error:
        raise NotJson(str(error)) from error
    if "\\u" in text and _has_half_a_character(value):
        raise NotJson("lone surrogate in a text")
    return value


def _has_half_a_character(value: Any) -> bool:
    if isinstance(value, str):
        return _LONE_SURROGATE.search(value) is not None
    if isinstance(value, dict):
        return any(_has_half_a_character(each) for pair in value.items() for each in pair)
    return isinstance(value, list) and any(map(_has_half_a_character, value))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    known = [key for key, _ in pairs if key in {*_TEXTS, "delay", "wait"}]
    if len(known) != len(set(known)):
        raise NotAJob(fields)
    return fields


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError("number out of range")
    return number


def _integer(text: str) -> int | float:
    """Read an integer as the original does: what does not fit 64 bits, and -0, is a float there."""
    if text == "-0":
        return -0.0
    number = int(text) if len(text) <= len("-9223372036854775808") else None
    if number is None or not -(2**63) <= number < 2**64:
        return _finite(text)
    return number


def _float(number: float) -> str:
    """Write a float as Rust does."""
    text = repr(number)
    mantissa, e, exponent = text.partition("e")
    if not e:
        return text
    if int(exponent) == -5:  # noqa: PLR2004 - the one that Python writes with an exponent and Rust does not
        sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
        return f"{sign}0.0000{digits.replace('.', '')}"
    return f"{mantissa}e{int(exponent)}"


def _int32(word: str) -> int:
    number = int(word) if _NUMBER.fullmatch(word) else 0
    return number if number in _INT32 else 0


def _is_in(value: Any, numbers: range) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value in numbers
