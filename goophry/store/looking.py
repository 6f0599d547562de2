"""Reading a list, or a sorted set, in parts, while others take entries out.

What was at an index is there or nearer to the head later. Whoever reads from the tail down misses
nothing that way, and may see an entry twice.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from goophry.failed_entry import KEY_LENGTH, key_of
from goophry.store.client import LinkPool, eval_script
from goophry.store.lua import script

#: Bytes after which one answer is full, and after which Redis has computed enough digests for one.
ANSWER_BYTES: Final = 4_000_000

#: Digests asked for at once; half a millisecond of Redis's time.
WINDOW: Final = 500

#: Beyond every list's end.
TAIL: Final = 10**12

Direction = Literal["up", "down"]
"""Towards the tail, or towards the head."""


class Looking:
    """Reads the list or sorted set `name`. Raises `StoreError`."""

    def __init__(self, links: LinkPool, name: str) -> None:
        self._links = links
        self.name = name

    def entries(self, index: int, direction: Direction, *, limit: int) -> list[tuple[int, bytes]]:
        """Return up to `limit` entries with their indexes, fewer if they are large; at least one, if there is one."""
        first, raws = self._look(index, limit, direction, "entries")
        step = 1 if direction == "up" else -1
        return [(first + step * place, raw) for place, raw in enumerate(raws)]

    def key_at(self, index: int) -> str:
        """Return the key of the entry at `index`, empty if there is none."""
        _, digests = self._look(index, 1, "up", "digests")
        return digests[0].decode()[:KEY_LENGTH] if digests else ""

    def search(self, key: str) -> Iterator[tuple[int, bytes]]:
        """Yield the entries whose key begins with `key`, with their indexes; of equal ones the one nearest to the tail."""
        told: set[str] = set()
        for index, digest in self._digests():
            if digest.startswith(key) and digest not in told:
                # What has moved meanwhile has moved towards the head.
                for place, raw in self.entries(index, "down", limit=1):
                    if key_of(raw) == digest[:KEY_LENGTH]:
                        told.add(digest)
                        yield place, raw

    def _digests(self) -> Iterator[tuple[int, str]]:
        index = TAIL
        while index >= 0:
            first, digests = self._look(index, WINDOW, "down", "digests")
            for place, digest in enumerate(digests):
                yield first - place, digest.decode()
            index = first - len(digests) if digests else -1

    def _look(
        self, index: int, limit: int, direction: Direction, what: Literal["entries", "digests"]
    ) -> tuple[int, Sequence[bytes]]:
        args = (index, limit, ANSWER_BYTES, direction, what)
        first, found = eval_script(self._links, script("look"), (self.name,), args)
        return first, found
