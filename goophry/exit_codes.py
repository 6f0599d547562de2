"""What goophry's exit status says; a closed set that init scripts may rely on."""

from typing import Final

OK: Final = 0
"""Stopped as asked, everything that ran has ended; or the command did what it should."""

FAILED: Final = 1
"""The configuration is wrong, goophry cannot start, or the command found a problem."""

USAGE: Final = 2
"""The command line was not understood; nothing was done."""

FORCED: Final = 3
"""A second signal stopped goophry before the running tasks had ended; their entries went back."""

NOT_ENDED: Final = 4
"""A task had not ended when a command was done waiting for it."""
