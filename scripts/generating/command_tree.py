"""The command line as values: every command with its arguments and flags, as typer has them."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import typer

from goophry import exit_codes
from goophry.cli.commands import app
from goophry.cli.flags import FLAGS_TABLE

_FLAG: Final = re.compile(r"^  (\S+(?: [A-Z]+)?)\s+(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Word:
    """A flag or an argument: how it is written, and what it means."""

    written: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command; `name` may have several words, as `failed ls`."""

    name: str
    usage: str
    about: str
    words: tuple[Word, ...]


def commands() -> tuple[Command, ...]:
    """Return all commands that do something, in the order of their names."""
    group = typer.main.get_command(app)
    return tuple(sorted(_below(group, typer.Context(group, info_name="goophry")), key=lambda found: found.name))


def flags() -> tuple[Word, ...]:
    """Return the flags before any command."""
    return tuple(Word(written, meaning) for written, meaning in _FLAG.findall(FLAGS_TABLE))


def completion_flags() -> tuple[Word, ...]:
    """Return the flags that typer brings, which are about completion."""
    group = typer.main.get_command(app)
    found = _words(group, typer.Context(group, info_name="goophry"))
    return tuple(word for word in found if "completion" in word.written)


def statuses() -> tuple[tuple[int, str, str], ...]:
    """Return number, name and meaning of each exit status."""
    body = ast.parse(Path(exit_codes.__file__).read_text(encoding="utf-8")).body
    told = []
    for statement, text in pairwise(body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            assert isinstance(text, ast.Expr), "each status has its docstring"
            assert isinstance(text.value, ast.Constant), "each status has its docstring"
            name = statement.target.id
            told.append((getattr(exit_codes, name), name, str(text.value.value)))
    return tuple(told)


def _below(command: Any, context: Any) -> Iterator[Command]:
    below = getattr(command, "commands", None)
    if below is None:
        name = context.command_path.removeprefix("goophry ")
        # Braces are how some versions of click mark what must be there.
        usage = command.get_usage(context).removeprefix("Usage: ").replace("{", "").replace("}", "")
        yield Command(name, " ".join(usage.split()), _paragraph(command.help), tuple(_words(command, context)))
        return
    for name, each in below.items():
        yield from _below(each, typer.Context(each, info_name=name, parent=context))


def _words(command: Any, context: Any) -> Iterator[Word]:
    for param in command.get_params(context):
        record = param.get_help_record(context)
        # --help is told once, for all of them.
        if record is not None and "--help" not in record[0]:
            written = record[0] if record[0].startswith("-") else param.metavar
            yield Word(written, " ".join(record[1].split()).removesuffix("[required]").strip())


def _paragraph(text: str) -> str:
    return " ".join(text.split())
