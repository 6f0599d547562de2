"""Flags and arguments that several commands have."""

import re
import time
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from goophry.cli import completion, moments
from goophry.cli.flags import Flags

_Wanted = TypeVar("_Wanted")

Config = Annotated[Path | None, typer.Option("-c", "--config", metavar="FILE", help="The configuration.")]

OneType = Annotated[
    str,
    typer.Argument(metavar="TYPE", help="A task type; * and ? stand for others.", autocompletion=completion.types),
]

Types = Annotated[
    list[str] | None,
    typer.Argument(metavar="TYPE", help="Only these; * and ? stand for others.", autocompletion=completion.types),
]

AsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON object a line.")]

Limit = Annotated[int, typer.Option("--limit", metavar="N", min=0, help="Most for each type; 0 = all.")]

All = Annotated[bool, typer.Option("--all", help="All entries.")]
Text = Annotated[str, typer.Option("--match", metavar="TEXT", help="Those with this text, in any letter case.")]
Regex = Annotated[str, typer.Option("--regex", metavar="REGEX", help="Those in which this is found.")]

#: How a time span is called in the help.
SPAN: Final = "SPAN"


def config_of(context: typer.Context, named: Path | None) -> Path | None:
    """Return the configuration that stands behind the command, else the one before it."""
    flags: Flags = context.obj
    return named or flags.config


def span(text: str) -> float:
    """Read a time span for typer."""
    try:
        return moments.seconds(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def moment(text: str) -> float:
    """Read a moment for typer."""
    try:
        return moments.moment(text, now=time.time())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def checked_regex(text: str) -> str:
    """Return the expression if it is one."""
    try:
        re.compile(text)
    except re.error as error:
        raise typer.BadParameter(f"{error}", param_hint="--regex") from error
    return text


def chosen(keys: list[str] | None, everything: bool, wanted: _Wanted) -> _Wanted | None:
    """Return what the flags mean, None where keys are given: one way to say it, and no more than one."""
    if sum((bool(keys), everything, bool(wanted))) != 1:
        raise typer.BadParameter("expected keys, or --all, or flags that say which")
    return None if keys else wanted
