"""Which keys of a task type go with its Kind and its Script."""

from collections.abc import Iterator, Mapping
from typing import Any

from goophry.config_fields import keys_of
from goophry.config_kinds import KINDS_OF_KEY, REQUIRED_OF_KIND
from goophry.config_sentences import MISSING, Problem, shown
from goophry.config_task import TaskType
from goophry.python_command import python_command


def problems_of_kinds(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield keys that mean nothing beside the type's Kind or Script, and those that it needs."""
    tasks = values.get("Tasks")
    for index, task in enumerate(tasks if isinstance(tasks, list) else []):
        kind = task.get("Kind", "script") if isinstance(task, dict) else None
        if isinstance(kind, str) and kind in REQUIRED_OF_KIND:  # of another one the model tells
            for key, text in [*_of_keys(task, kind), *_of_preload(task, kind)]:
                yield Problem(("Tasks", index, key), text)


def _of_keys(task: Mapping[str, Any], kind: str) -> Iterator[tuple[str, str]]:
    for key in REQUIRED_OF_KIND[kind]:
        if key not in task:
            yield key, MISSING if key == "Script" else f"missing, Kind {kind} needs it"
    for key, kinds in KINDS_OF_KEY.items():
        if kind not in kinds and key in task and not _says_nothing(key, task[key]):
            yield key, f"is for Kind {_or(kinds)}, and this type is of Kind {kind}"


def _says_nothing(key: str, value: Any) -> bool:
    return value in ([], {}) or value == keys_of(TaskType)[key].default


def _or(kinds: tuple[str, ...]) -> str:
    *first, last = kinds
    return f"{', '.join(first)} or {last}" if first else last


def _of_preload(task: Mapping[str, Any], kind: str) -> Iterator[tuple[str, str]]:
    script = task.get("Script")
    if kind == "script" and task.get("Preload") and isinstance(script, list) and _is_no_python(script):
        text = "needs a Script that is a Python file, or a list of a Python interpreter and the file"
        yield "Preload", f"{text}, found {shown(script)}"


def _is_no_python(script: list[Any]) -> bool:
    if not all(isinstance(word, str) for word in script):
        return False  # of which the model tells
    try:
        python_command(script)
    except ValueError:
        return True
    return False
