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
            for key, text in _of_smtp(task.get("Smtp")):
                yield Problem(("Tasks", index, "Smtp", key), text)
    for key, text in _of_smtp(values.get("Smtp")):
        yield Problem(("Smtp", key), text)
    yield from _without_server(values)


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


def _without_server(values: Mapping[str, Any]) -> Iterator[Problem]:
    tasks = values.get("Tasks")
    for index, task in enumerate(tasks if isinstance(tasks, list) else []):
        if isinstance(task, dict) and task.get("Kind") == "mail" and "Smtp" not in values and "Smtp" not in task:
            yield Problem(("Smtp",), f"missing, Tasks[{index}] is of Kind mail and needs it")
            return


def _of_smtp(smtp: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(smtp, dict):
        return
    if smtp.get("TLS") is True and smtp.get("StartTLS") is True:
        yield "StartTLS", "TLS is given too, expected one of the two"
    if "Password" in smtp and "PasswordFile" in smtp:
        yield "PasswordFile", "Password is given too, expected one of the two"
    has_password = "Password" in smtp or "PasswordFile" in smtp
    if "Username" in smtp and not has_password:
        yield "Password", "missing, Username is given and needs it"
    if "Username" not in smtp and has_password:
        yield "Username", "missing, a password is given and needs it"
    if "Username" in smtp and smtp.get("StartTLS") is False and not smtp.get("TLS"):
        yield "Username", "needs StartTLS or TLS, else the password could be read by all on the way"
