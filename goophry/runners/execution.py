"""One program from start to end: started, watched, its output kept, ended when it must.

The end is the end of the process. What is in its pipes at that moment is its output; a grandchild
that holds stdout open delays nothing, and one that writes on writes in vain.
"""

import errno
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from goophry.outcome import NOTHING, Captured, Verdict
from goophry.runners.base import Interrupt
from goophry.runners.child import CHUNK, Child, Pipes
from goophry.runners.grace import end_by_force
from goophry.runners.guardian import Guardian
from goophry.runners.live import LivePids
from goophry.runners.lookout import Lookout, wake_event
from goophry.runners.spawn import Env
from goophry.runners.tree import Tree

#: The machine's troubles, not the program's: they may be gone in a moment. "Text file busy" is
#: among them because a program just written may still be open in another thread's newborn child.
_PASSING: Final = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY})
_START_TRIES: Final = 3
_START_PAUSE_S: Final = 0.5


class Launcher(Protocol):
    """How a pid comes to be."""

    def launch(self, argv: Sequence[bytes], *, env: Env, stdin: int | None, stdout: int, stderr: int) -> int:
        """Start `argv[0]` in a session of its own and return its pid; `OSError` when it cannot be."""
        ...

    def close(self) -> None:
        """Free what is held."""
        ...


@dataclass(slots=True)
class Command:
    """What to run. `mark` is the line of `env` by which all processes of the run are known."""

    argv: Sequence[bytes]
    env: Env
    mark: bytes
    stdin: int | None = None


@dataclass(slots=True)
class End:
    """How a program ended: `forced_by` is None when it did so by itself; `status` is wait's."""

    forced_by: Verdict | None
    status: int = 0
    duration_s: float = 0.0
    stdout: Captured = NOTHING
    stderr: Captured = NOTHING


class Execution:
    """Runs programs one after another, for one thread."""

    def __init__(
        self, launcher: Launcher, *, output_limit: int, live: LivePids, guardian: Guardian | None = None
    ) -> None:
        """`guardian` ends what runs when goophry is killed."""
        self._launcher = launcher
        self._output_limit = output_limit
        self._live = live
        self._wake_fd = wake_event()
        self._lookout = Lookout(self._wake_fd)
        self._ready: list[int] = []
        self._chunk: memoryview | None = None
        self._slot = None if guardian is None else guardian.slot()

    def run(self, command: Command, interrupt: Interrupt, *, timeout_s: float, grace_s: float) -> End:
        """Run `command` to its end, or end it after `timeout_s` (0 = never) or when `interrupt` asks.

        Afterwards the process was waited for; when it was ended by force, its whole tree is gone.
        Raises `OSError` when it cannot be started.
        """
        interrupt.attach(self._wake_fd)
        try:
            if interrupt.reason is not None:
                return End(interrupt.reason)
            if self._slot is not None:
                self._slot.announce(command.mark)
            return self._run(command, interrupt, timeout_s=timeout_s, grace_s=grace_s)
        finally:
            interrupt.detach()
            if self._slot is not None:
                self._slot.clear()

    def close(self) -> None:
        """Free what is held between runs."""
        os.close(self._wake_fd)
        self._launcher.close()
        if self._slot is not None:
            self._slot.close()

    def _run(self, command: Command, interrupt: Interrupt, *, timeout_s: float, grace_s: float) -> End:
        pipes, pid, started = self._launch(command, interrupt)
        self._live.add(pid)
        if self._slot is not None:
            self._slot.started(pid)
        try:
            child = Child(pid, pipes, output_limit=self._output_limit)
            interrupt.written = child.written
            try:
                self._watch(child)
                forced_by = self._await_end(child, interrupt, started + timeout_s if timeout_s else None)
                if forced_by is not None:
                    if child.ended():
                        # It was quicker: what it has done is done, and must not be done again.
                        forced_by = None
                    else:
                        self._force_end(child, command.mark, interrupt, grace_s=grace_s)
                    self._look(0)
                duration_s = time.monotonic() - started
                if self._slot is not None:
                    # Now, while the pid is nobody else's yet. What a run leaves behind is left alone.
                    self._slot.clear()
                self._drain(child)
                status = child.wait()
                return End(forced_by, status, duration_s, child.captured(child.stdout), child.captured(child.stderr))
            finally:
                self._unwatch(child)
                child.close()
        finally:
            self._live.discard(pid)

    def _launch(self, command: Command, interrupt: Interrupt) -> tuple[Pipes, int, float]:
        """Start the program, in case of passing trouble up to three times within a second.

        Returns its pipes, its pid, and when it was started, on the monotonic clock.
        """
        tries_left = _START_TRIES
        while True:
            # Taken before: when the launch returns, a short program is half done.
            started = time.monotonic()
            try:
                return *self._launch_once(command), started
            except OSError as error:
                tries_left -= 1
                if error.errno not in _PASSING or not tries_left or interrupt.reason is not None:
                    raise
            self._lookout.look(_START_PAUSE_S)

    def _launch_once(self, command: Command) -> tuple[Pipes, int]:
        pipes = Pipes()
        try:
            pid = self._launcher.launch(
                command.argv, env=command.env, stdin=command.stdin, stdout=pipes.stdout_end, stderr=pipes.stderr_end
            )
        except BaseException:
            pipes.close()
            raise
        return pipes, pid

    def _watch(self, child: Child) -> None:
        # The pidfd first, see `_drain`.
        for fd in (child.pidfd, child.stdout, child.stderr):
            self._lookout.watch(fd)

    def _unwatch(self, child: Child) -> None:
        for fd in (child.pidfd, child.stdout, child.stderr):
            self._lookout.unwatch(fd)

    def _await_end(self, child: Child, interrupt: Interrupt, deadline: float | None) -> Verdict | None:
        """Return None when the process ended by itself, else why it must end."""
        while True:
            left_s = math.inf if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                return Verdict.TIMEOUT
            if self._turn(child, left_s):
                return None
            if interrupt.reason is not None:
                return interrupt.reason

    def _force_end(self, child: Child, mark: bytes, interrupt: Interrupt, *, grace_s: float) -> None:
        self._lookout.ignore(child.pidfd)  # it would stay ready while the others take their time
        end_by_force(Tree(child.pid, mark), interrupt, grace_s=grace_s, wait=lambda most_s: self._turn(child, most_s))

    def _turn(self, child: Child, timeout_s: float) -> bool:
        """Wait for something to happen, take in what was written; return whether the process ended."""
        ended = False
        for fd in self._look(timeout_s):
            if fd == child.pidfd:
                ended = True
            else:
                child.read(fd, self._buffer())
        return ended

    def _look(self, timeout_s: float) -> list[int]:
        self._ready = self._lookout.look(timeout_s)
        return self._ready

    def _drain(self, child: Child) -> None:
        """Take what is in the pipes now, and no more: a grandchild that writes for ever must not hold us.

        The look that saw the end has seen the pipes after it, in the order of `_watch`; a pipe
        that was empty then holds nothing of the program's.
        """
        for fd in self._ready:
            if fd in (child.stdout, child.stderr):
                waiting = child.waiting(fd)
                while waiting > 0:
                    waiting -= child.read(fd, self._buffer()[:waiting])

    def _buffer(self) -> memoryview:
        if self._chunk is None:
            self._chunk = memoryview(bytearray(CHUNK))
        return self._chunk
