"""The channels of Coyotes' clients, kept as task types: those that Redis knows are served, others are not.

So a channel that was made or removed by another instance, or comes back with a configuration that
was read again, is right within a second.
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from goophry.config import Settings, TaskType
from goophry.config_door_types import (
    COYOTES_DELAYED,
    COYOTES_PREFIX,
    completed,
    coyotes_channel,
    coyotes_channel_name,
    coyotes_type_name,
    standard_channels,
)
from goophry.config_doors import CoyotesDoor
from goophry.doors.coyotes_task import Channel
from goophry.engine.types import Types
from goophry.errors import StartError
from goophry.store.coyotes import CoyotesStore

#: Most channels that are served: each has threads of its own.
MOST_CHANNELS: Final = 1000

_log = logging.getLogger(__name__)


class ChannelKeeper:
    """Serves what Redis knows. Thread-safe."""

    def __init__(
        self, door: CoyotesDoor, store: CoyotesStore, types: Types, *, settings: Callable[[], Settings]
    ) -> None:
        """`settings` returns the configuration in force: channels take over from its top level."""
        self._door = door
        self._store = store
        self._types = types
        self._settings = settings
        self._lock = threading.Lock()
        self._told: set[str] = set()

    def begin(self) -> None:
        """Make the standard channels that are missing, and serve all. Raises `StoreError`."""
        for name in standard_channels(self._door):
            channel = Channel(name, self._door.concurrent, distinct=name != COYOTES_DELAYED)
            self._store.add_channel(name, channel_json(channel))
        self.turn()

    def turn(self) -> None:
        """Bring what is served in line with what Redis knows. Raises `StoreError`."""
        with self._lock:
            wanted = self._wanted(self._store.channels())
            serving = self._types.serving()
            for name in serving:
                if name.startswith(COYOTES_PREFIX) and name not in wanted:
                    self._types.remove(name)
            for name, definition in wanted.items():
                if not _is(serving.get(name), definition):
                    self._add(definition)

    def served(self) -> Sequence[str]:
        """Return the names of the channels that are served."""
        names = self._types.serving()
        return [coyotes_channel_name(name) for name in names if name.startswith(COYOTES_PREFIX)]

    def _wanted(self, kept: Mapping[str, bytes]) -> dict[str, TaskType]:
        channels = [channel for name, raw in kept.items() if (channel := self._channel(name, raw)) is not None]
        return {
            (type_name := coyotes_type_name(channel.name)): completed(
                coyotes_channel(self._door, type_name, workers=channel.workers, distinct=channel.distinct),
                self._settings(),
            )
            for channel in channels[:MOST_CHANNELS]
        }

    def _channel(self, name: str, raw: bytes) -> Channel | None:
        value = _object(raw)
        workers, distinct = value.get("worker_count"), value.get("distinct")
        if isinstance(workers, int) and not isinstance(workers, bool) and isinstance(distinct, bool):
            return Channel(name, workers if workers > 0 else self._door.concurrent, distinct=distinct)
        if name not in self._told:
            self._told.add(name)
            _log.error("What Redis knows of a channel is no channel", extra={"action": "coyotes", "channel": name})
        return None

    def _add(self, definition: TaskType) -> None:
        try:
            self._types.add(definition)
        except StartError as error:
            _log.warning("A channel is not served: %s", error, extra={"action": "coyotes", "type": definition.type})


def channel_json(channel: Channel) -> bytes:
    """Return what is kept of a channel."""
    value = {"name": channel.name, "distinct": channel.distinct, "worker_count": channel.workers}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        value: Any = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is(served: TaskType | None, wanted: TaskType) -> bool:
    """Whether a type is served as wanted; its Delivery stays what it is."""
    if served is None:
        return False
    return served.model_copy(update={"delivery": wanted.delivery}) == wanted
