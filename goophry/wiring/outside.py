"""What a program beside a running goophry needs to hand in tasks and wait for them: Redis, and nothing else."""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from goophry.clock import SystemClock
from goophry.config import Settings, TaskType
from goophry.config_address import EMBEDDED
from goophry.engine.announce import Announcer
from goophry.engine.intake import Intake
from goophry.engine.listener import Listener
from goophry.engine.outage import Outage
from goophry.engine.results import ResultWaiters
from goophry.errors import StoreUnavailable
from goophry.events import Observer
from goophry.record import TaskRecord
from goophry.store import embedded, keys
from goophry.store.channel import Subscription
from goophry.store.client import LinkPool, RedisServer
from goophry.store.records import Records

#: Seconds that a subscription may take; later, a task that leaves no result could end unheard.
LISTENS_S: Final = 10.0

Wait = Callable[[float | None], TaskRecord | None]
"""Waits so many seconds, or for ever; returns the record of the task, None if it has not ended."""


class Outside:
    """The intake, and the wait for results. Connects when first used; a context manager.

    Raises `StoreUnavailable` while the embedded Redis is configured and does not run.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        types: Mapping[str, TaskType] | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        """`types` are those that there are, the configured ones unless given. `observers` hear of outages while waiting."""
        own = embedded.address(settings.redis_data_dir) if settings.redis_address == EMBEDDED else None
        if own and not embedded.is_running(settings.redis_data_dir):
            raise StoreUnavailable("the embedded Redis does not run, it starts and stops with goophry")
        self._settings = settings
        self._clock = SystemClock()
        # Whoever asks hears of what goes wrong; there is no log here, and nothing to count.
        self._observer = Announcer(observers)
        self._server = RedisServer(settings, address=own)
        self.links = LinkPool(self._server)
        known = {task_type.type: task_type for task_type in settings.tasks} if types is None else types
        self.intake = Intake(
            lambda: known,
            links=self.links,
            queue_key=settings.redis_queue_key,
            max_entry_bytes=lambda: settings.max_entry_bytes,
            observer=self._observer,
            clock=self._clock,
        )
        outage = Outage("listener", observer=self._observer, clock=self._clock)
        self._listener = Listener(Subscription(self._server.link()), outage=outage)
        records = Records(self.links, queue_key=settings.redis_queue_key)
        self._waiters = ResultWaiters(self._listener, records, queue_key=settings.redis_queue_key)

    @property
    def waiters(self) -> ResultWaiters:
        """Who waits for the end of tasks; the first use starts a thread."""
        self._listener.start()
        return self._waiters

    @contextmanager
    def awaiting(self, entry_id: str) -> Iterator[Wait]:
        """Listen for the end of the task from before the block begins, so that no end within it is missed.

        Not even that of a task whose result nobody keeps. Yields what waits for it.
        """
        ended: queue.SimpleQueue[TaskRecord] = queue.SimpleQueue()
        listens = threading.Event()

        def wait(seconds: float | None) -> TaskRecord | None:
            try:
                return ended.get(timeout=seconds)
            except queue.Empty:
                return None

        ends = [
            self.waiters.watch(entry_id, ended.put),
            self._listener.listen(keys.done(self._settings.redis_queue_key, entry_id), lambda _: listens.set()),
        ]
        try:
            listens.wait(LISTENS_S)
            yield wait
        finally:
            for end in ends:
                end()

    def close(self) -> None:
        """End what was started."""
        self._listener.stop()
        self.links.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
