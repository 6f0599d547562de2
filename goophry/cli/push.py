"""`goophry push`: what a producer does with RPUSH, with the type and the entry checked first."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from goophry import exit_codes
from goophry.cli.configuration import path_of, read
from goophry.config import Settings
from goophry.entry import parse
from goophry.errors import UnreadableEntry
from goophry.store.console import Console


def push(
    config: Path | None,
    *,
    task_type: str,
    args: Sequence[str],
    entry_id: str | None = None,
    env: Mapping[str, str],
    timeout_s: float | None = None,
) -> int:
    """Push one entry and print how many wait then. Raises `ConfigError` and `StoreError`."""
    settings = read(path_of(config))
    if not _is_configured(settings, task_type):
        return exit_codes.FAILED
    raw = entry(args, entry_id=entry_id, env=env, timeout_s=timeout_s)
    try:
        parse(raw)
    except UnreadableEntry as error:
        print(f"goophry: this would be no task entry: {error}", file=sys.stderr)
        return exit_codes.FAILED
    with Console(settings) as console:
        waiting = console.push(task_type, raw)
    print(f"{settings.redis_queue_key}:{task_type}: pushed, {waiting} waiting{f', id {entry_id}' if entry_id else ''}")
    return exit_codes.OK


def entry(args: Sequence[str], *, entry_id: str | None, env: Mapping[str, str], timeout_s: float | None) -> bytes:
    """Return the JSON of a task entry; bytes of arguments that are not UTF-8 stay as they are."""
    fields: dict[str, Any] = {"Args": list(args)}
    if entry_id:
        fields["Id"] = entry_id
    if env:
        fields["Env"] = dict(env)
    if timeout_s is not None:
        fields["Timeout"] = timeout_s
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogateescape")


def _is_configured(settings: Settings, task_type: str) -> bool:
    types = [task.type for task in settings.tasks]
    if task_type in types:
        return True
    print(f"goophry: {task_type!r} is no configured type; there are: {', '.join(types)}", file=sys.stderr)
    return False
