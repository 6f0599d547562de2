"""What a Coyotes daemon left in its Redis keys: read, and removed once it has been taken over."""

import json
from typing import Any, Final

from goophry.store.client import LinkPool

#: Entries of a sorted set that one look reads.
_PAGE: Final = 500


class OldCoyotes:
    """The keys of one daemon. `prefix` is its biz name and a colon, or nothing. Every method raises `StoreError`."""

    def __init__(self, links: LinkPool, *, prefix: str) -> None:
        self._links = links
        self._prefix = prefix.encode()

    def channels(self) -> dict[str, Any]:
        """Return the channels and what is kept of each, None where that cannot be read."""
        if not self._is(b"task:channels", b"hash"):
            return {}
        found = self._links.call("HGETALL", self._key(b"task:channels"))
        names = (raw.decode(errors="replace") for raw in found[::2])
        return {name: _object(raw) for name, raw in zip(names, found[1::2], strict=True)}

    def waiting(self, channel: str) -> list[bytes]:
        """Return the entries that wait, the oldest first."""
        where = self._of(channel, b"")
        found: list[bytes] = self._links.call("LRANGE", self._key(where), 0, -1) if self._is(where, b"list") else []
        return found[::-1]

    def remove_waiting(self, channel: str, raw: bytes) -> None:
        """Remove the oldest entry that looks like this."""
        self._links.call("LREM", self._key(self._of(channel, b"")), -1, raw)

    def interrupted(self, channel: str) -> dict[bytes, bytes]:
        """Return what was being run: id → entry; a beta kept the entries alone."""
        where = self._of(channel, b":exec")
        if self._is(where, b"set"):
            return {raw: raw for raw in self._links.call("SMEMBERS", self._key(where))}
        return self._hash(where)

    def remove_interrupted(self, channel: str, field: bytes) -> None:
        """Remove one of them."""
        where = self._of(channel, b":exec")
        self._links.call("SREM" if self._is(where, b"set") else "HDEL", self._key(where), field)

    def failed(self, channel: str) -> dict[bytes, bytes]:
        """Return the failed tasks: id → task."""
        return self._hash(self._of(channel, b":failed"))

    def remove_failed(self, channel: str, field: bytes) -> None:
        """Remove one of them."""
        self._links.call("HDEL", self._key(self._of(channel, b":failed")), field)

    def delayed(self) -> list[bytes]:
        """Return the delayed tasks, the earliest first."""
        found: list[bytes] = []
        if self._is(b"task:delay:queue", b"zset"):
            while page := self._links.call(
                "ZRANGE", self._key(b"task:delay:queue"), len(found), len(found) + _PAGE - 1
            ):
                found += page
        return found

    def remove_delayed(self, raw: bytes) -> None:
        """Remove one of them."""
        self._links.call("ZREM", self._key(b"task:delay:queue"), raw)

    def remove_channel(self, name: str) -> None:
        """Remove what is kept of a channel."""
        self._links.call("HDEL", self._key(b"task:channels"), name)

    def _hash(self, where: bytes) -> dict[bytes, bytes]:
        if not self._is(where, b"hash"):
            return {}
        found = self._links.call("HGETALL", self._key(where))
        return dict(zip(found[::2], found[1::2], strict=True))

    def _of(self, channel: str, suffix: bytes) -> bytes:
        return channel.encode(errors="surrogateescape") + b":tasks:queue" + suffix

    def _key(self, name: bytes) -> bytes:
        return self._prefix + name

    def _is(self, name: bytes, kind: bytes) -> bool:
        return bool(self._links.call("TYPE", self._key(name)) == kind)


def _object(raw: bytes) -> Any:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
