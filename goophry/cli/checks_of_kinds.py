"""What can be wrong with a task type, kind by kind."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from goophry.cli.checks_of_files import program_problem
from goophry.cli.checks_of_http import findings_of_http
from goophry.cli.finding import Finding
from goophry.config import TaskType
from goophry.config_kinds import NAMED
from goophry.program_globs import ANYTHING, is_plain


def findings_of_type(task: TaskType) -> Iterator[Finding]:
    """Look at what the type runs."""
    return _KINDS[task.kind](task)


def _of_script(task: TaskType) -> Iterator[Finding]:
    yield Finding.of(f"Type {task.type}: {' '.join(task.script)}", program_problem(Path(task.script[0])))


def _of_command(task: TaskType) -> Iterator[Finding]:
    if ANYTHING in task.allow:
        yield Finding("warning", f"Type {task.type}: Allow {ANYTHING}, whoever can push may run any program")
        return
    path = task.env.get("PATH", os.environ.get("PATH", os.defpath))
    for glob in task.allow:
        what = f"Type {task.type}: Allow {glob}"
        if not is_plain(glob):
            yield Finding("ok", what)
        elif "/" in glob:
            yield Finding.of(what, program_problem(Path(glob)))
        else:
            yield Finding.of(what, "" if shutil.which(glob, path=path) else "not found on PATH")


def _of_named(task: TaskType) -> Iterator[Finding]:
    """A type whose entries name their kind."""
    if task.allow:
        yield from _of_command(task)
    if task.allow_urls:
        yield from findings_of_http(task)


def _of_mail(task: TaskType) -> Iterator[Finding]:
    server = "" if task.smtp is None else f" by {task.smtp.host}"
    yield Finding("ok", f"Type {task.type}: mail{server}")


_KINDS: Final[Mapping[str, Callable[[TaskType], Iterator[Finding]]]] = {
    "script": _of_script,
    "persistent": _of_script,
    "command": _of_command,
    "http": findings_of_http,
    "mail": _of_mail,
    NAMED: _of_named,
}
