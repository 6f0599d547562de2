"""A program that lives over many tasks: its start, one exchange of lines at a time, its end.

The way of a task is one look that must find nothing, one write, one wait and one read.
"""

import contextlib
import math
import os
import select
import time
from collections.abc import Sequence
from typing import Final

from goophry.outcome import Captured, Verdict
from goophry.runners.base import Interrupt
from goophry.runners.execution import Launcher
from goophry.runners.grace import end_by_force
from goophry.runners.live import LivePids
from goophry.runners.lookout import Lookout
from goophry.runners.persistent_streams import Silence, Streams
from goophry.runners.run_table import Slot
from goophry.runners.spawn import Env
from goophry.runners.tree import Tree

#: Seconds that a process may take from closing its pipes to its end before it counts as alive.
_DYING_S: Final = 0.5


class PersistentChild:
    """A program that runs; used by one thread. When it ended, or was ended, call `bury`, once.

    `mark` is the line of `env` by which all its processes are known; `wake_fd` is the eventfd of
    the interrupts; `slot` tells the guardian of it. Raises `OSError` when it cannot be started.
    """

    __slots__ = ("_live", "_lookout", "_mark", "_slot", "_streams", "pid", "pidfd", "spent", "tasks")

    def __init__(
        self,
        launcher: Launcher,
        *,
        argv: Sequence[bytes],
        env: Env,
        mark: bytes,
        wake_fd: int,
        output_limit: int,
        live: LivePids,
        slot: Slot | None = None,
    ) -> None:
        self.tasks = 0
        """How many were handed over."""
        self.spent = False
        """Whether it must not get another task."""
        self._mark, self._live, self._slot = mark, live, slot
        self._streams = Streams(output_limit=output_limit)
        try:
            self._start(launcher, argv, env)
        except OSError:
            self._streams.close()
            raise
        self._lookout = Lookout(wake_fd)
        # The order in which it is told: what was said on stderr comes before the answer.
        for fd in (self._streams.stderr, self._streams.stdout, self.pidfd):
            self._lookout.watch(fd)

    def is_ready(self) -> bool:
        """Whether it lives and keeps silent, as it must between two tasks."""
        if self.spent:
            return False
        for fd in self._lookout.look(0):
            if fd != self._streams.stderr:
                return False
            self._read_stderr()
        if self.tasks:  # what it wrote to stderr after an answer belongs to no task; its start belongs to the first
            self._streams.forget_stderr()
        return True

    def exchange(self, line: bytes, interrupt: Interrupt, *, timeout_s: float) -> bytes | Silence | Verdict:
        """Hand over a task and return the answer, else why there is none; then it is spent."""
        self.tasks += 1
        deadline = time.monotonic() + timeout_s if timeout_s else None
        if not self._streams.send(line):
            return self._closed(Silence.STDIN_CLOSED)
        if self._streams.has_rest:
            self._lookout.watch(self._streams.stdin, select.POLLOUT)
        while True:
            left_s = math.inf if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                return Verdict.TIMEOUT
            said = self._turn(left_s)
            if said is not None:
                # Who answers before all of the task was read would take the rest for the next one.
                self.spent = self.spent or self._streams.has_rest
                return said
            if interrupt.reason is not None:
                return interrupt.reason

    def took_nothing(self) -> bool:
        """Whether not a byte of the last task has been read."""
        return self._streams.is_unread()

    @property
    def went_on(self) -> bool:
        """Whether more came with the answer."""
        return bool(self._streams.surplus)

    def unasked(self) -> bytes | None:
        """Return the first line of what it said beside its answers, as far as one look shows it; None if it kept silent."""
        return self._streams.unasked()

    def beginning(self) -> bytes:
        """Return what it said of a line that did not end."""
        return self._streams.beginning()

    def stderr(self) -> Captured:
        """Return what it wrote to stderr since the task was handed over."""
        return self._streams.take_stderr()

    def leave(self, interrupt: Interrupt, *, grace_s: float) -> None:
        """Let it end by the end of its stdin; what is not gone after the grace is ended by force."""
        self._close_stdin()
        leave_by = time.monotonic() + grace_s
        while (left_s := leave_by - time.monotonic()) > 0 and interrupt.reason is None:
            if self._soak(left_s):
                return
        self.force_end(interrupt, grace_s=grace_s)

    def force_end(self, interrupt: Interrupt, *, grace_s: float) -> None:
        """TERM and the end of its stdin, the grace, KILL; afterwards none of its processes is left."""
        self._close_stdin()
        self._lookout.ignore(self.pidfd)  # it would stay ready while the others take their time
        end_by_force(Tree(self.pid, self._mark), interrupt, grace_s=grace_s, wait=self._soak)

    def bury(self) -> int:
        """Wait for the process, free everything and return the wait status."""
        if self._slot is not None:
            self._slot.clear()  # while the pid is nobody else's
        try:
            return os.waitpid(self.pid, 0)[1]
        finally:
            self._live.discard(self.pid)
            os.close(self.pidfd)
            self._streams.close()

    def _start(self, launcher: Launcher, argv: Sequence[bytes], env: Env) -> None:
        stdin, stdout, stderr = self._streams.theirs
        if self._slot is not None:
            self._slot.announce(self._mark)
        self.pid = launcher.launch(argv, env=env, stdin=stdin, stdout=stdout, stderr=stderr)
        self._live.add(self.pid)
        if self._slot is not None:
            self._slot.started(self.pid)
        self._streams.started()
        try:
            self.pidfd = os.pidfd_open(self.pid)
        except OSError:
            Tree(self.pid, self._mark).destroy()
            os.waitpid(self.pid, 0)
            self._live.discard(self.pid)
            raise

    def _turn(self, timeout_s: float) -> bytes | Silence | None:
        """Wait for something to happen; return the answer or why there will be none, if it came."""
        for fd in self._lookout.look(timeout_s):
            if fd == self._streams.stdout:
                said = self._streams.read_line()
                if said is not None:
                    return self._closed(said) if said is Silence.STDOUT_CLOSED else said
            elif fd == self._streams.stderr:
                self._read_stderr()
            elif fd == self.pidfd:
                return self._last_words()
            elif not self._streams.send_rest():
                return self._closed(Silence.STDIN_CLOSED)
            elif not self._streams.has_rest:
                self._lookout.unwatch(fd)
        return None

    def _last_words(self) -> bytes | Silence:
        """It has ended: return the answer that it may have given before."""
        self.spent = True
        with contextlib.suppress(BlockingIOError):  # somebody else holds its stdout open
            while True:
                said = self._streams.read_line()
                if said is not None:
                    return Silence.ENDED if said is Silence.STDOUT_CLOSED else said
        return Silence.ENDED

    def _closed(self, what: Silence) -> Silence:
        """It closed a pipe, maybe because it ends: that is seen a moment later."""
        look = select.poll()
        look.register(self.pidfd, select.POLLIN)
        return Silence.ENDED if look.poll(_DYING_S * 1000) else what

    def _read_stderr(self) -> None:
        if not self._streams.read_stderr():
            self._lookout.unwatch(self._streams.stderr)

    def _close_stdin(self) -> None:
        with contextlib.suppress(KeyError):
            self._lookout.unwatch(self._streams.stdin)
        self._streams.close_stdin()

    def _soak(self, timeout_s: float) -> bool:
        """Wait for something to happen, take what it writes; return whether the process ended."""
        ended = False
        for fd in self._lookout.look(timeout_s):
            if fd == self.pidfd:
                ended = True
            elif fd == self._streams.stderr:
                self._read_stderr()
            elif not self._streams.drop_stdout():
                self._lookout.unwatch(fd)
        return ended
