"""`--help` of every command: complete, and true."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from goophry import exit_codes
from goophry.cli.commands import app

DOCS = Path(__file__).parents[2] / "docs"
ROOT: click.Group = typer.main.get_command(app)  # type: ignore[assignment]


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Return every command by its words, groups too."""
    for name, command in group.commands.items():
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


ALL = dict(commands(ROOT))
LEAVES = {words: command for words, command in ALL.items() if not isinstance(command, click.Group)}


def help_of(words: str, command: click.Command) -> str:
    return command.get_help(click.Context(command, info_name=f"goophry {words}"))


def test_there_are_as_many_commands_as_are_documented() -> None:
    page = (DOCS / "commands.md").read_text()
    told = {word for heading in re.findall(r"^## (.+)$", page, re.MULTILINE) for word in heading.split()}

    assert {words.split()[0] for words in ALL} <= told
    subcommands = {words.split()[1] for words in ALL if " " in words}
    assert subcommands <= told


@pytest.mark.parametrize("words", ALL)
def test_every_command_has_a_summary_that_fits_its_line(words: str) -> None:
    summary = ALL[words].get_short_help_str(limit=200)

    assert summary.endswith((".", "…"))
    assert 15 < len(ALL[words].short_help or summary) <= 130
    assert (ALL[words].help or ALL[words].short_help or "").rstrip().endswith(".")


@pytest.mark.parametrize("words", LEAVES)
def test_every_option_and_argument_says_what_it_is(words: str) -> None:
    command = LEAVES[words]
    shown = [each for each in command.params if not getattr(each, "hidden", False)]

    assert [each.name for each in shown if not getattr(each, "help", None)] == []
    text = help_of(words, command)
    for each in shown:
        for option in each.opts if isinstance(each, click.Option) else ():
            assert option in text
    assert text.startswith(f"Usage: goophry {words} ")


def test_the_first_page_names_every_exit_status() -> None:
    text = help_of("", ROOT)
    codes = {value for name, value in vars(exit_codes).items() if name.isupper()}

    found = re.findall(r"^ +(\d)  \w", text.partition("Exit status:")[2], re.MULTILINE)
    assert {int(code) for code in found} == codes
    page = (DOCS / "operations.md").read_text()
    assert all(re.search(rf"^\| {code} \| [A-Z_]+ \|", page, re.MULTILINE) for code in codes)


def test_the_first_page_lists_every_command_with_its_summary() -> None:
    text = help_of("", ROOT)

    for words, command in ALL.items():
        if " " not in words:
            assert re.search(rf"^  {words} +\S", text, re.MULTILINE), words
            assert (command.short_help or "")[:30] in text
