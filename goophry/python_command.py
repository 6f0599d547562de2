"""Which interpreter runs a Python file, and how: read from a command line or from the file's `#!` line."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PYTHON: Final = re.compile(r"python[0-9.]*t?")

#: Options that are followed by a value of their own.
_WITH_VALUE: Final = frozenset({"-W", "-X", "--check-hash-based-pycs"})
#: Options that run something else than a file.
_NO_FILE: Final = ("-c", "-m", "-")

#: The kernel reads no more of a #! line.
_LONGEST_SHEBANG: Final = 256


@dataclass(frozen=True, slots=True)
class PythonCommand:
    """An interpreter with its options, the file, and the file's first arguments."""

    interpreter: str
    options: tuple[str, ...]
    file: str
    arguments: tuple[str, ...]


def python_command(words: Sequence[str]) -> PythonCommand:
    """Read `python [option…] file [argument…]`. Raises `ValueError` with a sentence if it is nothing like it."""
    interpreter, *rest = words
    if not _PYTHON.fullmatch(Path(interpreter).name):
        raise ValueError(f"{interpreter} is no Python interpreter")
    options: list[str] = []
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option.startswith(_NO_FILE[:2]) or option == _NO_FILE[2]:
            raise ValueError(f"{interpreter} {option} runs no file")
        options.append(option)
        if option in _WITH_VALUE and rest:
            options.append(rest.pop(0))
    if not rest:
        raise ValueError(f"{interpreter} is given no file to run")
    return PythonCommand(interpreter, tuple(options), rest[0], tuple(rest[1:]))


def python_file(path: Path) -> PythonCommand:
    """Read the `#!` line of the file at `path`; of `env` there is only the interpreter's name.

    Raises `ValueError` with a sentence if it names no Python interpreter, `OSError` if it cannot be read.
    """
    with path.open("rb") as file:
        line = file.read(_LONGEST_SHEBANG).partition(b"\n")[0]
    try:
        words = shlex.split(line[2:].decode(errors="replace")) if line.startswith(b"#!") else []
        if words and Path(words[0]).name == "env":
            words = [word for word in words[1:] if word != "-S"]
        return python_command([*words, str(path)])
    except ValueError as error:
        raise ValueError(f"the #! line of {path}: {error}") from None
