"""When two tasks of a Unique type count as the same."""

import hashlib
import json
from collections.abc import Sequence


def digest(args: Sequence[str]) -> str:
    """Return what equal Args have in common and others do not: 40 hexadecimal digits."""
    text = json.dumps(list(args), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha1(text.encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()
