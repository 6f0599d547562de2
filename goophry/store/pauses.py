"""Which types are paused, for all instances."""

import json
from typing import Literal

from goophry.errors import StoreWrongKind
from goophry.store import keys
from goophry.store.client import LinkPool, eval_script
from goophry.store.lua import script


class Pauses:
    """The paused types under one RedisQueueKey. Every method raises `StoreError`."""

    def __init__(self, links: LinkPool, *, queue_key: str) -> None:
        self._links = links
        self._events = keys.events(queue_key)
        self.key = keys.paused(queue_key)
        """Where they stand."""

    def pause(self, task_type: str) -> bool:
        """Have no instance take anything of the type until `resume`; returns whether it was not paused before."""
        return self._set(task_type, "pause")

    def resume(self, task_type: str) -> bool:
        """Have the type taken again; returns whether it was paused."""
        return self._set(task_type, "resume")

    def paused(self) -> frozenset[str]:
        """Return the paused types. Raises `StoreWrongKind` when the key holds no set."""
        return frozenset(name.decode(errors="replace") for name in self._links.call("SMEMBERS", self.key))

    def repair(self) -> None:
        """Empty the key if it holds no set; no type is paused then."""
        try:
            self.paused()
        except StoreWrongKind:
            self._links.call("DEL", self.key)

    def _set(self, task_type: str, event: Literal["pause", "resume"]) -> bool:
        told = json.dumps({"Event": event, "Type": task_type}, separators=(",", ":"))
        changed, _ = eval_script(self._links, script("pause"), (self.key,), (task_type, event, self._events, told))
        return bool(changed)
