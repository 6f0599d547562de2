"""The flags before any command, read as the original read them: `-c FILE`, `-c=FILE`, `--c FILE`, `-v=true`.

Done here and not by typer, because init scripts use that syntax, and because the process that
runs for months should not carry a command-line library.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

USAGE: Final = "Usage: goophry [-c FILE] [-l FILE] [-v] [-V] [-t] [COMMAND …]"

#: Told by --help; the lines keep their shape there.
FLAGS_TABLE: Final = """\
  -c FILE   the configuration; goophry.config.json in this folder unless given
  -l FILE   log to FILE; beats Logfile of the configuration
  -v        also log what is popped and started
  -V        print the version and exit
  -t        check the configuration and what it names, as `check`, and exit
"""

_TRUE: Final = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE: Final = {"0", "f", "F", "false", "FALSE", "False"}
_LONG: Final = {"c": "config", "l": "logfile", "v": "verbose", "V": "version", "t": "test", "h": "help"}
_WITH_VALUE: Final = {"config", "logfile"}
#: typer's own, which it handles itself.
_PASSED_ON: Final = {"install-completion", "show-completion"}


class UsageError(Exception):
    """The command line was not understood; the message says what."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What stood before the command; `rest` is the command with all that follows it."""

    config: Path | None = None
    logfile: Path | None = None
    verbose: bool = False
    version: bool = False
    test: bool = False
    help: bool = False
    rest: tuple[str, ...] = field(default=())


def parse(arguments: Sequence[str]) -> Flags:
    """Read flags up to the first word that is none. Raises `UsageError`."""
    values: dict[str, str] = {}
    switches: dict[str, bool] = {}
    words = list(arguments)
    while words and words[0].startswith("-") and words[0] != "-":
        word = words.pop(0)
        if word == "--":
            break
        name, equals, value = word[2 if word.startswith("--") else 1 :].partition("=")
        name = _LONG.get(name, name)
        if name in _PASSED_ON:
            words.insert(0, word)
            break
        if name in _WITH_VALUE:
            if not equals and not words:
                raise UsageError(f"flag {word} needs the name of a file")
            values[name] = value if equals else words.pop(0)
        elif name in _LONG.values():
            switches[name] = _boolean(word, value) if equals else True
        else:
            raise UsageError(f"unknown flag {word}")
    paths = {name: Path(value) for name, value in values.items() if value}
    return Flags(**paths, **switches, rest=tuple(words))  # type: ignore[arg-type] # the names decide


def _boolean(word: str, value: str) -> bool:
    if value not in _TRUE | _FALSE:
        raise UsageError(f"{word}: expected true or false")
    return value in _TRUE
