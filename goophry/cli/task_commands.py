"""Commands about tasks and whether they are run, as typer sees them: push, result, cancel, pause, resume."""

import sys
from typing import Annotated

import typer

from goophry.cli import completion
from goophry.cli.options import SPAN, AsJson, Config, config_of, moment, span

_Wait = Annotated[
    bool, typer.Option("--wait", help="Wait for its end, and show what became of it; status 1 if it failed.")
]
_Within = Annotated[
    float | None, typer.Option("--within", metavar=SPAN, parser=span, help="Wait no longer than that; status 4 then.")
]
_TypesToSet = Annotated[
    list[str],
    typer.Argument(metavar="TYPE", help="Task types; * and ? stand for others.", autocompletion=completion.types),
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("push", options_metavar="[OPTIONS]", short_help="Put tasks into a queue, now or later.")(_push)
    app.command("result", options_metavar="[OPTIONS]", short_help="What became of a task; wait for it.")(_result)
    app.command("cancel", options_metavar="[OPTIONS]", short_help="Have a task not run, or not go on.")(_cancel)
    app.command("pause", options_metavar="[OPTIONS]", short_help="Take nothing of a type, on all instances.")(_pause)
    app.command("resume", options_metavar="[OPTIONS]", short_help="Take tasks of a type again.")(_resume)


def _push(  # noqa: PLR0917 # typer calls it by name
    context: typer.Context,
    task_type: Annotated[
        str, typer.Argument(metavar="TYPE", help="A configured task type.", autocompletion=completion.types)
    ],
    args: Annotated[list[str] | None, typer.Argument(metavar="ARG", help="Arguments of the script.")] = None,
    config: Config = None,
    entry_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Name of the task; refused while one has it.")
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="Environment variable; repeatable.")
    ] = None,
    timeout_s: Annotated[
        float | None, typer.Option("--timeout", metavar=SPAN, parser=span, help="Instead of the type's Timeout.")
    ] = None,
    delay_s: Annotated[
        float | None, typer.Option("--delay", metavar=SPAN, parser=span, help="Not to run before that has passed.")
    ] = None,
    at_s: Annotated[
        float | None,
        typer.Option("--at", metavar="WHEN", parser=moment, help="Not before 14:30, say, or 2026-11-30T14:30."),
    ] = None,
    within_s: _Within = None,
    *,
    wait: _Wait = False,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="A task for each line: its entry {…}, or its arguments […], as JSON.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put a task into the queue of TYPE and print its Id. Arguments that start with a dash stand behind `--`."""
    pairs = [pair.partition("=") for pair in env or []]
    if not all(equals for _, equals, _ in pairs):
        raise typer.BadParameter("expected NAME=VALUE", param_hint="--env")
    if delay_s is not None and at_s is not None:
        raise typer.BadParameter("expected one of --delay and --at")
    wait = wait or within_s is not None
    if stdin and (args or entry_id or wait):
        raise typer.BadParameter(
            "goes with no ARG, --id and --wait: its lines have what they need", param_hint="--stdin"
        )
    from goophry.cli.push import Asked, push, push_lines

    asked = Asked(entry_id, {name: value for name, _, value in pairs}, timeout_s, delay_s, at_s)
    where = config_of(context, config)
    if stdin:
        raise typer.Exit(push_lines(where, task_type, sys.stdin.buffer, asked=asked))
    raise typer.Exit(push(where, task_type, args or [], asked=asked, wait=wait, within_s=within_s, as_json=as_json))


def _result(
    context: typer.Context,
    entry_id: Annotated[
        str, typer.Argument(metavar="ID", help="The task's Id.", autocompletion=completion.running_ids)
    ],
    config: Config = None,
    within_s: _Within = None,
    *,
    wait: _Wait = False,
    output: Annotated[bool, typer.Option("--output", help="Only what it wrote to stdout, byte by byte.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is known of a task. Status 0: it succeeded, 1: it failed or is not known, 4: it has not ended."""
    from goophry.cli.result import result

    where, wait = config_of(context, config), wait or within_s is not None
    raise typer.Exit(result(where, entry_id, wait=wait, within_s=within_s, output=output, as_json=as_json))


def _cancel(
    context: typer.Context,
    entry_ids: Annotated[
        list[str], typer.Argument(metavar="ID", help="Ids of tasks.", autocompletion=completion.running_ids)
    ],
    config: Config = None,
) -> None:
    """Have tasks not run, or not go on, wherever they are: waiting, put off, or running.

    Status 1: one of them had ended already, or is not known.
    """
    from goophry.cli.cancel import cancel

    raise typer.Exit(cancel(config_of(context, config), entry_ids))


def _pause(context: typer.Context, types: _TypesToSet, config: Config = None) -> None:
    """Have no instance take tasks of these types until `resume`; what runs goes on."""
    from goophry.cli.pauses import pauses

    raise typer.Exit(pauses(config_of(context, config), types, to="pause"))


def _resume(context: typer.Context, types: _TypesToSet, config: Config = None) -> None:
    """Have instances take tasks of these types again."""
    from goophry.cli.pauses import pauses

    raise typer.Exit(pauses(config_of(context, config), types, to="resume"))
