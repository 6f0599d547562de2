"""`goophry dead …`, as typer sees it."""

from pathlib import Path
from typing import Annotated, Final

import typer

from goophry.cli.options import AsJson, Config, config_of

app: Final = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, subcommand_metavar="COMMAND …", options_metavar=""
)


@app.command("ls", options_metavar="[OPTIONS]")
def _ls(context: typer.Context, config: Config = None, *, as_json: AsJson = False) -> None:
    """Print the files of jobs whose last attempt has failed, the oldest first."""
    from goophry.cli.poulpe_jobs import dead_ls

    raise typer.Exit(dead_ls(config_of(context, config), as_json=as_json))


@app.command("replay", options_metavar="[OPTIONS]")
def _replay(
    context: typer.Context,
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="Files, as `ls` prints them.")] = None,
    config: Config = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Have dead jobs run once more, with all their attempts; a file goes when its job is in Redis."""
    from goophry.cli.poulpe_jobs import dead_replay

    if not files and not everything:
        raise typer.BadParameter("name FILEs, or give --all")
    raise typer.Exit(dead_replay(config_of(context, config), files or [], everything=everything))
