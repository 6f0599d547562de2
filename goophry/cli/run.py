"""`goophry` without a command: run until stopped."""

from goophry import app
from goophry.cli.configuration import path_of, read
from goophry.cli.flags import Flags


def run(flags: Flags) -> int:
    """Run the configured task types and return the exit status. Raises `ConfigError`."""
    path = path_of(flags.config)
    return app.run(read(path), config_path=path, log_file=flags.logfile, verbose=flags.verbose)
