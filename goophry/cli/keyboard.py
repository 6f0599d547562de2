"""Keys, and all else that ends the wait of a live screen: a new size of the window, a signal to end."""

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from types import FrameType, TracebackType
from typing import Final, Self

#: Status after SIGTERM, as shells tell of it.
_TERMINATED: Final = 128 + signal.SIGTERM


class Keyboard:
    """Takes keys one by one and without showing them, if stdin is a terminal. A context manager, for the main thread.

    At the end everything is as it was, whatever ended it; SIGTERM ends it with `SystemExit`.
    """

    def __init__(self) -> None:
        self._keys = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._at_end = contextlib.ExitStack()
        self._woken = -1

    def __enter__(self) -> Self:
        if self._keys is not None:
            settings = termios.tcgetattr(self._keys)
            self._at_end.callback(termios.tcsetattr, self._keys, termios.TCSADRAIN, settings)
        self._woken, wake = os.pipe()
        for fd in (self._woken, wake):
            os.set_blocking(fd, False)
            self._at_end.callback(os.close, fd)
        before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._at_end.callback(signal.set_wakeup_fd, before)
        for number, handler in (
            (signal.SIGTERM, _end),
            (signal.SIGCONT, self._one_by_one),  # a shell has set the terminal to its own liking meanwhile
            (signal.SIGWINCH, _nothing),
        ):
            self._at_end.callback(signal.signal, number, signal.signal(number, handler))
        self._one_by_one()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at_end.close()

    def wait(self, seconds: float) -> str:
        """Return the keys that were pressed within `seconds`, empty when time passed or the window has a new size."""
        ready, _, _ = select.select([self._woken, *([] if self._keys is None else [self._keys])], [], [], seconds)
        if self._woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._woken, 4096)
        if self._keys is None or self._keys not in ready:
            return ""
        pressed = os.read(self._keys, 4096)
        if not pressed:  # nobody types any more
            self._keys = None
        return pressed.decode(errors="replace")

    def _one_by_one(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        if self._keys is not None:
            tty.setcbreak(self._keys, termios.TCSANOW)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(_TERMINATED)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Only wake up `Keyboard.wait`."""
