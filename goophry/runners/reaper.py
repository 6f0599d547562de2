"""Orphans of tasks: goophry adopts them and buries them.

As a subreaper goophry becomes the parent of every process whose own parent died, so that none of
a task's processes gets out of sight, and none stays a zombie. The kernel hands orphans to the
first thread, and `__WNOTHREAD` limits a wait to the children of the calling thread. So a turn in
the main thread sees orphans and what the main thread started itself, and never a worker's child.
"""

import ctypes
import os
import signal
from collections.abc import Container
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36
_WNOTHREAD: Final = 0x20000000
_LOOK: Final = os.WEXITED | os.WNOHANG | os.WNOWAIT | _WNOTHREAD


def become_subreaper() -> None:
    """Make goophry the parent of its orphaned descendants; called once, by the main thread.

    Whoever started goophry may have ignored SIGCHLD: then the kernel would drop exit statuses.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"PR_SET_CHILD_SUBREAPER: {os.strerror(error)}")


class OrphanReaper:
    """Buries orphans, one `turn` at a time; a turn with nothing to do is one system call.

    Children that the main thread started and will wait for itself must be in `owned`.
    """

    def __init__(self, owned: Container[int] = ()) -> None:
        self._owned = owned

    def turn(self) -> int:
        """Wait for the orphans that ended and return how many; called by the main thread only.

        An ended process that is in `owned` is left to its owner, and those behind it to the next turn.
        """
        buried = 0
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, _LOOK)
            except ChildProcessError:
                return buried
            if found is None or found.si_pid in self._owned:
                return buried
            os.waitpid(found.si_pid, 0)
            buried += 1
