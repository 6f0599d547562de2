"""What concerns a whole server, and in a cluster each of its masters."""

from collections.abc import Iterator
from contextlib import contextmanager

from goophry.errors import StoreUnavailable
from goophry.store.client import Link, LinkPool, Reply


def each(links: LinkPool, *command: str | bytes | float) -> list[Reply]:
    """Send a command that has no key to all of them; returns all answers."""
    with _whole(links) as link:
        return [part.call(*command) for part in link.parts()]


def scan(links: LinkPool, pattern: str) -> Iterator[bytes]:
    """Yield all keys that match, a thousand at a time; some perhaps twice."""
    with _whole(links) as link:
        for part in link.parts():
            cursor, found = part.call("SCAN", 0, "MATCH", pattern, "COUNT", 1000)
            yield from found
            while cursor != b"0":
                cursor, found = part.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
                yield from found


@contextmanager
def _whole(links: LinkPool) -> Iterator[Link]:
    """Lend a link; where one of its parts breaks, all of it is closed."""
    with links.lent() as link:
        try:
            yield link
        except StoreUnavailable:
            link.close()
            raise
