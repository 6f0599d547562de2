"""`goophry`: flags first; without a command it runs, with one it hands over to typer."""

import gc
import os
import sys
from collections.abc import Sequence
from typing import Final

from goophry import __version__, exit_codes
from goophry.cli.flags import USAGE, Flags, UsageError, parse
from goophry.errors import ConfigError, GoophryError

#: The variable through which a shell asks for completions.
_COMPLETION: Final = "_GOOPHRY_COMPLETE"

#: New containers before the collector looks for garbage. What is imported is none, and looking through it again and
#: again takes a seventh of a command's time.
_GC_THRESHOLD: Final = 50_000


def main() -> None:
    """Run the command line of this process and exit."""
    gc.set_threshold(_GC_THRESHOLD)
    sys.exit(dispatch(sys.argv[1:]))


def dispatch(arguments: Sequence[str]) -> int:
    """Do what `arguments` say and return the exit status."""
    try:
        flags = Flags(rest=("completion",)) if _COMPLETION in os.environ else parse(arguments)
    except UsageError as error:
        print(f"goophry: {error}\n{USAGE}\n`goophry --help` tells more.", file=sys.stderr)
        return exit_codes.USAGE
    try:
        return _act(flags)
    except ConfigError as error:
        from goophry.cli.configuration import explain

        explain(error)
    except GoophryError as error:
        print(f"goophry: {error}", file=sys.stderr)
    return exit_codes.FAILED


def _act(flags: Flags) -> int:
    # Each way imports what it needs and no more: the process that runs stays small.
    if flags.version:
        print(f"Goophry version {__version__}")
        return exit_codes.OK
    from goophry.store.lazy_library import load_lazily

    load_lazily("redis")  # before anything imports it: goophry uses little of it
    if flags.help or flags.rest:
        from goophry.cli.commands import command

        return command(flags)
    if flags.test:
        from goophry.cli.check import check

        return check(flags.config)
    from goophry.cli.run import run

    return run(flags)
