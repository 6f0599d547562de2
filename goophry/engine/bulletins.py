"""What all instances are to know at once: published by whoever asks for it, heard by every instance."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from goophry.engine.listener import Listener
from goophry.engine.running import RunningTasks
from goophry.store.records import Records

Act = Callable[[Mapping[str, Any]], None]
"""Does what a bulletin asks for. An empty one means: some may have been missed, look for yourself."""

_log = logging.getLogger(__name__)


class Bulletins:
    """Hands each bulletin to whom it concerns, by its `Event`."""

    def __init__(self, acts: Mapping[str, Act]) -> None:
        self._acts = dict(acts)

    def follow(self, listener: Listener, channel: str) -> None:
        """Begin to hear."""
        listener.listen(channel, self.hear)

    def hear(self, payload: bytes | None) -> None:
        """See `listener.Hear`."""
        if payload is None:
            for act in self._acts.values():
                act({})
            return
        try:
            bulletin = json.loads(payload)
            asked = self._acts.get(bulletin["Event"])
        except (ValueError, RecursionError, TypeError, KeyError):
            _log.warning("A bulletin cannot be read", extra={"action": "bulletin", "text": payload[:200]})
            return
        if asked is not None:  # else one of a newer release
            asked(bulletin)


def cancel(running: RunningTasks, records: Records, bulletin: Mapping[str, Any]) -> None:
    """End the task, or the run, that a bulletin names; without one, those whose cancellation may have been missed. Raises `StoreError`."""
    entry_id = bulletin.get("Id")
    if isinstance(entry_id, str):
        running.cancel(entry_id)
    elif isinstance(run_id := bulletin.get("Run"), str):
        running.cancel_run(run_id)
    elif not bulletin:
        for missed in records.wished_cancelled({run.job.entry.id for run in running.all() if run.job.entry.id}):
            running.cancel(missed)
