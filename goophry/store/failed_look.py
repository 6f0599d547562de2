"""Reading a failed list in parts.

Entries come at the tail and go anywhere, so what was at an index is there or nearer to the head
later. Whoever reads from the tail down misses nothing that way, and may see an entry twice.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from goophry.errors import StoreWrongKind
from goophry.failed_entry import KEY_LENGTH, FailedEntry, read_failed
from goophry.store.client import LinkPool, Reply, eval_script
from goophry.store.lua import script

#: Bytes after which one answer is full, and after which Redis has computed enough digests for one.
ANSWER_BYTES: Final = 4_000_000

#: Digests asked for at once; half a millisecond of Redis's time.
WINDOW: Final = 500

#: Beyond every list's end.
_TAIL: Final = 10**12


class Seen(NamedTuple):
    """An entry, and where it stood."""

    place: int
    """Its index at that time."""
    entry: FailedEntry


class Look:
    """Reads the list `name`. A key that holds something else counts as an empty list."""

    def __init__(self, links: LinkPool, name: str) -> None:
        self._links = links
        self.name = name

    def length(self) -> int:
        """Return how many entries there are."""
        try:
            return int(self._links.call("LLEN", self.name))
        except StoreWrongKind:
            return 0

    def up(self, index: int, *, limit: int) -> list[Seen]:
        """Return up to `limit` entries from `index` towards the tail, fewer if they are large."""
        _, raws = self._look(index, limit, "up", "entries")
        return [Seen(index + place, read_failed(raw)) for place, raw in enumerate(raws)]

    def down(self, index: int, *, limit: int) -> list[Seen]:
        """Return up to `limit` entries from `index` towards the head, fewer if they are large."""
        first, raws = self._look(index, limit, "down", "entries")
        return [Seen(first - place, read_failed(raw)) for place, raw in enumerate(raws)]

    def key_at(self, index: int) -> str:
        """Return the key of the entry at `index`, empty if there is none."""
        _, digests = self._look(index, 1, "up", "digests")
        return digests[0].decode()[:KEY_LENGTH] if digests else ""

    def search(self, key: str) -> Iterator[Seen]:
        """Yield the entries whose key begins with `key`; of equal ones the newest."""
        told: set[str] = set()
        for index, digest in self._digests():
            if digest.startswith(key) and digest not in told:
                # What has moved meanwhile has moved towards the head.
                for seen in self.down(index, limit=1):
                    if seen.entry.key == digest[:KEY_LENGTH]:
                        told.add(digest)
                        yield seen

    def _digests(self) -> Iterator[tuple[int, str]]:
        index = _TAIL if self.length() else -1
        while index >= 0:
            first, digests = self._look(index, WINDOW, "down", "digests")
            for place, digest in enumerate(digests):
                yield first - place, digest.decode()
            index = first - len(digests) if digests else -1

    def _look(
        self, index: int, limit: int, direction: Literal["up", "down"], what: Literal["entries", "digests"]
    ) -> tuple[int, Sequence[bytes]]:
        reply: Reply = eval_script(
            self._links, script("look"), (self.name,), (index, limit, ANSWER_BYTES, direction, what)
        )
        return reply[0], reply[1]
