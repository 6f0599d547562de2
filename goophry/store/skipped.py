"""Messages that were no tasks: the newest are kept, for people to look at."""

import base64
import json
from collections.abc import Sequence
from typing import Final

from goophry.store import keys
from goophry.store.client import Command, LinkPool

#: How many are kept.
KEPT: Final = 1000


class Skipped:
    """Everything under one RedisQueueKey, from one place."""

    def __init__(self, links: LinkPool, *, queue_key: str, who: str) -> None:
        self._links = links
        self._key = keys.skipped(queue_key, who)

    def keep(self, messages: Sequence[tuple[str, bytes, str]]) -> None:
        """Keep messages, each with where it stood and why it was passed over. Raises `StoreError`."""
        if not messages:
            return
        commands: list[Command] = [("RPUSH", self._key, _dumped(*each)) for each in messages]
        self._links.pipeline([*commands, ("LTRIM", self._key, -KEPT, -1)])


def _dumped(place: str, value: bytes, reason: str) -> str:
    kept = {"Place": place, "Reason": reason, "Message": value.decode(errors="replace")}
    try:
        value.decode()
    except UnicodeDecodeError:
        kept["MessageBase64"] = base64.b64encode(value).decode()
    return json.dumps(kept, ensure_ascii=False)
