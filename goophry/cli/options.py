"""Flags and arguments that several commands have."""

from pathlib import Path
from typing import Annotated, Final

import typer

from goophry.cli import completion, moments
from goophry.cli.flags import Flags

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
