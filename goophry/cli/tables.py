"""The tables of `status` and `top`. Brings rich, so it is imported by commands that show one only."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

from rich.table import Table
from rich.text import Text

from goophry.cli.showing import rate, span
from goophry.failed_entry import FailedEntry
from goophry.log_lines import escaped, first_line, quoted
from goophry.store.fleet import FleetState, Run, TypeState

#: What is not told, by an instance of an older release say.
_UNKNOWN: Final = "–"

_GOOD, _BAD, _DIM = "green", "red", "dim"


def types_table(types: Iterable[TypeState], *, number: Callable[[int], str] = str) -> Table:
    """Return one row for each task type, over all instances; `number` writes numbers."""
    table = _table("TYPE", "WORKERS", "RUNNING", "WAITING", "DELAYED", "FAILED", "DONE/S", right_from=1)
    for each in types:
        table.add_row(
            _name(each),
            _UNKNOWN if each.workers is None else number(each.workers),
            *(
                Text(number(value), style if value else _DIM)
                for value, style in (
                    (each.running, _GOOD),
                    (each.waiting, ""),
                    (each.delayed, ""),
                    (each.failed, _BAD),
                )
            ),
            _UNKNOWN if each.done is None else rate(each.done.per_s),
        )
    return table


def instances_table(state: FleetState) -> Table:
    """Return one row for each live instance."""
    table = _table("INSTANCE", "VERSION", "UP", "BUSY", "DONE", "FAILED", right_from=2)
    for each in state.instances:
        done = list(each.done.values())
        failed = sum(one.failed for one in done)
        table.add_row(
            Text(escaped(each.id)).append(" quiet" if each.quiet else "", _BAD),
            Text(escaped(each.version) or _UNKNOWN),
            _UNKNOWN if each.started_s is None else span(state.now_s - each.started_s),
            Text(str(each.busy), _GOOD if each.busy else _DIM),
            str(sum(one.finished for one in done)),
            Text(str(failed), _BAD if failed else _DIM),
        )
    return table


def runs_table(runs: Sequence[Run], *, now_s: float) -> Table:
    """Return one row for each run, the oldest first."""
    table = _table("RUNNING", "TYPE", "INSTANCE", "TRY", "TASK", narrow=["TASK"])
    for run in runs:
        task = " ".join(part for part in (f"[{run.id}]" if run.id else "", run.args) if part)
        table.add_row(
            _UNKNOWN if run.started_s is None else span(now_s - run.started_s),
            Text(escaped(run.type)),
            Text(escaped(_short(run.instance))),
            str(run.attempt) if run.attempt > 1 else "",
            _cut(escaped(task)),
        )
    return table


def failures_table(failures: Iterable[tuple[str, FailedEntry]]) -> Table:
    """Return one row for each failed entry."""
    table = _table("FAILED", "KEY", "MESSAGE", "ARGUMENTS", narrow=["MESSAGE", "ARGUMENTS"])
    for task_type, entry in failures:
        args = quoted(entry.args) if not entry.problem else escaped(entry.original.decode(errors="replace"))
        table.add_row(
            Text(escaped(task_type)), Text(entry.key[:8], _DIM), _cut(first_line(entry.message), _BAD), _cut(args)
        )
    return table


def _table(*columns: str, right_from: int | None = None, narrow: Sequence[str] = ()) -> Table:
    """Return a table without rows; where room is short, the columns `narrow` get narrower."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, name in enumerate(columns):
        to_the_right = right_from is not None and index >= right_from
        side: Literal["left", "right"] = "right" if to_the_right else "left"
        # Those that may wrap are made narrower first; that they do not wrap all the same, their text says.
        table.add_column(name, justify=side, no_wrap=name not in narrow, overflow="ellipsis")
    return table


def _cut(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _name(state: TypeState) -> Text:
    name = Text(escaped(state.name))
    if state.paused:
        name.append(" paused", _BAD)
    if not state.instances:
        name.append(" served by none", _BAD if state.waiting or state.delayed else _DIM)
    return name


def _short(instance: str) -> str:
    """Return host and pid of an instance's id: enough for people, and its other parts are long."""
    return "-".join(instance.split("-")[:-2]) or instance
