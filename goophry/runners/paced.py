"""A rest between two runs of one worker."""

import os
import time
from collections.abc import Callable

from goophry.outcome import Outcome
from goophry.runners.base import Interrupt, Job, Runner
from goophry.runners.lookout import Lookout, wake_event


class Paced:
    """A runner that begins no run sooner than `pause_s` after the end of the one before."""

    def __init__(self, runner: Runner, *, pause_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._runner = runner
        self._pause_s = pause_s
        self._monotonic = monotonic
        self._rested_at = 0.0

    def run(self, job: Job) -> Outcome:
        """Rest, then run; see `Runner.run`."""
        self._rest(job.interrupt)
        if job.interrupt.reason is not None:
            return Outcome(job.interrupt.reason, str(job.interrupt.reason))
        try:
            return self._runner.run(job)
        finally:
            self._rested_at = self._monotonic() + self._pause_s

    def close(self) -> None:
        """See `Runner.close`."""
        self._runner.close()

    def _rest(self, interrupt: Interrupt) -> None:
        if self._rested_at <= self._monotonic():
            return
        wake_fd = wake_event()
        lookout = Lookout(wake_fd)
        interrupt.attach(wake_fd)
        try:
            while interrupt.reason is None and (left_s := self._rested_at - self._monotonic()) > 0:
                lookout.look(left_s)
        finally:
            interrupt.detach()
            os.close(wake_fd)
