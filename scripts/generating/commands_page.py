"""docs/commands.md: every command with all its flags."""

from typing import Final

from generating.command_tree import Command, Word, commands, completion_flags, flags, statuses
from generating.markers import table

_HEAD: Final = """\
<!-- Written by scripts/generate-docs; changes here are lost. -->
# All commands and flags

What `--help` tells, on one page; the same is the man page `deploy/goophry.1`, which is installed as `share/man/man1/goophry.1` in the environment (`man -M /opt/goophry/share/man goophry`). What one does with them, with examples: [cli.md](cli.md). Signals and the log: [operations.md](operations.md).

    goophry [-c FILE] [-l FILE] [-v] [-V] [-t]     run until stopped
    goophry [-c FILE] COMMAND …                    do one thing and end

"""
_BETWEEN: Final = """
`-c=FILE`, `--c FILE` and `--config=FILE` are the same as `-c FILE`, and so on for all of these. `-c` may also stand behind the command. `-h` and `--help` tell of a command.

"""


def page(_: str) -> str:
    """Return the page."""
    parts = [_HEAD, _table("flag", flags()), _BETWEEN, _table("flag", completion_flags()), "\n## Exit status\n\n"]
    numbers = [[str(number), name, meaning] for number, name, meaning in statuses()]
    parts.append(table(["status", "name", "meaning"], *numbers))
    return "".join(parts) + "".join(map(_section, commands()))


def _section(command: Command) -> str:
    words = f"\n{_table('argument, flag', command.words)}" if command.words else ""
    return f"\n## {command.name}\n\n{_escaped(command.about)}\n\n    {command.usage}\n{words}"


def _table(title: str, words: tuple[Word, ...]) -> str:
    return table([title, "meaning"], *([f"`{word.written}`", _escaped(word.meaning)] for word in words))


def _escaped(text: str) -> str:
    """Keep signs that mean something to Markdown what they are."""
    return "".join(f"\\{sign}" if sign in "*|<[]_" else sign for sign in text)
