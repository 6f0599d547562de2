"""How long a run of the worker's own thread may still wait: until its time is over, or somebody asks for its end."""

import contextlib
import math
import os
import time
from collections.abc import Iterator

from goophry.outcome import Verdict
from goophry.runners.base import Interrupt
from goophry.runners.lookout import Lookout, wake_event


class RunEnded(Exception):
    """The run must end before its time. No library between may take it for a trouble of the network: no `OSError`."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict


class Patience:
    """Waits on descriptors on behalf of one run after the other; for one thread.

    All waiting of a run is done here, so its time limit is one for all of it, and an interrupt
    is heard wherever the run stands.
    """

    def __init__(self) -> None:
        self._wake_fd = wake_event()
        self._lookout = Lookout(self._wake_fd)
        self._interrupt = Interrupt()
        self._deadline: float | None = None
        self.doing = ""
        """What is being waited for, told when the time is over."""

    @contextlib.contextmanager
    def during(self, interrupt: Interrupt, *, timeout_s: float) -> Iterator[None]:
        """Heed `interrupt`, and the time limit unless it is 0, within the block."""
        self._interrupt = interrupt
        self._deadline = time.monotonic() + timeout_s if timeout_s else None
        self.doing = ""
        self.listen()
        try:
            yield
        finally:
            interrupt.detach()

    def listen(self) -> None:
        """Be who is woken by the interrupt, again: somebody else was, for a while."""
        self._interrupt.attach(self._wake_fd)

    @property
    def interrupt(self) -> Interrupt:
        """The interrupt that is heeded."""
        return self._interrupt

    def left_s(self) -> float:
        """Return the seconds that are left, `inf` without a limit. Raises `RunEnded` if none are."""
        if self._interrupt.reason is not None:
            raise RunEnded(self._interrupt.reason)
        left_s = math.inf if self._deadline is None else self._deadline - time.monotonic()
        if left_s <= 0:
            raise RunEnded(Verdict.TIMEOUT)
        return left_s

    def wait(self, fd: int, event: int, *, at_most_s: float = math.inf) -> bool:
        """Wait until there is `event` (or an error) on `fd`; false = not within `at_most_s`.

        Raises `RunEnded`.
        """
        give_up = time.monotonic() + at_most_s
        self._lookout.watch(fd, event)
        try:
            while (patience_s := give_up - time.monotonic()) > 0:
                if fd in self._lookout.look(min(self.left_s(), patience_s)):
                    return True
            self.left_s()
            return False
        finally:
            self._lookout.unwatch(fd)

    def close(self) -> None:
        """Free what is held between runs."""
        os.close(self._wake_fd)
