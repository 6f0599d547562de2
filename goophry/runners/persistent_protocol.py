"""The lines that goophry and a persistent script exchange: one JSON object for a task, one for its answer."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from goophry.runners.base import Job

#: The answers of nearly all tasks, known without reading JSON.
_PLAIN_OK: Final = frozenset({b'{"ok":true}', b'{"ok": true}'})
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

#: How many bytes of a wrong answer are quoted.
_QUOTED: Final = 100

_encode: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


class Unanswered(Exception):
    """The line is no answer to the task in hand; the message says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the script said about the task."""

    ok: bool
    error: str = ""
    output: str = ""


_OK: Final = Answer(ok=True)


def id_of(job: Job) -> str:
    """Return the `Id` of the job's lines: the entry's, or that of the run for an entry without one."""
    return job.run_id if job.entry.id is None else job.entry.id


def request(job: Job) -> bytes:
    """Return the line that hands over the task.

    JSON is text: bytes of the entry that are not UTF-8 arrive as U+FFFD.
    """
    entry = job.entry
    fields: dict[str, Any] = {
        "Id": id_of(job),
        "Args": entry.args,
        "Env": entry.env,
        "Attempt": job.attempt,
        "Run": job.run_id,
    }
    if job.recovered:
        fields["Recovered"] = job.recovered
    text = _encode(fields) + "\n"
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _as_text(text).encode()


def read_answer(line: bytes, *, expected_id: str) -> Answer:
    """Read the line (without its line break) that answers the task with this Id.

    Raises `Unanswered` if it does not.
    """
    if line in _PLAIN_OK:
        return _OK
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError):
        raise Unanswered(f"the answer is not JSON: {quoted(line)}") from None
    if not isinstance(value, dict):
        raise Unanswered(f"the answer is not a JSON object: {quoted(line)}")
    if not isinstance(value.get("ok"), bool):
        raise Unanswered(f'the answer has no "ok" that is true or false: {quoted(line)}')
    answered = value.get("Id")
    if answered is not None and str(answered) != expected_id:
        raise Unanswered(f"the answer is for another Id than {expected_id}: {quoted(line)}")
    return Answer(value["ok"], error=_text(value.get("error")), output=_text(value.get("output")))


def quoted(line: bytes) -> str:
    """Show the first bytes of what a script said, on one line."""
    shown = json.dumps(line[:_QUOTED].decode(errors="replace"), ensure_ascii=False)
    return f"{shown}…" if len(line) > _QUOTED else shown


def _text(value: Any) -> str:
    if value is None:
        return ""
    return _as_text(value if isinstance(value, str) else _encode(value))


def _as_text(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)
