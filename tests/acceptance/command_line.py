"""Ways to run the command line: as a process, and within this one."""

import io
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from goophry.cli.main import dispatch

Config = Callable[..., Path]


def run(*arguments: str | Path, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "goophry", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)


def do(*arguments: str | Path) -> int:
    """Run the command line in this process: a command of typer's ends with SystemExit."""
    try:
        return dispatch([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)


def said(*arguments: str | Path, status: int | None = None) -> str:
    """Run the command line in this process and return what it printed; with a `status`, see that it ended with that."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        ended = do(*arguments)
    assert status in {None, ended}, printed.getvalue()
    return printed.getvalue()
