"""Which programs a producer may name: globs, and what exactly they are held against.

A bare word is held against the globs without a slash, as it is; it is looked up on PATH afterwards.
Anything with a slash is a path: made absolute, `.`, `..` and doubled slashes taken out, and held
against the globs with a slash. What matched is what runs, to the letter: a path that the kernel
would walk in another way than it reads (`link/../x`) is not walked at all. Links in the path that
is left are followed; who may write into an allowed folder may run anything.
"""

import fnmatch
import posixpath
from collections.abc import Sequence
from typing import Final

#: The glob that, alone, stands for every program. Elsewhere `*` stays within a word, or a folder.
ANYTHING: Final = "*"

#: The part of a path's glob that stands for any number of folders.
_ANY_DEPTH: Final = "**"

_WILDCARDS: Final = frozenset("*?[")


def program_named(word: str, *, folder: str) -> str:
    """Return the bare word, or the absolute path that `word` means when `folder` is the current one.

    Raises `ValueError` with a sentence for what can be neither.
    """
    if not word:
        raise ValueError("the name of the program is empty")
    if "\0" in word:
        raise ValueError("the name of the program holds a NUL character")
    return absolute(word, folder=folder) if "/" in word else word


def absolute(path: str, *, folder: str) -> str:
    """Make a path absolute and take out what is no name of a file or folder in it."""
    # Two slashes at the beginning stay two in POSIX, and mean one on Linux.
    return "/" + posixpath.normpath(posixpath.join(folder, path)).lstrip("/")


def is_allowed(program: str, globs: Sequence[str]) -> bool:
    """Whether one of `globs` matches what `program_named` returned."""
    if ANYTHING in globs:
        return True
    if "/" not in program:
        return any(fnmatch.fnmatchcase(program, glob) for glob in globs if "/" not in glob)
    names = program.split("/")[1:]
    return any(_matches(names, glob.split("/")[1:]) for glob in globs if "/" in glob)


def is_plain(glob: str) -> bool:
    """Whether the glob names one program only."""
    return not _WILDCARDS & set(glob)


def _matches(names: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether the names of a path match the parts of a glob, each one its own."""
    if not parts:
        return not names
    if parts[0] == _ANY_DEPTH:
        return any(_matches(names[skipped:], parts[1:]) for skipped in range(len(names) + 1))
    return bool(names) and fnmatch.fnmatchcase(names[0], parts[0]) and _matches(names[1:], parts[1:])
