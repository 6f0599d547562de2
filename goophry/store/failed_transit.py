"""Putting failed entries back where the failed list and the queue are on different servers of a cluster.

No step can touch both, so there are three: the entries go into a list beside the failed list; then
to the queue, where a mark remembers that they have come; then the list is deleted. Whoever dies in
between leaves the list, and whoever works on the failed list next takes the steps that are left.
The mark keeps them from coming twice.
"""

from collections.abc import Sequence
from typing import Final

from goophry.entry import parse
from goophry.errors import UnreadableEntry
from goophry.store import keys
from goophry.store.client import LinkPool, eval_script
from goophry.store.lua import script

#: Seconds that the mark lives. Whoever was about to take a step must not be longer about it.
MARK_TTL_S: Final = 86_400


class Transit:
    """The way from one failed list to one queue."""

    def __init__(self, links: LinkPool, *, failed: str, queue: str) -> None:
        self._links = links
        self._failed = failed
        self._queue = queue

    def carry(self, entries: Sequence[tuple[int, bytes, bytes]], *, ticket: str) -> int:
        """Move entries, each given as index, bytes, and what goes to the queue; returns how many were there.

        `ticket` is never used again.
        """
        # It is on another server, so it can only be asked for beforehand.
        self._links.call("LLEN", self._queue)
        where = (self._failed, keys.transit(self._failed, ticket), keys.tickets(self._failed))
        args = [part for entry in entries for part in (*entry, ticket)]
        moved = eval_script(self._links, script("put_back"), where, (ticket, *args))
        self._go_on(ticket)
        return int(moved)

    def finish(self) -> None:
        """Take the steps that others left."""
        for ticket in self._links.call("HKEYS", keys.tickets(self._failed)):
            self._go_on(ticket.decode(errors="replace"))

    def _go_on(self, ticket: str) -> None:
        under_way = keys.transit(self._failed, ticket)
        entries: Sequence[bytes] = self._links.call("LRANGE", under_way, 0, -1)
        if entries:
            where = (self._queue, keys.arrived(self._queue, ticket), keys.ids(self._queue))
            pairs = [part for raw in entries for part in (raw, id_of(raw))]
            eval_script(self._links, script("arrive"), where, (MARK_TTL_S, *pairs))
        self._links.call("DEL", under_way)
        self._links.call("HDEL", keys.tickets(self._failed), ticket)


def id_of(raw: bytes) -> bytes:
    """Return the Id of the entry; empty if it has none."""
    try:
        return (parse(raw).id or "").encode(errors="surrogateescape")
    except UnreadableEntry:
        return b""
