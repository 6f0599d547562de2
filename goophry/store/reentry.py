"""What is noted of tasks before they are put back from a failed list: that their end was none, and whom they are like."""

import math
from collections.abc import Sequence

from goophry.config import Unique
from goophry.entry import TaskEntry, parse
from goophry.errors import UnreadableEntry
from goophry.likeness import digest
from goophry.store import keys
from goophry.store.client import Command, LinkPool
from goophry.store.lua import script


class Reentry:
    """The notes of one type; `unique` is the type's."""

    def __init__(self, links: LinkPool, *, queue_key: str, queue: str, unique: Unique | None) -> None:
        self._links = links
        self._queue_key = queue_key
        self._where = (keys.ids(queue), keys.unique(queue))
        self._unique = unique

    def note(self, originals: Sequence[bytes]) -> None:
        """Forget the results of these tasks, and let them own what makes them equal to others. Raises `StoreError`.

        To be called before they can run: what is noted of that is not to be changed.
        """
        commands = [command for raw in originals for command in self._notes(_read(raw))]
        if commands:
            self._links.pipeline(commands)

    def _notes(self, entry: TaskEntry) -> list[Command]:
        if entry.id is None:
            return []
        forget: Command = ("EVAL", script("forget_end"), 1, keys.result(self._queue_key, entry.id))
        unique = self._unique
        if unique is None:
            return [forget]
        like = digest(entry.args, entry.fields, by=unique.by)
        return [forget, ("EVAL", script("own"), 2, *self._where, entry.id, like, math.ceil(unique.ttl * 1000))]


def _read(raw: bytes) -> TaskEntry:
    try:
        return parse(raw)
    except UnreadableEntry:
        return TaskEntry()
