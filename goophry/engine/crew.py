"""The worker threads of one type: started when needed, parked when idle, gone after a minute."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Final, Protocol

from goophry.engine.task import Task

#: Seconds that a worker thread is kept without work; starting one costs some 100 µs.
IDLE_S: Final = 60.0

_log = logging.getLogger(__name__)


class LivesTasks(Protocol):
    """What a worker thread does with a task."""

    def live(self, task: Task) -> bool:
        """See the task through to its end; returns whether its entry is to be removed from Redis."""
        ...

    def close(self) -> None:
        """Free what is held between tasks."""
        ...


class Slots:
    """How many more tasks may be taken: one slot for each worker, claimed *before* an entry is popped."""

    def __init__(self, count: int) -> None:
        self._count = count
        # Less than none after a `resize` to fewer than are busy.
        self._free = count
        self._changed = threading.Condition()

    @property
    def too_many(self) -> bool:
        """Whether more tasks are being run than there are slots by now: whoever finishes takes no other."""
        return self._free < 0

    def resize(self, count: int) -> None:
        """Have `count` slots from now on; those in use are given back when their tasks end."""
        with self._changed:
            self._free += count - self._count
            self._count = count
            self._changed.notify_all()

    def claim(self, timeout_s: float) -> bool:
        """Claim one slot, waiting for it up to `timeout_s`, or until `wake`."""
        with self._changed:
            if self._free <= 0:
                self._changed.wait(timeout_s)
            if self._free <= 0:
                return False
            self._free -= 1
            return True

    def claim_rest(self) -> int:
        """Claim all slots that are free now; returns how many."""
        with self._changed:
            claimed = max(self._free, 0)
            self._free -= claimed
            return claimed

    def release(self, count: int = 1) -> None:
        """Give slots back."""
        with self._changed:
            self._free += count
            self._changed.notify()

    def wake(self) -> None:
        """End a wait in `claim`."""
        with self._changed:
            self._changed.notify_all()


class Crew:
    """Up to `Workers` threads; whoever hands over a task holds a slot for it."""

    def __init__(
        self,
        name: str,
        *,
        slots: Slots,
        make_worker: Callable[[], LivesTasks],
        after: Callable[[Task, bool], Task | None],
    ) -> None:
        """`after` settles a finished task with Redis and may return the next one for the same worker."""
        self._name = name
        self._slots = slots
        self._make_worker = make_worker
        self._after = after
        self._lock = threading.Lock()
        self._parked = 0
        self._threads: set[threading.Thread] = set()
        self._started = 0
        self._closing = False
        self._handed_over: queue.SimpleQueue[Task | None] = queue.SimpleQueue()

    def hand_over(self, task: Task) -> None:
        """Give the task to a parked worker, or to a new one. Raises `RuntimeError` if no thread can be had."""
        with self._lock:
            if self._parked:
                self._parked -= 1
                self._handed_over.put(task)
                return
            self._started += 1
            name = f"goophry-{self._name}-{self._started}"
            thread = threading.Thread(target=self._run, args=(task,), name=name, daemon=True)
            thread.start()
            self._threads.add(thread)

    def renew(self, make_worker: Callable[[], LivesTasks]) -> None:
        """Have tasks lived by workers that `make_worker` makes; those that run are seen through by the old ones."""
        with self._lock:
            self._make_worker = make_worker
            self._dismiss_parked()

    def close(self) -> None:
        """Let every worker end once it has nothing in hand."""
        with self._lock:
            self._closing = True
            self._dismiss_parked()

    def join(self, timeout_s: float) -> bool:
        """Wait for the workers to end; returns whether all have. Call `close` first."""
        for thread in list(self._threads):
            thread.join(timeout_s)
            if thread.is_alive():
                return False
        return True

    def _dismiss_parked(self) -> None:
        for _ in range(self._parked):
            self._handed_over.put(None)
        self._parked = 0

    def _run(self, first: Task) -> None:
        task: Task | None = first
        make = self._make_worker
        worker = make()
        try:
            while task is not None:
                if make is not self._make_worker:
                    self._dismiss(worker)
                    make = self._make_worker
                    worker = make()
                task = self._see_through(worker, task)
                if task is None:
                    if make is not self._make_worker:
                        # Before the slot is free: a program that stays must not meet its successor.
                        self._dismiss(worker)
                    task = self._park(make)
        finally:
            self._dismiss(worker)
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _see_through(self, worker: LivesTasks, task: Task) -> Task | None:
        """Live the task, settle it, and return the next one if there is one at once."""
        try:
            remove = worker.live(task)
            return self._after(task, remove)
        except Exception:
            # A fault of goophry's own: its slot must come back, and the entry stays where it is.
            _log.exception("A worker failed and goes on", extra={"action": "worker_failed", "type": self._name})
            return None

    def _dismiss(self, worker: LivesTasks) -> None:
        try:
            worker.close()
        except Exception:
            # A fault of goophry's own: the thread may have a task in hand, and has a slot to give back.
            _log.exception("A worker could not be closed", extra={"action": "worker_failed", "type": self._name})

    def _park(self, made_by: Callable[[], LivesTasks]) -> Task | None:
        """Give the slot back and wait for the next task; None = this thread should end."""
        with self._lock:
            stays = not self._closing and made_by is self._make_worker
            if stays:
                self._parked += 1
            # Only now, so that the loop finds this worker parked and starts no other one.
            self._slots.release()
            if not stays:
                return None
        while True:
            try:
                return self._handed_over.get(timeout=IDLE_S)
            except queue.Empty:
                with self._lock:
                    # Parked workers are interchangeable: if fewer are parked than wait here, one
                    # of them has a task coming and this may be the one.
                    if self._parked:
                        self._parked -= 1
                        return None
