"""How every run waits: for descriptors, and for the wake-up of its interrupt."""

import contextlib
import os
import select
from typing import Final

#: poll takes at most 2**31 ms.
_LONGEST_LOOK_S: Final = 86_400.0


def wake_event() -> int:
    """Return a new eventfd for an `Interrupt` to be attached to; whoever asked for it closes it."""
    return os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)


class Lookout:
    """Descriptors that are looked at together with a wake-up, for one thread."""

    __slots__ = ("_poll", "_wake_fd")

    def __init__(self, wake_fd: int) -> None:
        self._wake_fd = wake_fd
        self._poll = select.poll()
        self._poll.register(wake_fd, select.POLLIN)

    def watch(self, fd: int, event: int = select.POLLIN) -> None:
        """Look at `fd` too: for this event, and for its errors and its end."""
        self._poll.register(fd, event)

    def unwatch(self, fd: int) -> None:
        """Look at `fd` no longer. Raises `KeyError` if it is not watched."""
        self._poll.unregister(fd)

    def ignore(self, fd: int) -> None:
        """Keep the place of `fd`, but expect nothing of it: what stays ready would leave no wait to the others."""
        self._poll.modify(fd, 0)

    def look(self, timeout_s: float) -> list[int]:
        """Wait until something is ready, for `timeout_s` or a day at most, or for the wake-up, which is taken in.

        Returns what is ready, in the order in which it was first watched.
        """
        # A millisecond more: poll takes whole ones, and one that is too short would turn in vain.
        most_ms = int(min(timeout_s, _LONGEST_LOOK_S) * 1000) + 1 if timeout_s > 0 else 0
        ready = [fd for fd, _ in self._poll.poll(most_ms)]
        if self._wake_fd in ready:
            ready.remove(self._wake_fd)
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._wake_fd)
        return ready
