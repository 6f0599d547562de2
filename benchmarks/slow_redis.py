"""A Redis that is stopped for most of the time: what would take a hundred hosts can be seen with a few processes."""

import contextlib
import os
import signal
import threading
import time
from types import TracebackType
from typing import Self

from fleet_model import PERIOD_S

_FIRST = 1


class SlowRedis:
    """Lets a process run for `share` of each period only. A context manager; it runs freely afterwards.

    Where that is allowed, both are served before all others meanwhile, so that the share is what it gets.
    """

    def __init__(self, pid: int, share: float) -> None:
        self._pid, self._on_s = pid, share * PERIOD_S
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slow-redis", daemon=True)
        self.running_s = 0.0
        """For how long it was let run."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        next_s = time.monotonic()
        _put_first(0, _FIRST + 1)
        _put_first(self._pid, _FIRST)
        try:
            while not self._over.is_set():
                begun_s = time.monotonic()
                os.kill(self._pid, signal.SIGCONT)
                time.sleep(self._on_s)
                os.kill(self._pid, signal.SIGSTOP)
                self.running_s += time.monotonic() - begun_s
                next_s = max(next_s + PERIOD_S, begun_s)
                time.sleep(max(0.0, next_s - time.monotonic()))
        finally:
            os.kill(self._pid, signal.SIGCONT)
            with contextlib.suppress(PermissionError):
                os.sched_setscheduler(self._pid, os.SCHED_OTHER, os.sched_param(0))


def _put_first(pid: int, priority: int) -> None:
    """Have a process, or this thread (0), run as soon as it wants to."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(priority))
