"""A terminal for commands that draw, or take keys."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios


class Screen:
    """A command in a terminal of its own."""

    def __init__(self, command: list[str], *, lines: int = 24, columns: int = 80) -> None:
        self._fd, inner = pty.openpty()
        self.resize(lines, columns)
        self._before = termios.tcgetattr(inner)
        self._inner = inner
        self.seen = b""
        environ = {**os.environ, "TERM": "xterm-256color"}
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            environ.pop(name, None)
        self.process = subprocess.Popen(
            command, stdin=inner, stdout=inner, stderr=inner, env=environ, start_new_session=True
        )
        os.set_blocking(self._fd, False)

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self) -> bytes:
        with contextlib.suppress(BlockingIOError, OSError):
            while data := os.read(self._fd, 65_536):
                self.seen += data
        return self.seen

    def shows(self, text: str) -> bool:
        return text.encode() in self.read()

    def forget(self) -> None:
        self.read()
        self.seen = b""

    def press(self, keys_: str) -> None:
        os.write(self._fd, keys_.encode())

    def ended(self) -> bool:
        self.read()
        return self.process.poll() is not None

    def is_as_it_was(self) -> bool:
        """Whether the terminal echoes again, shows its cursor, and is back from the other screen."""
        self.read()
        last = self.seen[self.seen.rfind(b"\x1b[?1049") :]
        return (
            termios.tcgetattr(self._inner) == self._before
            and last.startswith(b"\x1b[?1049l")
            and self.seen.rfind(b"\x1b[?25h") > self.seen.rfind(b"\x1b[?25l")
        )

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._fd)
        os.close(self._inner)
