"""Notes of tasks that are not there any more, found and removed.

A task leaves its note when it ends, and whoever sends another with its Id finds out that it is gone. But at most
once, what ran when its instance was killed ends nowhere, and a list that somebody deletes takes its tasks along:
their Ids, made up once and never asked for again, would stand in Redis for ever.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from goophry.entry import parse
from goophry.errors import UnreadableEntry
from goophry.store import keys
from goophry.store.client import Command, LinkPool
from goophry.store.lua import script
from goophry.store.moments import redis_time
from goophry.store.queues import split_mark
from goophry.store.records import LIVE_TTL_S
from goophry.store.tasks import Place, Tasks

#: Seconds after which a note may be one of a task that is gone: until then its record tells.
STALE_S: Final = LIVE_TTL_S

#: Seconds for which one look does, whichever instance took it.
LOOK_EVERY_S: Final = 86_400

#: Notes that are looked into at one look, and asked for at once.
MOST: Final = 10_000
_PAGE: Final = 1000

#: Each place that an entry may have, in the order of its way, and back: one that moves meanwhile is met all the same.
_PLACES: Final[Sequence[Place]] = ("waiting", "delayed", "running", "delayed", "waiting")


class StaleIds:
    """Looks through the notes of all types under one RedisQueueKey. Every method raises `StoreError`."""

    def __init__(self, links: LinkPool, *, queue_key: str) -> None:
        self._links = links
        self._queue_key = queue_key
        self._tasks = Tasks(links, queue_key=queue_key)

    def sweep(self, task_type: str, *, go_on: Callable[[], bool] = lambda: True) -> int:
        """Remove the notes of this type's tasks that are gone, unless a look was taken lately; returns how many.

        `go_on` is asked now and then; when it says no, nothing is removed any more.
        """
        q = keys.queue(self._queue_key, task_type)
        looked = ("SET", keys.looked(q), 1, "NX", "EX", LOOK_EVERY_S)
        if not self._links.call("HLEN", keys.ids(q)) or self._links.call(*looked) is None:
            return 0
        notes = self._without_record(self._old(keys.ids(q)))
        for place in _PLACES:
            if not notes:
                return 0
            for number, raw in enumerate(self._tasks.entries(task_type, place)):
                if number % _PAGE == 0 and not go_on():
                    return 0
                notes.pop(_id_of(raw), None)
        gone = self._forget(keys.ids(q), notes)
        owners = {digest: told for digest, told in self._pairs(keys.unique(q)) if told.partition(b" ")[2] in notes}
        self._forget(keys.unique(q), owners)
        return gone

    def _old(self, key: str) -> dict[bytes, bytes]:
        before_ms = (redis_time(self._links) - STALE_S) * 1000
        found: dict[bytes, bytes] = {}
        for entry_id, since in self._pairs(key):
            if not since.isdigit() or int(since) < before_ms:
                found[entry_id] = since
            if len(found) == MOST:
                break
        return found

    def _without_record(self, notes: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        names = {name: keys.result(self._queue_key, name.decode(errors="surrogateescape")) for name in notes}
        kept: list[int] = self._links.pipeline([("EXISTS", key) for key in names.values()]) if names else []
        return {name: notes[name] for name, exists in zip(names, kept, strict=True) if not exists}

    def _pairs(self, key: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield fields and values of a hash; some perhaps twice."""
        cursor: bytes | int = 0
        while True:
            cursor, found = self._links.call("HSCAN", key, cursor, "COUNT", _PAGE)
            yield from zip(found[::2], found[1::2], strict=True)
            if cursor == b"0":
                return

    def _forget(self, key: str, fields: Mapping[bytes, bytes]) -> int:
        """Remove fields which still hold what was read; returns how many did."""
        forget = script("forget_field")
        commands: list[Command] = [("EVAL", forget, 1, key, field, value) for field, value in fields.items()]
        return sum(self._links.pipeline(commands)) if commands else 0


def _id_of(raw: bytes) -> bytes:
    try:
        return (parse(split_mark(raw)[1]).id or "").encode(errors="surrogateescape")
    except UnreadableEntry:
        return b""
