"""One connection on which this process hears what others publish, for any number of listeners."""

import contextlib
import logging
import os
import queue
import random
import threading
from collections.abc import Callable
from typing import Final

from goophry.engine.outage import RETRY, Outage
from goophry.engine.service import OneThread
from goophry.errors import StoreError
from goophry.store.channel import Subscription

Hear = Callable[[bytes | None], None]
"""Called with each message; with None when the subscription begins, or begins anew after a break: what
happened before that has not been heard, so look. Called in the listener's thread: be quick. May raise
`StoreError`, to be called with None again."""

#: Seconds that the thread waits at most before it looks at its connection again.
LOOK_S: Final = 4.0

_log = logging.getLogger(__name__)


class Listener:
    """Hears channels in a thread of its own. A `Service`; starts once."""

    def __init__(self, subscription: Subscription, *, outage: Outage) -> None:
        self._subscription = subscription
        self._outage = outage
        self._thread = OneThread("goophry-listener", self._run)
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Hear]] = {}
        self._changed: queue.SimpleQueue[tuple[str, Hear | None]] = queue.SimpleQueue()
        # Only the thread knows these: what the connection was asked for, and what it confirmed.
        self._asked: set[str] = set()
        self._in_force: set[str] = set()
        self._failures_in_a_row = 0

    def start(self) -> None:
        """Begin to hear."""
        self._thread.start()

    def stop(self) -> None:
        """Hear no more."""
        self._thread.stopping.set()
        self._wake()
        self._thread.stop()
        with self._lock:
            if self._wake_fd >= 0:
                os.close(self._wake_fd)
                self._wake_fd = -1

    def listen(self, channel: str, hear: Hear) -> Callable[[], None]:
        """Have `hear` called with what is published on `channel`; returns what ends that."""
        with self._lock:
            self._listeners.setdefault(channel, []).append(hear)
        self._changed.put((channel, hear))
        self._wake()

        def end() -> None:
            with self._lock:
                hearers = self._listeners.get(channel, [])
                if hear not in hearers:
                    return
                hearers.remove(hear)
                if not hearers:
                    del self._listeners[channel]
            self._changed.put((channel, None))
            self._wake()

        return end

    def _wake(self) -> None:
        # Under the lock: after a stop the number may be another file's.
        with self._lock, contextlib.suppress(BlockingIOError):  # it is awake
            if self._wake_fd >= 0:
                os.eventfd_write(self._wake_fd, 1)

    def _run(self) -> None:
        while not self._thread.stopping.is_set():
            try:
                self._turn()
                self._outage.worked()
                self._failures_in_a_row = 0
            except StoreError as error:
                self._outage.failed(error)
                self._begin_anew()
            except Exception:
                _log.exception("The listener failed and goes on", extra={"action": "listener_failed"})
                self._begin_anew()
        self._subscription.close()

    def _turn(self) -> None:
        self._take_changes()
        for channel, payload in self._subscription.receive(timeout_s=LOOK_S, wake_fd=self._wake_fd):
            if payload is None:
                self._in_force.add(channel)
            self._tell(channel, payload)

    def _take_changes(self) -> None:
        """Subscribe to what is listened to now and was not, and the other way round."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake_fd)
        changed: dict[str, list[Hear]] = {}
        with contextlib.suppress(queue.Empty):
            while True:
                channel, hear = self._changed.get_nowait()
                changed.setdefault(channel, []).extend([] if hear is None else [hear])
        with self._lock:
            wanted = {channel for channel in changed if channel in self._listeners}
        new, old = wanted - self._asked, changed.keys() - wanted
        self._asked |= new
        self._subscription.subscribe(new)
        self._subscription.unsubscribe(old & self._asked)
        self._asked -= old
        self._in_force -= old
        for channel in wanted & self._in_force:
            for hear in changed[channel]:
                self._call(hear, None)

    def _begin_anew(self) -> None:
        """Close the connection and, after a pause, ask another one for everything that is listened to."""
        self._subscription.close()
        self._asked.clear()
        self._in_force.clear()
        self._failures_in_a_row += 1
        self._thread.stopping.wait(RETRY.delay_s(self._failures_in_a_row, random.random))
        with self._lock:
            for channel in self._listeners:
                self._changed.put((channel, None))

    def _tell(self, channel: str, payload: bytes | None) -> None:
        with self._lock:
            hearers = list(self._listeners.get(channel, ()))
        for hear in hearers:
            self._call(hear, payload)

    def _call(self, hear: Hear, payload: bytes | None) -> None:
        try:
            hear(payload)
        except StoreError:  # it could not look: everything begins anew, and it is asked once more
            raise
        except Exception:
            _log.exception("A listener failed", extra={"action": "listener_failed"})
