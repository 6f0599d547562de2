"""A progress bar where something takes long, on a terminal only."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

#: Fewer than these are done before a bar could be read.
WORTH_A_BAR: Final = 2000


@contextmanager
def progress(total: int | None, what: str) -> Iterator[Callable[[int], object]]:
    """Show a bar on stderr while the block lasts; yields what to call with each number of things done.

    `total` None = nobody knows; then it shows how many were done.
    """
    if (total is not None and total < WORTH_A_BAR) or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from goophry.cli.showing import rich_console

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=rich_console(sys.stderr), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)
