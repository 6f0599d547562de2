"""When two tasks of a Unique type count as the same."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def digest(args: Sequence[str], fields: Mapping[str, Any] | None = None, *, by: str = "") -> str:
    """Return what equal tasks have in common and others do not: 40 hexadecimal digits.

    That is their Args; with `by`, what their entries have under this key of `fields`, where they have it.
    """
    compared: Any = list(args)
    if by and fields is not None and by in fields:
        compared = {by: fields[by]}
    return hashlib.sha1(_encoded(compared), usedforsecurity=False).hexdigest()


def _encoded(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can escape and UTF-8 cannot have
        return json.dumps(value, separators=(",", ":")).encode()
