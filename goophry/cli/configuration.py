"""Finding and reading the configuration, and saying what is wrong with it."""

import os
import sys
from pathlib import Path
from typing import Final

from goophry.config import Settings, load
from goophry.errors import ConfigError

DEFAULT_NAME: Final = "goophry.config.json"

_NEXT_STEPS: Final = """
What to do next:
  goophry init      writes one here, with a sample script
  goophry demo      shows goophry at work and leaves nothing behind
  goophry -c FILE   uses another file
  goophry --help    tells the rest"""


class NoConfigError(ConfigError):
    """None was named, and the folder has none."""


def path_of(named: Path | None) -> Path:
    """Return the path of the configuration: `named`, else the usual name in the current folder.

    Raises `NoConfigError` when none was named and there is none.
    """
    if named is not None:
        return named
    path = Path(DEFAULT_NAME)
    if not path.exists():
        raise NoConfigError([f"there is no {DEFAULT_NAME} in {Path.cwd()}"])
    return path


def read(path: Path) -> Settings:
    """Return the settings at `path`, environment included. Raises `ConfigError`."""
    return load(path, environ=os.environ)


def explain(error: ConfigError) -> None:
    """Print each problem on a line of its own, and what to do if there is no configuration at all."""
    for problem in error.problems:
        print(f"config: {problem}", file=sys.stderr)
    if isinstance(error, NoConfigError):
        print(_NEXT_STEPS, file=sys.stderr)
