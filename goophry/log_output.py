"""Where log lines go: stdout, or a file that may be rotated under us.

A line is one `write` to a descriptor opened for appending, so lines of several threads do not
mix and no lock is held while the kernel writes. The descriptor's number never changes: a new
file is put behind it with `dup2`, so a thread in the middle of a write is not disturbed.
"""

import os
import stat
import sys
from pathlib import Path
from typing import Final

from goophry.errors import StartError

_STDOUT: Final = 1
_CLOSED: Final = -1

#: Mode of a file that is made, unless it follows one that was rotated away: then it has the mode of that one.
_MODE: Final = 0o600


class LogOutput:
    """stdout (path None), or the file at `path`, made 0600 where it does not exist: lines hold arguments of tasks.

    Raises `StartError` when the file cannot be opened.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._torn = False
        if path is None:
            if sys.stdout is not None:  # None = it was closed when Python started
                sys.stdout.flush()  # what was printed so far stays ahead of the first line
            self._fd = _STDOUT
            return
        try:
            self._fd = _open(path)
        except OSError as error:
            raise StartError(f"Logfile {path}: {error.strerror}") from error

    def write(self, data: bytes) -> None:
        """Write whole lines. Raises `OSError` when they, or a part of them, could not be written."""
        if self._torn:
            data = b"\n" + data
        done = os.write(self._fd, data)
        self._torn = False
        while done < len(data):  # the disk became full on the way, or a pipe took a part only
            self._torn = True
            done += os.write(self._fd, data[done:])
            self._torn = done < len(data)

    def follow_rotation(self) -> None:
        """Open the path anew if another file, or none, stands there now (logrotate has moved ours)."""
        if self._path is None or self._fd == _CLOSED:
            return
        ours = os.fstat(self._fd)
        try:
            there = self._path.stat()
        except OSError:
            self.reopen()
        else:
            if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
                self.reopen()

    def reopen(self) -> None:
        """Go on in the file that stands at the path now; in the old one while it cannot be opened."""
        if self._path is None or self._fd == _CLOSED:
            return
        try:
            fd = _open(self._path, mode=stat.S_IMODE(os.fstat(self._fd).st_mode))
        except OSError:  # the folder is gone, or no longer ours: lines still reach the old file
            return
        os.dup2(fd, self._fd, inheritable=False)
        os.close(fd)
        self._torn = False

    def close(self) -> None:
        """Write no more, and close the file; stdout stays open."""
        # The number may soon belong to a socket: no thread must write to it any more.
        fd, self._fd = self._fd, _CLOSED
        if fd > _STDOUT:
            os.close(fd)


def _open(path: Path, *, mode: int = _MODE) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode)
