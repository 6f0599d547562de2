"""`goophry status`: what runs, waits and has failed, on all instances."""

import dataclasses
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from goophry import exit_codes
from goophry.cli.configuration import path_of, read
from goophry.cli.showing import one_json, rich_console
from goophry.cli.tables import instances_table, runs_table, types_table
from goophry.cli.which_types import fleet, meant
from goophry.config import Settings
from goophry.config_address import without_credentials
from goophry.log_lines import escaped
from goophry.store.console import Console
from goophry.store.fleet import FleetState


def status(config: Path | None, types: Sequence[str], *, as_json: bool) -> int:
    """Print it; FAILED if no instance lives."""
    settings = read(path_of(config))
    with Console(settings) as console:
        state = fleet(console.links, settings).look()
        if types:
            state = only(state, meant(console, settings, types))
    if as_json:
        print(one_json(told(state, settings)))
    else:
        _print(state, settings)
    return exit_codes.OK if state.instances else exit_codes.FAILED


def only(state: FleetState, names: Sequence[str]) -> FleetState:
    """Return the state of these types."""
    return dataclasses.replace(
        state,
        types=tuple(each for each in state.types if each.name in names),
        runs=tuple(run for run in state.runs if run.type in names),
        instances=tuple(each for each in state.instances if not set(names).isdisjoint(each.types)),
    )


def headline(state: FleetState, settings: Settings) -> Text:
    """Return whose state it is, of when, and how many instances there are."""
    address, _, _ = without_credentials(settings.redis_address)
    count = len(state.instances)
    words = f"{count} instance{'' if count == 1 else 's'}" if count else "no instance lives"
    when = datetime.fromtimestamp(state.now_s).strftime("%H:%M:%S")  # noqa: DTZ006 - local time is meant
    text = Text(f"goophry  {escaped(settings.redis_queue_key)} on {escaped(address)}  {when}  ")
    return text.append(words, "" if count else "red")


def told(state: FleetState, settings: Settings) -> dict[str, Any]:
    """Return the state for programs."""
    return {
        "RedisQueueKey": settings.redis_queue_key,
        "Now": round(state.now_s, 3),
        "Types": [
            {
                "Type": each.name,
                "Configured": each.configured,
                "Paused": each.paused,
                "Instances": each.instances,
                "Workers": each.workers,
                "Running": each.running,
                "Waiting": each.waiting,
                "Delayed": each.delayed,
                "Failed": each.failed,
                "DonePerSecond": None if each.done is None else round(each.done.per_s, 3),
            }
            for each in state.types
        ],
        "Instances": [
            {
                "Id": each.id,
                "Host": each.host,
                "Pid": each.pid,
                "Version": each.version or None,
                "Started": each.started_s,
                "Busy": each.busy,
                "Quiet": each.quiet,
                "Types": list(each.types),
                "Done": {
                    name: {"Finished": done.finished, "Failed": done.failed, "PerSecond": done.per_s}
                    for name, done in each.done.items()
                },
            }
            for each in state.instances
        ],
        "Running": [
            {
                "Type": run.type,
                "Run": run.run,
                "Id": run.id,
                "Args": run.args,
                "Started": run.started_s,
                "Attempt": run.attempt,
                "Instance": run.instance,
            }
            for run in state.runs
        ],
    }


def _print(state: FleetState, settings: Settings) -> None:
    console = rich_console(sys.stdout)
    console.print(headline(state, settings))
    console.print()
    console.print(types_table(state.types))
    if state.instances:
        console.print()
        console.print(instances_table(state))
    if state.runs:
        console.print()
        console.print(runs_table(state.runs, now_s=state.now_s))
