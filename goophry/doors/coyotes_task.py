"""A task as Coyotes' clients know it, and as goophry runs it."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from goophry.config_door_types import COYOTES_NAME_KEY
from goophry.doors.gojson import plain_number
from goophry.doors.gotime import NEVER
from goophry.entry import TaskEntry

#: Key of an entry: what Coyotes knows of the task.
DATA_KEY: Final = "Coyotes"


@dataclass(frozen=True, slots=True)
class Channel:
    """A queue with workers of its own."""

    name: str
    workers: int
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class CoyotesTask:
    """One task."""

    task_id: str
    task_name: str
    channel: str
    command: str = ""
    """The program; empty = the name of the task is the command."""
    args: tuple[Any, ...] | None = None
    """With the types that JSON has."""
    execute_at: str = NEVER
    retry_count: int = 0
    """How often it has failed."""
    failed_at: str = NEVER
    write_backend: bool = True

    def shown(self, status: str = "") -> dict[str, Any]:
        """Return the JSON object of the wire."""
        return {
            "task_id": self.task_id,
            "task_name": self.task_name,
            "command": {"name": self.command, "args": self.args},
            "channel": self.channel,
            "status": status,
            "execute_at": self.execute_at,
            "retry_count": self.retry_count,
            "failed_at": self.failed_at,
            "write_backend": self.write_backend,
        }

    def argv(self) -> tuple[str, ...]:
        """Return the program and its arguments; each single blank of a name parts two of them."""
        if self.command:
            return (self.command, *(_argument(arg) for arg in self.args or ()))
        return tuple(self.task_name.split(" "))

    def fields(self) -> dict[str, Any]:
        """Return what the entry carries."""
        return {COYOTES_NAME_KEY: self.task_name, DATA_KEY: self.shown()}

    def failed(self, *, failures: int, at: str) -> "CoyotesTask":
        """Return the task after so many failures more, the last one at this moment."""
        return replace(self, retry_count=self.retry_count + failures, failed_at=at)


def task_of(value: Any) -> CoyotesTask | None:
    """Read the JSON object of the wire; None if it is none. What is missing has its zero value."""
    if not isinstance(value, Mapping):
        return None
    command = value.get("command") or {}
    args = command.get("args") if isinstance(command, Mapping) else None
    if not isinstance(command, Mapping) or not (args is None or isinstance(args, Sequence)) or isinstance(args, str):
        return None
    return CoyotesTask(
        task_id=_text(value, "task_id"),
        task_name=_text(value, "task_name"),
        channel=_text(value, "channel"),
        command=_text(command, "name"),
        args=None if args is None else tuple(args),
        execute_at=_text(value, "execute_at") or NEVER,
        retry_count=value["retry_count"] if isinstance(value.get("retry_count"), int) else 0,
        failed_at=_text(value, "failed_at") or NEVER,
        write_backend=value.get("write_backend") is True,
    )


def old_task(raw: bytes, *, channel: str) -> CoyotesTask:
    """Read an entry of an old daemon's own lists: JSON, or from a beta the bare command line."""
    text = raw.decode(errors="surrogateescape")
    try:
        task = task_of(json.loads(text))
    except (ValueError, RecursionError):
        task = None
    if task is None:
        return CoyotesTask(str(uuid.uuid4()), text, channel)
    return task if task.channel else replace(task, channel=channel)


def task_in(entry: TaskEntry, *, channel: str) -> CoyotesTask:
    """Return the task of an entry; one that somebody else pushed is shown by its Args."""
    task = task_of(entry.fields.get(DATA_KEY))
    if task is not None:
        return task
    program, *args = entry.args or ("",)
    return CoyotesTask(entry.id or "", " ".join(entry.args), channel, program, tuple(args), write_backend=False)


def _argument(arg: Any) -> str:
    if isinstance(arg, str):
        return arg
    if isinstance(arg, int | float) and not isinstance(arg, bool):
        return plain_number(arg)
    return ""


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""
