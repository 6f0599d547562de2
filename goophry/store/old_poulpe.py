"""What poulpe left in its Redis keys: read, and removed once it has been taken over."""

from collections.abc import Iterator
from typing import Final

from goophry.store.client import LinkPool
from goophry.store.everywhere import scan

WORKING: Final = "task||working"
WRONG: Final = "task||wrong"
DELAYED: Final = "task||delayed"
_RESULTS: Final = "resp:"


class OldPoulpe:
    """Its keys stand in the database itself. Every method raises `StoreError`."""

    def __init__(self, links: LinkPool) -> None:
        self._links = links

    def members(self, name: str) -> list[bytes]:
        """Return what is in a set, as it stands there."""
        if self._links.call("TYPE", name) != b"set":
            return []
        found: list[bytes] = sorted(self._links.call("SMEMBERS", name))
        return found

    def task(self, key: bytes) -> bytes | None:
        """Return the JSON of a task."""
        found: bytes | None = self._links.call("GET", key) if self._links.call("TYPE", key) == b"string" else None
        return found

    def remove(self, name: str, member: bytes, key: bytes) -> None:
        """Take a member out of a set, and remove the task unless another set names it."""
        self._links.call("SREM", name, member)
        if not any(self._links.call("SISMEMBER", other, key) for other in (WORKING, WRONG)):
            self._links.call("DEL", key)

    def results(self) -> Iterator[tuple[str, list[bytes]]]:
        """Yield the keys of which results wait, and those."""
        for name in sorted(set(scan(self._links, f"{_RESULTS}*"))):
            if self._links.call("TYPE", name) == b"list":
                yield name.decode(errors="replace").removeprefix(_RESULTS), self._links.call("LRANGE", name, 0, -1)

    def remove_results(self, key: str) -> None:
        """Remove the results of a key."""
        self._links.call("DEL", f"{_RESULTS}{key}")
