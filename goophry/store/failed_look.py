"""Reading a failed list."""

from collections.abc import Iterator
from typing import NamedTuple

from goophry.errors import StoreWrongKind
from goophry.failed_entry import FailedEntry, read_failed
from goophry.store.client import LinkPool
from goophry.store.looking import Looking


class Seen(NamedTuple):
    """An entry, and where it stood."""

    place: int
    """Its index at that time."""
    entry: FailedEntry


class Look:
    """Reads the failed list `name`. A key that holds something else counts as an empty list."""

    def __init__(self, links: LinkPool, name: str) -> None:
        self._links = links
        self._looking = Looking(links, name)
        self.name = name

    def length(self) -> int:
        """Return how many entries there are."""
        try:
            return int(self._links.call("LLEN", self.name))
        except StoreWrongKind:
            return 0

    def up(self, index: int, *, limit: int) -> list[Seen]:
        """Return up to `limit` entries from `index` towards the tail, fewer if they are large."""
        return [Seen(place, read_failed(raw)) for place, raw in self._looking.entries(index, "up", limit=limit)]

    def down(self, index: int, *, limit: int) -> list[Seen]:
        """Return up to `limit` entries from `index` towards the head, fewer if they are large."""
        return [Seen(place, read_failed(raw)) for place, raw in self._looking.entries(index, "down", limit=limit)]

    def key_at(self, index: int) -> str:
        """Return the key of the entry at `index`, empty if there is none."""
        return self._looking.key_at(index)

    def search(self, key: str) -> Iterator[Seen]:
        """Yield the entries whose key begins with `key`; of equal ones the newest."""
        if self.length():
            yield from (Seen(place, read_failed(raw)) for place, raw in self._looking.search(key))
