"""What Redis answers to the commands of a queue, understood."""

from typing import Any

from redis.exceptions import RedisError, ResponseError

from goophry.errors import StoreWrongKind
from goophry.store.client import Command, Link, Reply
from goophry.store.refusals import translate


def unless_unblocked(link: Link, command: Command) -> Any:
    """Send a blocking pop; None if time passed or somebody unblocked the connection. Raises `StoreError`."""
    (reply,) = link.pipeline((command,))
    if isinstance(reply, ResponseError):
        if str(reply).startswith("UNBLOCKED"):
            return None
        raise translate(reply) from reply
    return reply


def checked(replies: list[Reply]) -> list[Reply]:
    """Return the replies; raise `StoreError` for the first that is an error."""
    for reply in replies:
        if isinstance(reply, RedisError):
            raise translate(reply) from reply
    return replies


def number(link: Link, key: str) -> int:
    """Return the number at `key`; 0 if there is none. Raises `StoreError`."""
    try:
        found: bytes | None = link.call("GET", key)
    except StoreWrongKind:  # somebody wrote there
        return 0
    return int(found) if found is not None and found.isdigit() else 0
