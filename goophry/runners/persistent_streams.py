"""The three pipes of a script that lives over many tasks: whole lines in, whole lines out."""

import contextlib
import fcntl
import os
import sys
import termios
from enum import Enum, auto
from typing import Final

from goophry.outcome import NOTHING, Captured
from goophry.runners.child import CHUNK
from goophry.runners.output import Capture

#: Reads that empty a pipe, even one that was enlarged as far as anybody may by default.
_READS_PER_PIPE: Final = 17


class Silence(Enum):
    """Why there is no answer, when nobody forced the end."""

    ENDED = auto()
    STDIN_CLOSED = auto()
    STDOUT_CLOSED = auto()
    TOO_LONG = auto()


class Streams:
    """goophry's ends of the pipes, none of which blocks; the other ends are closed by `started`.

    Raises `OSError` when there are no descriptors to be had.
    """

    __slots__ = (
        "_capture",
        "_limit",
        "_open",
        "_partial",
        "_sent",
        "_unwritten",
        "stderr",
        "stdin",
        "stdout",
        "surplus",
        "theirs",
    )

    def __init__(self, *, output_limit: int) -> None:
        self._limit = output_limit
        self._partial = bytearray()
        self._capture: Capture | None = None
        self._unwritten = memoryview(b"")
        self._sent = 0
        self.surplus = b""
        """What came with a line and is not of it."""
        self._open: list[int] = []
        try:
            stdin, self.stdin = self._pipe()
            self.stdout, stdout = self._pipe()
            self.stderr, stderr = self._pipe()
        except OSError:
            self.close()
            raise
        self.theirs = (stdin, stdout, stderr)
        for fd in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(fd, False)

    def started(self) -> None:
        """Close the script's ends, which it has by now; from then on a pipe that it closes is seen closed."""
        for fd in self.theirs:
            self._close(fd)

    def send(self, line: bytes) -> bool:
        """Write the line as far as there is room; what is left goes with `send_rest`. False = nobody reads it."""
        self._sent = len(line)
        try:
            written = os.write(self.stdin, line)
        except BlockingIOError:
            written = 0
        except BrokenPipeError:
            return False
        if written < len(line):
            self._unwritten = memoryview(line)[written:]
        return True

    def send_rest(self) -> bool:
        """Write on, after poll said that there is room. False = nobody reads it."""
        try:
            self._unwritten = self._unwritten[os.write(self.stdin, self._unwritten) :]
        except BrokenPipeError:
            return False
        return True

    @property
    def has_rest(self) -> bool:
        """Whether a part of the line was not written yet."""
        return bool(self._unwritten)

    def is_unread(self) -> bool:
        """Whether not a byte of the line that was sent has been read."""
        waiting = fcntl.ioctl(self.stdin, termios.FIONREAD, b"\0\0\0\0")
        return int.from_bytes(waiting, sys.byteorder) == self._sent - len(self._unwritten)

    def read_line(self) -> bytes | Silence | None:
        """Read once from stdout; return the line without its break if it is whole now.

        `STDOUT_CLOSED` at its end. Raises `BlockingIOError` when there is nothing to read.
        """
        chunk = os.read(self.stdout, CHUNK)
        if not chunk:
            return Silence.STDOUT_CLOSED
        end = chunk.find(b"\n")
        if end + 1 < len(chunk) and end >= 0:
            self.surplus = chunk[end + 1 :]
        if not self._partial and 0 <= end <= self._limit:
            return chunk[:end]
        self._partial += chunk if end < 0 else chunk[:end]
        if len(self._partial) > self._limit:
            return Silence.TOO_LONG
        if end < 0:
            return None
        line = bytes(self._partial)
        self._partial.clear()
        return line

    def unasked(self) -> bytes | None:
        """Return the first line of what came and is of no answer, as far as one look shows it; None if there is nothing."""
        if not self.surplus:
            with contextlib.suppress(BlockingIOError):
                self.surplus = os.read(self.stdout, CHUNK)
        return self.surplus.partition(b"\n")[0] if self.surplus else None

    def beginning(self) -> bytes:
        """Return what came of a line that is not whole."""
        return bytes(self._partial)

    def drop_stdout(self) -> bool:
        """Read once from stdout, for nobody; False at its end."""
        try:
            return bool(os.read(self.stdout, CHUNK))
        except BlockingIOError:
            return True

    def read_stderr(self) -> bool:
        """Read once from stderr and keep it; False at its end."""
        try:
            chunk = os.read(self.stderr, CHUNK)
        except BlockingIOError:
            return True
        if chunk:
            if self._capture is None:
                self._capture = Capture(self._limit)
            self._capture.add(memoryview(chunk))
        return bool(chunk)

    def forget_stderr(self) -> None:
        """Drop what was kept of stderr."""
        self._capture = None

    def take_stderr(self) -> Captured:
        """Return what is kept of stderr, and what the pipe holds now."""
        for _ in range(_READS_PER_PIPE):
            if not self.read_stderr():
                break
        return NOTHING if self._capture is None else self._capture.captured()

    def close_stdin(self) -> None:
        """Tell the script that nothing more will come."""
        self._close(self.stdin)

    def close(self) -> None:
        """Close whatever is open."""
        for fd in list(self._open):
            self._close(fd)

    def _pipe(self) -> tuple[int, int]:
        fds = os.pipe2(os.O_CLOEXEC)
        self._open += fds
        return fds

    def _close(self, fd: int) -> None:
        if fd in self._open:
            self._open.remove(fd)
            os.close(fd)
