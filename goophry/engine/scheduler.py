"""What is due by the clock: entries that were put off go into their queues, and schedules fire."""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from goophry.clock import Clock
from goophry.config import Schedule
from goophry.engine.outage import Outage
from goophry.engine.schedules import Schedules
from goophry.engine.service import OneThread
from goophry.errors import StoreError, StoreWrongKind
from goophry.events import HelperRepaired, Observer
from goophry.store.tasks import Tasks

#: Entries that are moved in one step at most; each takes Redis some 2 µs.
BATCH: Final = 500

#: Seconds between looks at all types, for entries of which no message told: another program may have put them there.
LOOK_S: Final = 5.0

#: Seconds until the next try after Redis could not be reached.
RETRY_S: Final = 0.5

_log = logging.getLogger(__name__)


class Scheduler:
    """Moves what is due, in a thread of its own; any number of instances may do so at once. A `Service`; starts once."""

    def __init__(
        self,
        types: Callable[[], Sequence[str]],
        *,
        tasks: Tasks,
        schedules: Schedules,
        outage: Outage,
        observer: Observer,
        clock: Clock,
    ) -> None:
        """`types` returns the names of the task types that there are now."""
        self._types = types
        self._tasks = tasks
        self._schedules = schedules
        self._outage = outage
        self._observer = observer
        self._clock = clock
        self._thread = OneThread("goophry-scheduler", self._run)
        self._woken = threading.Event()
        # When the first entry of each type is due, on the monotonic clock; only the thread changes it.
        self._due: dict[str, float] = {}
        self._look_at = 0.0
        self._told: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin to move what is due."""
        self._thread.start()

    def quiet(self) -> None:
        """Begin nothing more. Does not wait."""
        self._thread.stopping.set()
        self._woken.set()

    def stop(self) -> None:
        """End; a step under way is finished."""
        self.quiet()
        self._thread.stop()

    def look(self, task_type: str | None = None) -> None:
        """Have the thread look at this type, or at all, at once: there may be an entry that is due sooner."""
        self._told.put(task_type)
        self._woken.set()

    def replace_schedules(self, schedules: Iterable[Schedule]) -> None:
        """Follow other schedules from now on; see `Schedules.replace`."""
        self._schedules.replace(schedules)
        self._woken.set()

    def turn(self) -> float:
        """Move what is due now, and fire; returns the seconds until the next turn is. Raises `StoreError`."""
        self._find_due()
        refused, fire_in_s = None, None
        try:
            fire_in_s = self._schedules.turn()
        except StoreWrongKind as error:
            refused = error
        for task_type, due in list(self._due.items()):
            if due > self._clock.monotonic() or self._thread.stopping.is_set():
                continue
            try:
                self._promote(task_type)
            except StoreWrongKind as error:
                # Its queue is none, perhaps; the other types are not to suffer from that.
                del self._due[task_type]
                refused = error
        if refused is not None:
            raise refused
        wait_s = max(0.0, min([self._look_at, *self._due.values()]) - self._clock.monotonic())
        return wait_s if fire_in_s is None else min(wait_s, fire_in_s)

    def _find_due(self) -> None:
        """Ask for the first due entry, of the types that somebody told of, and of all every `LOOK_S`."""
        types, told = self._types(), self._take_told()
        now = self._clock.monotonic()
        if None in told or now >= self._look_at:
            told = set(types)
            self._due = {name: due for name, due in self._due.items() if name in told}
            self._look_at = now + LOOK_S
        for task_type, left_s in self._tasks.next_due([name for name in types if name in told]).items():
            self._note_due(task_type, left_s)

    def _take_told(self) -> set[str | None]:
        told = set()
        with contextlib.suppress(queue.Empty):
            while True:
                told.add(self._told.get_nowait())
        return told

    def _promote(self, task_type: str) -> None:
        count, left_s = BATCH, None
        while count == BATCH and not self._thread.stopping.is_set():
            count, left_s, emptied = self._tasks.promote(task_type, limit=BATCH)
            if emptied:
                self._observer.notify(
                    HelperRepaired(task_type, "the set of delayed entries held another kind of value")
                )
        self._note_due(task_type, left_s)

    def _note_due(self, task_type: str, left_s: float | None) -> None:
        if left_s is None:
            self._due.pop(task_type, None)
        else:
            self._due[task_type] = self._clock.monotonic() + left_s

    def _run(self) -> None:
        wait_s = 0.0
        while not self._thread.stopping.is_set():
            self._woken.wait(wait_s)
            self._woken.clear()
            try:
                wait_s = self.turn()
                self._outage.worked()
            except StoreError as error:
                self._outage.failed(error)
                self._look_at, wait_s = 0.0, RETRY_S
            except Exception:
                _log.exception("The scheduler failed and goes on", extra={"action": "scheduler_failed"})
                wait_s = RETRY_S
