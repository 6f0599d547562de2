"""How a script says after how many seconds it wants to be tried again: it writes them to a descriptor.

A file in memory, for one worker: a script may write to it or not, nobody has to read while it
runs, and nothing is started or closed for it from run to run. The script finds the number of its
descriptor in GOOPHRY_RETRY_AFTER_FD.
"""

import math
import os
from typing import Final

from goophry.retry import MAX_DELAY_S

#: The name under which the script finds the number.
VARIABLE: Final = "GOOPHRY_RETRY_AFTER_FD"

#: Longest text that is read; more is no number of seconds.
_MOST_BYTES: Final = 64


class RetryAfter:
    """What the runs of one worker write."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("goophry-retry-after", os.MFD_CLOEXEC)

    def clear(self) -> None:
        """Forget what an earlier run wrote."""
        os.ftruncate(self.fd, 0)
        os.lseek(self.fd, 0, os.SEEK_SET)  # the children's descriptors share the place with this one

    def seconds(self) -> float | None:
        """Return what the run wrote, None if that is no number of seconds: then the policy decides."""
        text = os.pread(self.fd, _MOST_BYTES + 1, 0)
        if not text or len(text) > _MOST_BYTES:
            return None
        try:
            seconds = float(text)
        except ValueError:
            return None
        return seconds if math.isfinite(seconds) and 0 <= seconds <= MAX_DELAY_S else None

    def close(self) -> None:
        """Free the memory."""
        os.close(self.fd)
