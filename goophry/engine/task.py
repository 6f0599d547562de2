"""An entry in this instance's hands."""

from collections.abc import Callable
from typing import Any

from goophry.runners.base import Interrupt
from goophry.store.client import Link
from goophry.store.queues import split_mark

Write = Callable[[Link], None]
"""Writes something to the server behind the link; may be called more than once. Raises `StoreError`."""


class Task:
    """One entry between its pop and its end. Compared by identity: equal entries are two tasks."""

    __slots__ = ("_written", "deaths", "interrupt", "put_off", "raw", "recovered", "taken", "text")

    def __init__(self, raw: bytes, *, deaths: str = "") -> None:
        self.raw = raw
        """As it stands in Redis."""
        self.recovered, self.text = split_mark(raw)
        self.deaths = deaths
        """Which instances died with it, told where it is given up as lost."""
        self.interrupt = Interrupt()
        self.put_off = False
        """It waits for its next try, or for its moment, although the answer that said so was lost."""
        self.taken = False
        """Another instance has taken it over: whatever comes of this run is not to be settled."""
        self._written: tuple[tuple[Write, Any], ...] = ()

    def write(self, write: Write, link: Link) -> None:
        """Write what must be there before the entry is removed, and remember which server has it. Raises `StoreError`."""
        server = link.server
        write(link)
        self._written = (*self._written, (write, server))

    def lacks(self, server: Any) -> bool:
        """Whether the server perhaps has not heard of something that was written."""
        return any(told != server for _, told in self._written)

    def write_again(self, link: Link) -> None:
        """Write all once more. Raises `StoreError`."""
        server = link.server
        for write, _ in self._written:
            write(link)
        self._written = tuple((write, server) for write, _ in self._written)
