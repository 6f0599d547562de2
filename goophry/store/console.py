"""Redis for commands that run once and end."""

from types import TracebackType
from typing import Self

from goophry.config import Settings
from goophry.config_address import EMBEDDED
from goophry.errors import StoreUnavailable
from goophry.store import embedded, keys
from goophry.store.client import ANSWER_TIMEOUT_S, LinkPool, RedisServer
from goophry.store.failed import FailedList
from goophry.store.views import ServerInfo, server_info


class Console:
    """A connection to the configured Redis; connects when first used. A context manager.

    Raises `StoreUnavailable` while the embedded Redis is configured and does not run.
    """

    def __init__(self, settings: Settings, *, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        own = embedded.address(settings.redis_data_dir) if settings.redis_address == EMBEDDED else None
        if own and not embedded.is_running(settings.redis_data_dir):
            raise StoreUnavailable("the embedded Redis does not run, it starts and stops with goophry")
        self.server = RedisServer(settings, address=own)
        self.links = LinkPool(self.server, timeout_s=answer_timeout_s)
        self._queue_key = settings.redis_queue_key
        self._unique = {task_type.type: task_type.unique for task_type in settings.tasks}

    def ping(self) -> ServerInfo:
        """Return what the server says about itself. Raises `StoreError`."""
        return server_info(self.links)

    def has_entries(self, task_type: str) -> bool:
        """Whether anything waits, is put off or failed under this type. Raises `StoreError`."""
        q = keys.queue(self._queue_key, task_type)
        names = (q, keys.failed(q), keys.failed_aside(q), keys.delayed(q))
        return any(self.links.pipeline([("EXISTS", name) for name in names]))

    def failed(self, task_type: str) -> FailedList:
        """Return the failed list of `task_type`."""
        unique = self._unique.get(task_type)
        return FailedList(self.links, queue_key=self._queue_key, task_type=task_type, unique=unique)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.links.close()
