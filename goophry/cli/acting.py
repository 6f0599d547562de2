"""Doing something with some entries of some types, and telling how it went."""

import sys
from collections.abc import Callable, Sequence
from typing import Protocol

from goophry import exit_codes
from goophry.cli.progress import progress
from goophry.cli.which_types import meant
from goophry.config import Settings
from goophry.errors import AmbiguousKey, UnreadableEntry
from goophry.log_lines import escaped
from goophry.store.console import Console


class Deed(Protocol):
    """What is to be done with entries of one type."""

    def length(self) -> int:
        """Return how many entries there are to choose from."""
        ...

    def one(self, key: str) -> bool:
        """Do it with the entry of this key; False if there is none. Raises `AmbiguousKey` and `UnreadableEntry`."""
        ...

    def all(self, progress: Callable[[int], object]) -> tuple[int, Sequence[str]]:
        """Do it with all that are meant; returns with how many it was done, and why not with others."""
        ...


def act(
    console: Console,
    settings: Settings,
    task_type: str,
    keys: Sequence[str] | None,
    deed: Callable[[str], Deed],
    *,
    done: str,
) -> int:
    """Do it with the entries of these keys, None = with all that are meant, of each type that `task_type` names.

    OK if it was done with one at least, and with none of them went wrong.
    """
    total, good = 0, True
    names = meant(console, settings, [task_type])
    for name in names:
        what = deed(name)
        if keys is not None:
            count, problems = _one_by_one(what, keys)
        else:
            with progress(what.length(), escaped(name)) as looked_at:
                count, problems = what.all(looked_at)
        for problem in problems:
            print(f"goophry: {problem}", file=sys.stderr)
        if count or len(names) == 1:
            print(f"{escaped(settings.redis_queue_key)}:{escaped(name)}: {count} {done}")
        total, good = total + count, good and not problems
    return exit_codes.OK if total and good else exit_codes.FAILED


def _one_by_one(deed: Deed, keys: Sequence[str]) -> tuple[int, Sequence[str]]:
    done, problems = 0, []
    for key in keys:
        try:
            found = deed.one(key)
        except (AmbiguousKey, UnreadableEntry) as error:
            problems.append(f"{escaped(key)}: {escaped(str(error))}")
            continue
        if not found:
            problems.append(f"{escaped(key)}: there is no such entry")
        done += found
    return done, problems
