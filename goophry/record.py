"""What is known of a task with an Id, from its submission to its result: a JSON object in Redis."""

import json
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, Self

from goophry.outcome import Captured

Status = Literal["waiting", "delayed", "running", "finished"]
_STATUSES: Final = ("waiting", "delayed", "running", "finished")

#: Bytes of stdout, and of stderr, that a record keeps: the first and the last half.
OUTPUT_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One task. Moments are Unix seconds; None = it has not come to that, or it is not known."""

    id: str
    type: str
    status: Status
    """`delayed` also between two tries."""
    outcome: str | None = None
    """How the last run ended: a `Verdict`. With status `finished` it is final."""
    exit_code: int | None = None
    signal: int | None = None
    output: str = ""
    """What the last run wrote to stdout: head and tail, with a line between them if some was dropped."""
    stderr: str = ""
    error: str = ""
    """The ErrorMessage; empty on success."""
    attempt: int = 1
    """Number of the run that is told of, or that comes next."""
    recovered: int = 0
    """How often the task was taken over from a dead instance."""
    enqueued: float | None = None
    due: float | None = None
    """When it is to run, or was to run, if it was put off."""
    started: float | None = None
    finished: float | None = None
    instance: str = ""
    run: str = ""

    @property
    def is_final(self) -> bool:
        """Whether the task has ended."""
        return self.status == "finished"

    def to_json(self) -> bytes:
        """Return the record as it stands in Redis: every key, spelt as in Redis, compact."""
        value = {_key(each.name): getattr(self, each.name) for each in fields(self)}
        try:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogateescape")
        except UnicodeEncodeError:  # half a surrogate pair, which JSON can escape and UTF-8 cannot have
            return json.dumps(value, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> Self | None:
        """Read what stood in Redis; None if it is no record: somebody wrote there, or a newer release did."""
        try:
            value = json.loads(raw.decode(errors="surrogateescape"))
        except (ValueError, RecursionError):
            return None
        if not isinstance(value, dict):
            return None
        known = {name: value[key] for key, name in _NAMES.items() if key in value}
        return cls(**known) if _is_sound(known) else None


def kept(stream: Captured) -> str:
    """Return what a record keeps of a stream."""
    if stream.size <= OUTPUT_BYTES and not stream.dropped:
        return stream.text()
    half = OUTPUT_BYTES // 2
    head = stream.head[:half]
    tail = (stream.tail or stream.head)[-half:]
    return Captured(head, tail, stream.size - len(head) - len(tail)).text()


def _key(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


_NAMES: Final = {_key(each.name): each.name for each in fields(TaskRecord)}
_NUMBERS: Final = ("enqueued", "due", "started", "finished")
_INTEGERS: Final = ("exit_code", "signal", "attempt", "recovered")
_REQUIRED: Final = ("id", "type", "status")


def _is_sound(known: dict[str, Any]) -> bool:
    for name, value in known.items():
        if value is None and name in {"outcome", "exit_code", "signal", *_NUMBERS}:
            continue
        wanted = (int, float) if name in _NUMBERS else int if name in _INTEGERS else str
        if not isinstance(value, wanted) or isinstance(value, bool):
            return False
    return all(name in known for name in _REQUIRED) and known["status"] in _STATUSES
