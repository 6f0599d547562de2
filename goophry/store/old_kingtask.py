"""What kingtask's broker and workers left in their Redis keys: read, and removed once it has been taken over."""

from collections.abc import Iterator, Mapping
from typing import Final

from goophry.store import keys
from goophry.store.client import LinkPool, eval_script
from goophry.store.everywhere import scan
from goophry.store.kingtask import COUNT_TTL_S, KingtaskStore
from goophry.store.lua import script

WAITING: Final = "request_uuid_set"
FAILED: Final = "fail_result_uuid_set"

#: kingtask's counters, and goophry's.
COUNTERS: Final = {"success_task_count": "success", "fail_task_count": "failure"}

#: Seconds that an interrupted import remembers how much of a counter it has added.
MARK_TTL_S: Final = 86_400


class OldKingtask:
    """Its keys stand in the database itself. Every method raises `StoreError`."""

    def __init__(self, links: LinkPool, *, queue_key: str) -> None:
        self._links = links
        self._queue_key = queue_key

    def ids(self, name: str) -> list[str]:
        """Return the ids in a set."""
        if self._links.call("TYPE", name) != b"set":
            return []
        return sorted(raw.decode(errors="replace") for raw in self._links.call("SMEMBERS", name))

    def fields(self, key: str) -> Mapping[str, str]:
        """Return a hash; nothing if there is none."""
        if self._links.call("TYPE", key) != b"hash":
            return {}
        found = [raw.decode(errors="replace") for raw in self._links.call("HGETALL", key)]
        return dict(zip(found[::2], found[1::2], strict=True))

    def remove_task(self, name: str, task_id: str, key: str = "") -> None:
        """Take an id out of a set, and remove the hash that tells of it."""
        commands: list[tuple[str, ...]] = [("SREM", name, task_id)]
        self._links.pipeline([*commands, *([("DEL", key)] if key else [])])

    def results(self) -> Iterator[str]:
        """Yield the ids of which there is a result."""
        yield from (name.removeprefix("r_") for name in self._scan("r_*") if self._links.call("TYPE", name) == b"hash")

    def take_result(self, task_id: str, store: KingtaskStore, result: bytes) -> None:
        """Keep a result for the time that it had left, and remove the old one."""
        left_ms = int(self._links.call("PTTL", f"r_{task_id}"))
        store.keep(task_id, result, left_ms=left_ms if left_ms > 0 else None)
        self._links.call("DEL", f"r_{task_id}")

    def counts(self) -> dict[str, int]:
        """Return the counters of days: key → number."""
        found = {}
        for kind in COUNTERS:
            for name in self._scan(f"{kind}:*"):
                value = self._links.call("GET", name) if self._links.call("TYPE", name) == b"string" else None
                if value is not None and value.isdigit():
                    found[name] = int(value)
        return found

    def take_count(self, name: str) -> None:
        """Add a counter to goophry's, and remove it; once only, also when it is done again after an interruption.

        In steps, for in a cluster the two are on different nodes.
        """
        kind, _, day = name.partition(":")
        value = self._links.call("GET", name)
        if value is None:
            return
        mark = keys.kingtask_imported(self._queue_key, name)
        where = (keys.kingtask_count(self._queue_key, COUNTERS[kind], day), mark)
        eval_script(self._links, script("add_count"), where, (value, COUNT_TTL_S, MARK_TTL_S))
        # Of a counter that has grown meanwhile the mark stays: the next import adds the rest.
        if eval_script(self._links, script("forget"), (name,), (value,)):
            self._links.call("DEL", mark)

    def _scan(self, pattern: str) -> list[str]:
        return sorted({raw.decode(errors="replace") for raw in scan(self._links, pattern)})
