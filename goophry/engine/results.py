"""Waiting for the end of tasks: any number of waiters, one connection, no polling and no thread for each."""

import threading
from collections.abc import Callable

from goophry.engine.listener import Listener
from goophry.record import TaskRecord
from goophry.store import keys
from goophry.store.records import Records


class ResultWaiters:
    """Tells of the end of tasks that have an Id. Thread-safe."""

    def __init__(self, listener: Listener, records: Records, *, queue_key: str) -> None:
        self._listener = listener
        self._records = records
        self._queue_key = queue_key

    def watch(self, entry_id: str, ended: Callable[[TaskRecord], None]) -> Callable[[], None]:
        """Have `ended` called, once, when the task has ended, at once if it has; returns what ends the wait.

        It is called in the listener's thread: be quick. Without Redis it is called when that is back.
        """
        watch = _Watch(entry_id, ended, records=self._records)
        watch.stop = self._listener.listen(keys.done(self._queue_key, entry_id), watch.hear)
        if watch.over:  # before it could know how to stop
            watch.stop()
        return watch.stop

    def wait(self, entry_id: str, *, timeout_s: float) -> TaskRecord | None:
        """Wait for the end of the task; returns its record, or None if it has not ended in time."""
        found: list[TaskRecord] = []
        ended = threading.Event()

        def note(record: TaskRecord) -> None:
            found.append(record)
            ended.set()

        stop = self.watch(entry_id, note)
        try:
            ended.wait(timeout_s)
        finally:
            stop()
        return found[0] if found else None


class _Watch:
    """One waiter."""

    def __init__(self, entry_id: str, ended: Callable[[TaskRecord], None], *, records: Records) -> None:
        self._entry_id = entry_id
        self._ended = ended
        self._records = records
        self.over = False
        self.stop: Callable[[], None] = lambda: None

    def hear(self, payload: bytes | None) -> None:
        """Look at what was published; where that was missed, at the record. Raises `StoreError`."""
        if self.over:
            return
        record = TaskRecord.from_json(payload) if payload is not None else None
        if payload is None:
            record = self._records.read(self._entry_id)
        if record is not None and record.is_final:
            self.over = True
            self._ended(record)
            self.stop()
