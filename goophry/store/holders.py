"""Which instance takes the entries of a type, where one at a time is to."""

from collections.abc import Mapping, Sequence
from typing import Final

from goophry.store import keys
from goophry.store.client import Command, LinkPool
from goophry.store.lua import script


class Holders:
    """Everything under one RedisQueueKey. Every method raises `StoreError`."""

    def __init__(self, links: LinkPool, *, queue_key: str) -> None:
        self._links = links
        self._queue_key = queue_key

    def found(self, types: Sequence[str]) -> dict[str, bytes]:
        """Return what the holder of each type says of itself; empty = there is none."""
        if not types:
            return {}
        replies = self._links.pipeline([("GET", self._holder(name)) for name in types])
        return {name: reply or b"" for name, reply in zip(types, replies, strict=True)}

    def living(self, instances: Sequence[str]) -> set[str]:
        """Return those that have a heartbeat."""
        names = list(instances)
        if not names:
            return set()
        replies = self._links.pipeline([("EXISTS", keys.heartbeat(self._queue_key, name)) for name in names])
        return {name for name, reply in zip(names, replies, strict=True) if reply}

    def hold(
        self, wanted: Mapping[str, bytes], *, about: bytes, instance: str, whatever_is_held: bool
    ) -> Sequence[str]:
        """Become the holder of types, in place of the one given, if that is it still; returns of which.

        Unless `whatever_is_held`, not of those of which another instance still holds an entry.
        """
        commands: list[Command] = []
        for name, before in wanted.items():
            q = keys.queue(self._queue_key, name)
            running = b"" if whatever_is_held else keys.running(q, "").encode()
            where = (keys.holder(q), keys.instances(q))
            commands.append(("EVAL", _HOLD, len(where), *where, about, instance, before, running))
        replies = self._links.pipeline(commands) if commands else []
        return [name for name, reply in zip(wanted, replies, strict=True) if reply == 1]

    def let_go(self, types: Sequence[str], *, about: bytes) -> None:
        """Be the holder of these types no longer."""
        if types:
            self._links.pipeline([("EVAL", script("let_go"), 1, self._holder(name), about) for name in types])

    def _holder(self, name: str) -> str:
        return keys.holder(keys.queue(self._queue_key, name))


_HOLD: Final = script("hold")
