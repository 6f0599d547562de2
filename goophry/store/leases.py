"""Who is alive, and what the dead left behind.

An instance beats: it sets a key that expires. Whoever finds an instance without that key puts
what it held back to the head of the queue. Recovery goes by the life of the owner, never by how
long a task runs.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from redis.exceptions import RedisError

from goophry.store import keys
from goophry.store.client import LinkPool, eval_script
from goophry.store.everywhere import each, scan
from goophry.store.lua import script
from goophry.store.queues import MARK

#: Seconds after the last beat when an instance counts as dead. With a beat and a look each
#: BEAT_S, entries are back in the queue at most 12.5 s after a death.
HEARTBEAT_TTL_S: Final = 10
BEAT_S: Final = 2.5

#: Seconds that an instance which was declared dead has to learn that its entries were taken.
TAKEN_TTL_S: Final = 86_400

#: Seconds that an instance is still listed after its last beat; whether it lives, the heartbeat tells.
SEEN_S: Final = 86_400

#: What TTL answers for a key that does not expire.
_NO_TTL: Final = -1


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was done for one dead instance and one type."""

    requeued: int
    lost: tuple[bytes, ...]
    """Entries recovered too often; the caller holds them now and must fail them."""
    deaths: tuple[str, ...] = field(default=(), compare=False)
    """For each of the lost: which instances died with it, and when."""


class Leases:
    """Heartbeats and recovery under one RedisQueueKey."""

    def __init__(self, links: LinkPool, *, queue_key: str, instance: str) -> None:
        self._links = links
        self._queue_key = queue_key
        self.instance = instance

    def beat(self, about: Mapping[str, Any]) -> bool:
        """Say that this instance lives; returns whether Redis still knew of it."""
        key = keys.heartbeat(self._queue_key, self.instance)
        value = json.dumps(about, separators=(",", ":"))
        beat = ("EVAL", script("beat"), 1, key, value, HEARTBEAT_TTL_S)
        seen = ("EVAL", script("seen"), 1, keys.seen(self._queue_key), self.instance, SEEN_S)
        known, *_ = self._links.pipeline((("EXISTS", key), beat, seen))
        return bool(known)

    def end(self, instance: str) -> None:
        """Remove the heartbeat of this instance at its stop, or of one that is known to be dead."""
        self._links.call("DEL", keys.heartbeat(self._queue_key, instance))
        self._links.answers(
            [("ZREM", keys.seen(self._queue_key), instance)]
        )  # a key of another kind the next beat puts right

    def owners(self, types: Sequence[str]) -> dict[str, list[str]]:
        """Return type → the instances that hold, or held, entries of it, this one included."""
        names = [keys.instances(keys.queue(self._queue_key, name)) for name in types]
        replies = self._links.answers([("SMEMBERS", name) for name in names])
        owners: dict[str, list[str]] = {}
        for task_type, name, reply in zip(types, names, replies, strict=True):
            owners[task_type] = []
            if isinstance(reply, RedisError):  # somebody wrote another kind of value there
                self._links.call("DEL", name)
                continue
            owners[task_type] = [member.decode(errors="replace") for member in reply]
        return owners

    def search(self, types: Sequence[str]) -> dict[str, set[str]]:
        """Enter in the sets of owners whoever has a running list; returns those missing there, by type.

        For after a set was lost. It looks at every key of the database, a thousand at a time.
        """
        queues = {keys.running(keys.queue(self._queue_key, name), ""): name for name in types}
        missing: dict[str, set[str]] = {}
        for key in scan(self._links, "*:running:*"):
            list_, colon, owner = key.decode(errors="replace").rpartition(":")
            name = queues.get(list_ + colon)
            if name is None:
                continue
            owners = keys.instances(keys.queue(self._queue_key, name))
            # Asked first, for Redis at its maxmemory refuses to add even what is there.
            if not self._links.call("SISMEMBER", owners, owner):
                self._links.call("SADD", owners, owner)
                missing.setdefault(name, set()).add(owner)
        return missing

    def keys_in_database(self) -> int:
        """Return how many keys the database has, ours and others'."""
        return sum(each(self._links, "DBSIZE"))

    def heartbeats(self, instances: Iterable[str]) -> dict[str, dict[str, Any] | None]:
        """Return what each instance last said of itself, None for those whose beat is gone."""
        wanted = {name: keys.heartbeat(self._queue_key, name) for name in instances}
        said = self._links.answers([("GET", key) for key in wanted.values()])
        ends_in_s = self._links.answers([("TTL", key) for key in wanted.values()])
        for key, ttl_s in zip(wanted.values(), ends_in_s, strict=True):
            if ttl_s == _NO_TTL:  # somebody wrote there: if its owner lives, the next beat puts it right
                self._links.call("EXPIRE", key, HEARTBEAT_TTL_S)
        return {name: None if reply is None else _about(reply) for name, reply in zip(wanted, said, strict=True)}

    def recover(self, task_type: str, dead: str, *, max_recoveries: int) -> Recovery:
        """Put what `dead` held of `task_type` back to the head of the queue, atomically."""
        q = keys.queue(self._queue_key, task_type)
        where = (
            keys.running(q, dead),
            q,
            keys.instances(q),
            keys.running(q, self.instance),
            keys.taken(q, dead),
            keys.step(q, dead),
            keys.recovered(q),
        )
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        args = (dead, MARK, max_recoveries, TAKEN_TTL_S, now)
        requeued, *lost = eval_script(self._links, script("recover"), where, args)
        return Recovery(requeued, tuple(lost[::2]), tuple(_told(deaths) for deaths in lost[1::2]))

    def forget(self, dead: str, types: Sequence[str]) -> None:
        """Remove the marks by which an instance learns that its entries were taken; only of one that has ended."""
        self._links.pipeline([("DEL", keys.taken(keys.queue(self._queue_key, name), dead)) for name in types])

    def leave(self, types: Sequence[str]) -> None:
        """Take this instance out of the owners of these types, unless entries of it are still listed."""
        for name in types:
            q = keys.queue(self._queue_key, name)
            self._links.call("DEL", keys.step(q, self.instance))
            if not self._links.call("LLEN", keys.running(q, self.instance)):
                self._links.call("SREM", keys.instances(q), self.instance)


def _told(deaths: bytes) -> str:
    """Return what stands in the hash of recoveries as a person reads it."""
    return ", ".join(
        f"{death.get('Instance')} at {death.get('At')}" for death in json.loads(deaths) if type(death) is dict
    )


def _about(value: bytes | RedisError) -> dict[str, Any]:
    if isinstance(value, RedisError):
        return {}
    try:
        about = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}
