"""deploy/goophry.1: the man page."""

from collections.abc import Iterable
from typing import Final

import goophry
from generating.command_tree import Command, Word, commands, completion_flags, flags, statuses

_ABOUT: Final = """\
goophry runs scripts in the background. A JSON file names the task types, each with its script and its number of workers;
any program pushes entries into Redis lists, and goophry runs the scripts. Without a command it runs until it is stopped.
"""

_SIGNALS: Final = (
    Word("TERM, INT, USR2", "Take nothing more, finish what runs (for ShutdownTimeout at most), and exit."),
    Word("a second one", "End what runs, put its entries back, and exit with status 3."),
    Word("USR1", "Be quiet: take nothing more, finish what runs, and stay."),
    Word("HUP", "Open the log file again, and read the configuration again."),
)

_FILES: Final = (
    Word("goophry.config.json", "The configuration, in the current folder unless -c names another one."),
    Word("goophry-data/", "Data of the embedded Redis, beside the configuration unless RedisDataDir says otherwise."),
)

_ENVIRONMENT: Final = (
    Word("GOOPHRY_REDIS_ADDRESS, …", "Every key of the configuration's top level has a variable that beats the file."),
)


def page(_: str) -> str:
    """Return the page in man's macros."""
    parts = [
        f'.TH GOOPHRY 1 "" "goophry {goophry.__version__}" "User Commands"\n',
        '.\\" Written by scripts/generate-docs; changes here are lost.\n',
        ".SH NAME\ngoophry \\- run scripts in the background\n",
        ".SH SYNOPSIS\n.B goophry\n[\\-c FILE] [\\-l FILE] [\\-v] [\\-V] [\\-t]\n.br\n",
        ".B goophry\n[\\-c FILE] COMMAND \\&...\n",
        f".SH DESCRIPTION\n{_escaped(_ABOUT)}\n",
        f".SH OPTIONS\n{_words((*flags(), *completion_flags()))}",
        ".SH COMMANDS\n",
        *map(_command, commands()),
        f".SH SIGNALS\n{_words(_SIGNALS)}",
        f".SH EXIT STATUS\n{_words(Word(str(number), meaning) for number, _, meaning in statuses())}",
        f".SH ENVIRONMENT\n{_words(_ENVIRONMENT)}",
        f".SH FILES\n{_words(_FILES)}",
        ".SH SEE ALSO\n.BR redis\\-cli (1)\n",
    ]
    return "".join(parts)


def _command(command: Command) -> str:
    usage = command.usage.removeprefix("goophry ").removeprefix(command.name).strip()
    return f".SS {_escaped(command.name)} {_escaped(usage)}\n{_escaped(command.about)}\n{_words(command.words)}"


def _words(words: Iterable[Word]) -> str:
    return "".join(f".TP\n.B {_escaped(word.written)}\n{_escaped(word.meaning)}\n" for word in words)


def _escaped(text: str) -> str:
    r"""Return text in which roff finds no command: `\`, `-`, dots at the begin of a line, characters of its own."""
    text = text.replace("`", "").replace("\\", "\\e").replace("-", "\\-").replace("…", "\\&...").replace("'", "\\(aq")
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in text.splitlines())
