"""What concerns a whole server, and in a cluster each of its masters."""

from collections.abc import Iterator

from goophry.errors import StoreUnavailable
from goophry.store.client import LinkPool, Reply


def each(links: LinkPool, *command: str | bytes | float) -> list[Reply]:
    """Send a command that has no key to all of them; returns all answers."""
    link = links.take()
    try:
        return [part.call(*command) for part in link.parts()]
    except StoreUnavailable:
        link.close()
        raise
    finally:
        links.give(link)


def scan(links: LinkPool, pattern: str) -> Iterator[bytes]:
    """Yield all keys that match, a thousand at a time; some perhaps twice."""
    link = links.take()
    try:
        for part in link.parts():
            cursor, found = part.call("SCAN", 0, "MATCH", pattern, "COUNT", 1000)
            yield from found
            while cursor != b"0":
                cursor, found = part.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
                yield from found
    except StoreUnavailable:
        link.close()
        raise
    finally:
        links.give(link)
