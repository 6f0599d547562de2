"""A program that was started: its pipes, its end, what it wrote."""

import fcntl
import os
import signal
import sys
import termios
from typing import Literal

from goophry.outcome import NOTHING, Captured
from goophry.runners.output import Capture

#: What a pipe holds, unless somebody enlarged it.
CHUNK = 64 * 1024


class Pipes:
    """Both ends of the pipes for stdout and stderr of one run.

    goophry keeps the write ends open too: so a pipe never reports that it was closed, which would
    wake the worker three times for each run instead of once.
    """

    __slots__ = ("stderr", "stderr_end", "stdout", "stdout_end")

    def __init__(self) -> None:
        self.stdout, self.stdout_end = os.pipe2(os.O_CLOEXEC)
        try:
            self.stderr, self.stderr_end = os.pipe2(os.O_CLOEXEC)
        except OSError:
            os.close(self.stdout)
            os.close(self.stdout_end)
            raise

    def close(self) -> None:
        """Close all ends; called once."""
        os.close(self.stdout)
        os.close(self.stdout_end)
        os.close(self.stderr)
        os.close(self.stderr_end)


class Child:
    """A program that runs. `pidfd` becomes readable when it ends; the pid is ours until `wait`.

    Raises `OSError` when there is no descriptor to be had for watching it: then it was killed.
    """

    __slots__ = ("_captures", "_output_limit", "_pipes", "pid", "pidfd", "stderr", "stdout")

    def __init__(self, pid: int, pipes: Pipes, *, output_limit: int) -> None:
        self.pid = pid
        self.stdout, self.stderr = pipes.stdout, pipes.stderr
        self._pipes = pipes
        self._captures: dict[int, Capture] = {}
        self._output_limit = output_limit
        try:
            self.pidfd = os.pidfd_open(pid)
        except OSError:
            os.killpg(pid, signal.SIGKILL)
            self.wait()
            pipes.close()
            raise

    def read(self, fd: int, into: memoryview) -> int:
        """Take in what the pipe `fd` holds, at most as much as fits; blocks if it holds nothing."""
        count = os.readv(fd, [into])
        capture = self._captures.get(fd)
        if capture is None:
            capture = self._captures[fd] = Capture(self._output_limit)
        capture.add(into[:count])
        return count

    def waiting(self, fd: int) -> int:
        """Return how many bytes the pipe `fd` holds now."""
        return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"), sys.byteorder)

    def captured(self, fd: int) -> Captured:
        """Return what was read from the pipe `fd`."""
        capture = self._captures.get(fd)
        return NOTHING if capture is None else capture.captured()

    def written(self, stream: Literal["stdout", "stderr"]) -> Captured:
        """Return what was read from a stream so far; from any thread, also after the end."""
        capture = self._captures.get(self.stdout if stream == "stdout" else self.stderr)
        return NOTHING if capture is None else capture.glimpse()

    def ended(self) -> bool:
        """Whether the process has ended; it stays to be waited for."""
        return os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self) -> int:
        """Wait for the process, which should have ended, and return its wait status; called once."""
        return os.waitpid(self.pid, 0)[1]

    def close(self) -> None:
        """Close all descriptors; called once."""
        self._pipes.close()
        os.close(self.pidfd)
