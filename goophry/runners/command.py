"""The `command` kind: the entry's first argument is the program, if the type allows it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from goophry.program_globs import is_allowed, program_named
from goophry.runners.base import Job
from goophry.runners.refused import Refused

#: Longest piece of a name that a message shows, in characters.
_SHOWN: Final = 200


class AllowedCommand:
    """Turns the entry's Args into the words of a command line, or says why they are none."""

    def __init__(self, allow: Sequence[str], *, path: str, folder: Path | None) -> None:
        """`path` is where bare words are looked up, `folder` where relative paths begin; goophry's own unless given."""
        self._allow = allow
        # A folder that is not absolute would be whichever folder goophry stands in.
        self._path = [place for place in path.split(":") if place.startswith("/")]
        self._folder = str(folder or Path.cwd())

    def words(self, job: Job) -> Sequence[str]:
        """Return the program's path and its arguments.

        Raises `Refused` for a program that is not allowed, or not to be found.
        """
        if not job.entry.args:
            raise Refused("there is no program: Args is empty")
        word, *arguments = job.entry.args
        try:
            program = program_named(word, folder=self._folder)
        except ValueError as error:
            raise Refused(str(error)) from error
        if not is_allowed(program, self._allow):
            raise Refused(f"not allowed: no glob of Allow matches {program[:_SHOWN]}")
        return [program if "/" in program else self._found(program), *arguments]

    def _found(self, word: str) -> str:
        for place in self._path:
            candidate = f"{place.rstrip('/')}/{word}"
            if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):  # noqa: PTH112 - a Path for each is dear
                return candidate
        raise Refused(f"{word[:_SHOWN]}: not found on PATH")
