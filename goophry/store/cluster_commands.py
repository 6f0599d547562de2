"""Which command goes where in a cluster."""

from typing import Final

from goophry.store.link import Command

#: Commands that have no key, and may go to any node.
KEYLESS: Final = frozenset({"CLIENT", "DBSIZE", "INFO", "PING", "PUBLISH", "SCAN", "TIME"})

#: Commands that change nothing, so that their order does not matter.
READING: Final = frozenset(
    [
        "EXISTS",
        "GET",
        "HEXISTS",
        "HGET",
        "HGETALL",
        "HKEYS",
        "HLEN",
        "HSCAN",
        "HVALS",
        "LINDEX",
        "LLEN",
        "LRANGE",
        "PTTL",
        "SISMEMBER",
        "SMEMBERS",
        "TIME",
        "TTL",
        "TYPE",
        "ZCARD",
        "ZCOUNT",
        "ZRANGE",
        "ZRANGEBYSCORE",
        "ZSCORE",
    ]
)


def key_of(command: Command) -> bytes | None:
    """Return the key that decides where a command goes; None if any node will do."""
    name = command[0]
    if name in KEYLESS:
        return None
    key = command[3] if name == "EVAL" else command[1]
    return key if isinstance(key, bytes) else str(key).encode()
