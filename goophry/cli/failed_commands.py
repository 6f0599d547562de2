"""`goophry failed …`, as typer sees it."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from goophry.cli import completion
from goophry.cli.options import (
    SPAN,
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
    span,
)
from goophry.failed_entry import OUTCOMES

if TYPE_CHECKING:
    from goophry.cli.failed import Wanted

app: Final = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, subcommand_metavar="COMMAND …", options_metavar=""
)

_Keys = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY", help="Keys of entries, or their first characters.", autocompletion=completion.failed_keys
    ),
]
_Outcomes = Annotated[
    list[str] | None,
    typer.Option("--outcome", metavar="OUTCOME", help=f"Those that ended so; repeatable: {', '.join(OUTCOMES)}."),
]
_Older = Annotated[
    float | None,
    typer.Option("--older", metavar=SPAN, parser=span, help="Those that failed longer ago; see docs/cli.md."),
]
_Newer = Annotated[
    float | None, typer.Option("--newer", metavar=SPAN, parser=span, help="Those that failed since then.")
]


@app.command("ls", options_metavar="[OPTIONS]")
def _ls(  # noqa: PLR0917 # typer calls it by name
    context: typer.Context,
    types: Types = None,
    text: Text = "",
    regex: Regex = "",
    outcomes: _Outcomes = None,
    older: _Older = None,
    newer: _Newer = None,
    limit: Limit = 50,
    config: Config = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List failed entries, the newest first: key, outcome, how long ago if known, message, arguments."""
    from goophry.cli import failed

    wanted = _wanted(text, regex, outcomes, older, newer)
    raise typer.Exit(failed.ls(config_of(context, config), types or [], wanted=wanted, limit=limit, as_json=as_json))


@app.command("show", options_metavar="[OPTIONS]")
def _show(
    context: typer.Context,
    task_type: OneType,
    keys: _Keys = None,
    config: Config = None,
    *,
    raw: Annotated[bool, typer.Option("--raw", help="The entry alone, as it was pushed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show everything about some failed entries."""
    if not keys:
        raise typer.BadParameter("expected at least one", param_hint="KEY")
    from goophry.cli import failed

    raise typer.Exit(failed.show(config_of(context, config), task_type, keys, raw=raw, as_json=as_json))


@app.command("retry", options_metavar="[OPTIONS]")
def _retry(  # noqa: PLR0917 # typer calls it by name
    context: typer.Context,
    task_type: OneType,
    keys: _Keys = None,
    everything: All = False,
    text: Text = "",
    regex: Regex = "",
    outcomes: _Outcomes = None,
    older: _Older = None,
    newer: _Newer = None,
    mended: Annotated[
        typer.FileBinaryRead | None,
        typer.Option("--as", metavar="FILE", help="Put it back in the form that this file has; - for stdin."),
    ] = None,
    config: Config = None,
) -> None:
    """Put failed entries back to the queue, without their ErrorMessage: those with a KEY, or those meant by flags."""
    from goophry.cli import failed

    wanted = chosen(keys, everything, _wanted(text, regex, outcomes, older, newer))
    if mended is not None and (wanted is not None or len(keys or ()) != 1):
        raise typer.BadParameter("goes with exactly one KEY", param_hint="--as")
    entry = None if mended is None else mended.read().removesuffix(b"\n").removesuffix(b"\r")
    raise typer.Exit(failed.retry(config_of(context, config), task_type, keys or [], wanted=wanted, mended=entry))


@app.command("rm", options_metavar="[OPTIONS]")
def _rm(  # noqa: PLR0917 # typer calls it by name
    context: typer.Context,
    task_type: OneType,
    keys: _Keys = None,
    everything: All = False,
    text: Text = "",
    regex: Regex = "",
    outcomes: _Outcomes = None,
    older: _Older = None,
    newer: _Newer = None,
    config: Config = None,
) -> None:
    """Delete failed entries: those with a KEY, or those meant by flags."""
    from goophry.cli import failed

    wanted = chosen(keys, everything, _wanted(text, regex, outcomes, older, newer))
    raise typer.Exit(failed.rm(config_of(context, config), task_type, keys or [], wanted=wanted))


def _wanted(
    text: str, regex: str, outcomes: list[str] | None, older_s: float | None, newer_s: float | None
) -> "Wanted":
    from goophry.cli.failed import Wanted

    strange = [name for name in outcomes or () if name not in OUTCOMES]
    if strange:
        raise typer.BadParameter(f"{strange[0]!r} is none of {', '.join(OUTCOMES)}", param_hint="--outcome")
    return Wanted(text, checked_regex(regex), tuple(outcomes or ()), older_s, newer_s)
