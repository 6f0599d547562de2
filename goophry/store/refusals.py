"""Redis's errors in goophry's words."""

import re
from typing import Final

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
)

from goophry.errors import (
    StoreCrossSlot,
    StoreError,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
    StoreWrongKind,
)

#: What Redis 6 puts before the answer of a command in a script.
_IN_SCRIPT: Final = r"(Error running script .*: -?)?"

#: Replies that mean "not now" or "not here": connect again, perhaps to another server.
_NOT_NOW: Final = re.compile(
    rf"{_IN_SCRIPT}(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOREPLICAS|MISCONF)\b"
)
_FULL: Final = re.compile(rf"{_IN_SCRIPT}OOM\b")
_WRONG_KIND: Final = re.compile(rf"{_IN_SCRIPT}WRONGTYPE\b")


def translate(error: Exception) -> StoreError:
    """Return the error in goophry's words; raise it `from` the original."""
    if isinstance(error, AuthenticationError | AuthorizationError | NoPermissionError):
        return StoreRefused(f"Redis refuses the login or the command: {error}")
    text = str(error)
    if isinstance(error, OutOfMemoryError) or (type(error) is ResponseError and _FULL.match(text)):
        return StoreFull(f"Redis is at its maxmemory: {text}")
    if type(error) is ResponseError and _WRONG_KIND.match(text):
        return StoreWrongKind(f"Redis: {text}")
    if type(error) is ResponseError and text.startswith("CROSSSLOT"):
        return StoreCrossSlot(f"Redis: {text}")
    # Those that redis-py has a class for, as READONLY, come without their code and mean "not now".
    if type(error) is ResponseError and not _NOT_NOW.match(text):
        return StoreRefused(f"Redis: {text}")
    return StoreUnavailable(text or type(error).__name__)


def error_of(text: str) -> RedisError:
    """Return the error that Redis answered with; by its code, so that `translate` can tell them apart."""
    code = text.partition(" ")[0]
    if code in ("NOAUTH", "WRONGPASS"):
        return AuthenticationError(text)
    # ERR says no more than that it is one; Redis 6 puts it before what went wrong inside a script.
    return NoPermissionError(text) if code == "NOPERM" else ResponseError(text.removeprefix("ERR "))
