"""What a shell may complete. It is asked at every press of a key, so nothing here may take long, fail or speak."""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from goophry.errors import GoophryError
from goophry.log_lines import escaped, first_line, quoted

if TYPE_CHECKING:
    from goophry.config import Settings

#: How many are offered; from more nobody chooses.
_MOST: Final = 50

#: What a shell takes as one word without quotes; other names are not offered.
_WORD: Final = re.compile(r"[\w.:@%+,/-]+")

Offer = list[tuple[str, str]]
"""Words, each with what a shell may show beside it."""


def types(context: typer.Context, incomplete: str) -> Offer:
    """Return the configured task types."""
    with suppress(GoophryError, OSError):
        return _offer(((task.type, " ".join(task.script)) for task in _settings(context).tasks), incomplete)
    return []


def schedules(context: typer.Context, incomplete: str) -> Offer:
    """Return the configured schedules."""
    with suppress(GoophryError, OSError):
        return _offer(((each.name, f"{each.cron} {each.type}") for each in _settings(context).schedules), incomplete)
    return []


def failed_keys(context: typer.Context, incomplete: str) -> Offer:
    """Return the keys of the newest failed entries of the type that was given."""
    from goophry.store.console import Console

    with suppress(GoophryError, OSError), Console(_settings(context)) as console:
        entries = console.failed(str(context.params.get("task_type"))).page(limit=_MOST).entries
        return _offer(((entry.key, first_line(entry.message)) for entry in entries), incomplete)
    return []


def delayed_keys(context: typer.Context, incomplete: str) -> Offer:
    """Return the keys of the entries of the type that was given which are due next."""
    from goophry.cli.which_types import delayed
    from goophry.wiring.outside import Outside

    with suppress(GoophryError, OSError):
        settings = _settings(context)
        with Outside(settings) as outside:
            entries = delayed(outside, settings).page([str(context.params.get("task_type"))], limit=_MOST).entries
            return _offer(((each.key, quoted(each.entry().args)) for each in entries), incomplete)
    return []


def running_ids(context: typer.Context, incomplete: str) -> Offer:
    """Return the Ids of tasks that run now."""
    from goophry.cli.which_types import fleet
    from goophry.store.console import Console

    with suppress(GoophryError, OSError):
        settings = _settings(context)
        with Console(settings) as console:
            runs = [run for each in fleet(console.links, settings).instances() for run in each.runs]
            return _offer(((run.id, f"{run.type} {run.args}") for run in runs if run.id), incomplete)
    return []


def _settings(context: typer.Context) -> "Settings":
    """Read the configuration that the line so far names. Raises `ConfigError`."""
    from goophry.cli.configuration import path_of, read

    at: Any = context
    while at is not None:
        if named := at.params.get("config"):
            # The flags before a command may have been written as -c=FILE.
            return read(Path(str(named).removeprefix("=")))
        at = at.parent
    return read(path_of(None))


def _offer(pairs: Iterable[tuple[str, str]], incomplete: str) -> Offer:
    found = {word: escaped(about) for word, about in pairs if word.startswith(incomplete) and _WORD.fullmatch(word)}
    return list(found.items())[:_MOST]
