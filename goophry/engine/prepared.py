"""A submission made ready for Redis: checked, with its Id, its entry, and when it is due. Pure."""

import math
from dataclasses import dataclass
from typing import Any

from goophry.config import TaskType
from goophry.entry import KNOWN_KEYS, MAX_SECONDS, NOTES, submitted
from goophry.errors import UnreadableEntry
from goophry.likeness import digest
from goophry.record import TaskRecord
from goophry.store.tasks import NOW, Due, due_at, due_in
from goophry.submission import InvalidSubmission, Submission


@dataclass(frozen=True, slots=True)
class Prepared:
    """One task that may be taken in."""

    record: TaskRecord
    """What is to be known of it from then on: its Id and type among that."""
    raw: bytes
    """Its entry."""
    due: Due
    unique: tuple[str, int]
    """What makes it equal to others of its type, empty = nothing, and the ms for which that counts."""


def prepare(
    submission: Submission, task_type: TaskType, *, entry_id: str, now_s: float, max_entry_bytes: int
) -> Prepared:
    """Check the submission and return the task. Raises `InvalidSubmission`."""
    if task_type.args_schema is not None and (problem := task_type.args_schema.problem(submission.args)):
        raise InvalidSubmission(problem)
    due, due_s = _due(submission, now_s=now_s)
    raw = _entry(submission, entry_id, now_s=now_s, due_s=due_s)
    if len(raw) > max_entry_bytes:
        raise InvalidSubmission(f"{len(raw)} bytes, MaxEntryBytes is {max_entry_bytes}")
    return Prepared(
        TaskRecord(entry_id, submission.type, "waiting" if due is NOW else "delayed", enqueued=now_s, due=due_s),
        raw,
        due,
        _likeness(submission, task_type),
    )


def _likeness(submission: Submission, task_type: TaskType) -> tuple[str, int]:
    """Return what makes the task equal to others, and the ms for which that counts."""
    unique = task_type.unique
    if unique is None:
        return "", 0
    return digest(submission.args, submission.fields, by=unique.by), math.ceil(unique.ttl * 1000)


def _due(submission: Submission, *, now_s: float) -> tuple[Due, float | None]:
    delay_s, at_s = submission.delay_s, submission.at_s
    if delay_s is not None and at_s is not None:
        raise InvalidSubmission("Delay and At: expected one of the two")
    for name, value in (("Delay", delay_s), ("At", at_s)):
        if value is not None and not 0 <= value <= MAX_SECONDS:
            raise InvalidSubmission(f"{name}: expected seconds, between 0 and {MAX_SECONDS}, found {value:g}")
    if at_s is not None:
        return due_at(at_s), at_s
    return (due_in(delay_s), now_s + delay_s) if delay_s else (NOW, None)


def _entry(submission: Submission, entry_id: str, *, now_s: float, due_s: float | None) -> bytes:
    strange = [key for key in submission.fields if key.lower() in KNOWN_KEYS or key == NOTES]
    if strange:
        raise InvalidSubmission(f"{strange[0]}: not a further key, it has a meaning of its own")
    notes = {"Enqueued": round(now_s, 3)}
    fields: dict[str, Any] = {"Args": list(submission.args), "Id": entry_id}
    if submission.env:
        fields["Env"] = dict(submission.env)
    if submission.timeout_s is not None:
        fields["Timeout"] = submission.timeout_s
    if submission.retry is not None:
        fields["Retry"] = submission.retry.as_json()
    fields |= submission.fields
    fields[NOTES] = notes if due_s is None else notes | {"Due": round(due_s, 3)}
    try:
        return submitted(fields)
    except UnreadableEntry as error:
        raise InvalidSubmission(str(error)) from error
