"""`goophry delayed …`, as typer sees it."""

from typing import Annotated, Final, Literal

import typer

from goophry.cli import completion
from goophry.cli.options import (
    All,
    AsJson,
    Config,
    Limit,
    OneType,
    Regex,
    Text,
    Types,
    checked_regex,
    chosen,
    config_of,
)

app: Final = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, subcommand_metavar="COMMAND …", options_metavar=""
)

_Keys = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY", help="Keys of entries, or their first characters.", autocompletion=completion.delayed_keys
    ),
]


@app.command("ls", options_metavar="[OPTIONS]")
def _ls(  # noqa: PLR0917 # typer calls it by name
    context: typer.Context,
    types: Types = None,
    text: Text = "",
    regex: Regex = "",
    limit: Limit = 50,
    config: Config = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List what is due later, the next first: key, when, Id, arguments."""
    from goophry.cli import delayed

    wanted = delayed.Wanted(text, checked_regex(regex))
    raise typer.Exit(delayed.ls(config_of(context, config), types or [], wanted=wanted, limit=limit, as_json=as_json))


def _register(name: Literal["now", "rm"], about: str) -> None:
    """Add a command that does something with the entries that have a KEY, or that are meant by flags."""

    @app.command(name, options_metavar="[OPTIONS]", help=about)
    def act(  # noqa: PLR0917 # typer calls it by name
        context: typer.Context,
        task_type: OneType,
        keys: _Keys = None,
        everything: All = False,
        text: Text = "",
        regex: Regex = "",
        config: Config = None,
    ) -> None:
        from goophry.cli import delayed

        wanted = chosen(keys, everything, delayed.Wanted(text, checked_regex(regex)))
        deed = {"now": delayed.now, "rm": delayed.rm}[name]
        raise typer.Exit(deed(config_of(context, config), task_type, keys or [], wanted=wanted))


_register("now", "Put entries into the queue now: those with a KEY, or those meant by flags.")
_register("rm", "Cancel entries: those with a KEY, or those meant by flags.")
