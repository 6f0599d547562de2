"""The commands, as typer sees them."""

import io
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from goophry import exit_codes
from goophry.cli import completion, dead_commands, delayed_commands, failed_commands, task_commands
from goophry.cli.flags import FLAGS_TABLE, Flags
from goophry.cli.options import AsJson, Config, Types, config_of

_HELP: Final = f"""Run scripts in the background: task types in a JSON file, entries in Redis lists.

Without a COMMAND goophry runs until it is stopped. Flags, before the COMMAND:

\b
{FLAGS_TABLE}
Exit status:

\b
  {exit_codes.OK}  stopped as asked; a command did what it should
  {exit_codes.FAILED}  the configuration is wrong, goophry cannot start, or a command found a problem
  {exit_codes.USAGE}  the command line was not understood
  {exit_codes.FORCED}  a second signal stopped it before the running tasks had ended; they went back
  {exit_codes.NOT_ENDED}  a task had not ended when a command was done waiting for it

A SPAN of time is 90 (seconds), 1.5s, 15m, 1h30m or 2d. `goophry COMMAND --help` tells more of each.
"""

# Plain text: boxes and colours would bring in rich for every message.
app: Final = typer.Typer(
    name="goophry",
    help=_HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    subcommand_metavar="COMMAND …",
    options_metavar="[-c FILE] [-l FILE] [-v] [-V] [-t]",
    context_settings={"help_option_names": ["-h", "--help"]},
)


task_commands.register(app)
app.add_typer(delayed_commands.app, name="delayed", short_help="Look at what is due later, run it now, cancel it.")
app.add_typer(dead_commands.app, name="dead", short_help="Look at dead jobs of poulpe's clients, run them again.")
app.add_typer(failed_commands.app, name="failed", short_help="Look at failed entries, put them back, delete them.")


class Systems(StrEnum):
    """What can be taken over from."""

    COYOTES = "coyotes"
    KINGTASK = "kingtask"
    POULPE = "poulpe"


@app.callback()
def _flags(
    config: Annotated[Path | None, typer.Option("-c", "--config", hidden=True)] = None,
    logfile: Annotated[Path | None, typer.Option("-l", "--logfile", hidden=True)] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", hidden=True)] = False,
) -> None:
    """Know the flags before a command, as a line to complete has them; `flags` has read them when a command runs."""


def command(flags: Flags) -> int:
    """Run the command in `flags.rest`, or print the help. Exits with status 2 on wrong usage."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal of another encoding has no character for is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    app(args=["--help"] if flags.help else list(flags.rest), prog_name="goophry", obj=flags)
    return 0


@app.command("check", options_metavar="[OPTIONS]", short_help="Would it run? Looks at everything configured.")
def _check(context: typer.Context, config: Config = None) -> None:
    """Check the configuration and everything it names: scripts, users, folders, certificates, Redis."""
    from goophry.cli.check import check

    raise typer.Exit(check(config_of(context, config)))


@app.command("schedules", options_metavar="[OPTIONS]", short_help="When schedules fired, and when they will.")
def _schedules(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", help="Only these; * and ? stand for others.", autocompletion=completion.schedules
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="NAME", help="Run the task of this one now.", autocompletion=completion.schedules
        ),
    ] = None,
    config: Config = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show when each schedule fired last, what came of that, and when it fires next, by the clock of its time zone."""
    from goophry.cli import schedules

    if run is not None:
        raise typer.Exit(schedules.run(config_of(context, config), run))
    raise typer.Exit(schedules.schedules(config_of(context, config), names or [], as_json=as_json))


@app.command("status", options_metavar="[OPTIONS]", short_help="What runs, waits and has failed, on all instances.")
def _status(context: typer.Context, types: Types = None, config: Config = None, *, as_json: AsJson = False) -> None:
    """Show what runs, waits and has failed, on all instances. Exits with status 1 if no instance lives."""
    from goophry.cli.status import status

    raise typer.Exit(status(config_of(context, config), types or [], as_json=as_json))


@app.command("top", options_metavar="[OPTIONS]", short_help="The same, live, with the latest failures; q ends it.")
def _top(
    context: typer.Context,
    types: Types = None,
    interval_s: Annotated[
        float, typer.Option("-n", "--interval", metavar="SECONDS", min=0.1, help="Between two looks.")
    ] = 1.0,
    config: Config = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="Print it once, as where stdout is no terminal.")] = False,
) -> None:
    """Show what runs, waits and fails, on all instances, until q is pressed."""
    from goophry.cli.top import top

    raise typer.Exit(top(config_of(context, config), types or [], interval_s=interval_s, once=once))


@app.command("schema", options_metavar="[OPTIONS]", short_help="Print the JSON Schema of the configuration.")
def _schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from goophry.cli.schema import schema

    raise typer.Exit(schema())


@app.command("init", options_metavar="[OPTIONS]", short_help="Write a configuration and a sample script.")
def _init(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to; this folder unless given.")] = Path(),
    redis: Annotated[
        str | None, typer.Option("--redis", metavar="ADDRESS", help="RedisAddress to write, e.g. embedded.")
    ] = None,
    from_coyotes: Annotated[
        str | None, typer.Option("--from-coyotes", metavar="FLAGS", help="Serve Coyotes' clients as with these flags.")
    ] = None,
    from_poulpe: Annotated[
        str | None, typer.Option("--from-poulpe", metavar="FLAGS", help="Serve poulpe's clients as with these flags.")
    ] = None,
    from_kingtask: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--from-kingtask", metavar="BROKER.YAML WORKER.YAML", help="Serve kingtask's clients likewise."),
    ] = None,
) -> None:
    """Write a configuration and a sample script; existing files are left alone."""
    if from_coyotes is not None:
        from goophry.cli.init_from import init_from_coyotes

        raise typer.Exit(init_from_coyotes(folder, from_coyotes))
    if from_poulpe is not None:
        from goophry.cli.init_from_poulpe import init_from_poulpe

        raise typer.Exit(init_from_poulpe(folder, from_poulpe))
    if from_kingtask is not None:
        from goophry.cli.init_from import init_from_kingtask

        raise typer.Exit(init_from_kingtask(folder, *from_kingtask))
    from goophry.cli.init import init

    raise typer.Exit(init(folder, redis_address=redis))


@app.command("import", options_metavar="[OPTIONS]", short_help="Take over what another daemon left in Redis.")
def _import(
    context: typer.Context,
    system: Annotated[Systems, typer.Argument(metavar="SYSTEM", help="coyotes, kingtask or poulpe.")],
    config: Config = None,
    go: Annotated[bool, typer.Option("--go", help="Do it; otherwise it only looks and tells.")] = False,
) -> None:
    """Take over what an old daemon left in Redis; stop it first. It can be run again after an interruption."""
    from goophry.cli.taking_over import import_from

    raise typer.Exit(import_from(system.value, config_of(context, config), go=go))


@app.command("demo", options_metavar="[OPTIONS]", short_help="Show goophry at work, in a temporary folder.")
def _demo() -> None:
    """Show goophry at work with a Redis of its own, in a temporary folder."""
    from goophry.cli.demo import demo

    raise typer.Exit(demo())
