"""The loop of one task type: a free slot, then an entry, then a worker for it."""

import contextlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Final

from goophry.clock import Clock
from goophry.engine.agreement import Agreement
from goophry.engine.asking import Asking
from goophry.engine.crew import Crew, LivesTasks, Slots
from goophry.engine.exchange import Exchange
from goophry.engine.holds import Hold, Holds, put_back
from goophry.engine.outage import RETRY, Outage
from goophry.engine.service import OneThread
from goophry.engine.task import Task
from goophry.errors import StoreError, StoreFull
from goophry.events import Observer, TaskPopped
from goophry.outcome import Verdict
from goophry.store.client import Link, LinkPool, unblock

#: Seconds that one blocking pop lasts. Another connection ends it at a stop, so it need not be
#: short; with 5 s a thousand idle types make 200 round trips a second.
POP_S: Final = 5
#: The same for a Redis user who may not unblock connections.
POP_WITHOUT_UNBLOCK_S: Final = 1
#: Seconds after which an answer to a blocking pop counts as never coming.
POP_ANSWER_S: Final = POP_S + 4

#: Seconds after a doubt when the running list is looked at again: a pop that a broken connection
#: had sent may reach Redis late.
SECOND_LOOK_S: Final = POP_ANSWER_S + 1

#: Seconds between looks at whether this instance counts as alive again.
NOT_ALIVE_S: Final = 0.1

#: Seconds between looks at whether a stop is complete.
STOP_LOOK_S: Final = 0.02

#: Seconds without a turn after which a loop counts as stuck.
STUCK_S: Final = 60.0

_log = logging.getLogger(__name__)


class TaskLoop:
    """Takes entries of one type as long as workers are free. A `Service`."""

    def __init__(
        self,
        name: str,
        *,
        workers: int,
        exchange: Exchange,
        links: LinkPool,
        link: Link,
        make_worker: Callable[[], LivesTasks],
        observer: Observer,
        outage: Outage,
        clock: Clock,
    ) -> None:
        """`link` is for this loop alone and lets answers take `POP_ANSWER_S`."""
        self.name = name
        self.exchange = exchange
        self._links = links
        self._link = link
        self._observer = observer
        self._outage = outage
        self._clock = clock
        self._holds = Holds()
        self._agreement = Agreement(name, exchange, late_s=SECOND_LOOK_S, observer=observer, clock=clock)
        self._slots = Slots(workers)
        self._crew = Crew(name, slots=self._slots, make_worker=make_worker, after=self._after)
        self._thread = OneThread(f"goophry-{name}", self._run)
        self._stopping = self._thread.stopping
        self._interrupted = False
        self._grace_s: float | None = None
        self._asking = Asking()
        self._failures_in_a_row = 0
        self._last_turn = clock.monotonic()

    def start(self) -> None:
        """Begin to take entries."""
        self._thread.start()

    def hold(self, why: Hold) -> None:
        """Take nothing until `let_go`; what runs goes on. Does not wait.

        What a pop that is under way brings goes back to the head of the queue.
        """
        self._holds.add(why)
        self._slots.wake()

    def let_go(self, why: Hold) -> None:
        """Take entries again, unless there is another reason not to."""
        self._holds.discard(why)

    def change(self, *, workers: int, make_worker: Callable[[], LivesTasks] | None) -> None:
        """Run so many tasks at once, and have `make_worker`, if given, make the workers of what begins from now on."""
        if make_worker is not None:
            self._crew.renew(make_worker)
        self._slots.resize(workers)
        self._holds.wake()

    def retire(self) -> bool:
        """While held for good: close the exchange once nothing runs, is under way or is in doubt; returns whether."""
        return self._agreement.complete and self.exchange.close()

    def quiet(self) -> None:
        """Take nothing more, from now on and for good; what runs goes on. Does not wait."""
        self._stopping.set()
        self._holds.wake()
        self._slots.wake()

    def doubt(self) -> None:
        """Compare with Redis what is held, also while all workers are busy."""
        self.exchange.doubt()
        self._holds.wake()
        self._slots.wake()

    def poke(self) -> None:
        """After `quiet` or `hold`: end the blocking pop that may be under way. Does not wait for it."""
        client_id = self._link.client_id
        if client_id and self._thread.alive():
            # Without Redis the pop ends by itself, within POP_ANSWER_S.
            with contextlib.suppress(StoreError):
                unblock(self._links, client_id, near=self.exchange.queue.name)

    def ended(self) -> bool:
        """After `quiet`: whether no pop is under way and nothing runs any more."""
        if self._thread.alive():
            return False
        self._crew.close()
        return self._crew.join(0)

    def stop(self) -> None:
        """Take nothing more; returns when what runs has ended."""
        self.quiet()
        # Again and again: the loop may have been just about to pop.
        while not self.ended():
            self.poke()
            time.sleep(STOP_LOOK_S)
        self._thread.stop()

    def interrupt(self, *, grace_s: float | None = None) -> None:
        """After `quiet`: end what runs; the entries go back to the queue. None = the type's KillGrace."""
        self._interrupted, self._grace_s = True, grace_s
        for task in self.exchange.held():
            task.interrupt.set(Verdict.INTERRUPTED, grace_s=grace_s)

    def settle_rest(self) -> bool:
        """Tell Redis of settled entries that it does not know of yet; returns whether it knows all."""
        if not self.exchange.in_doubt and self.exchange.clean:
            return True
        try:
            self.exchange.reconcile()
        except StoreError as error:
            self._outage.failed(error)
            return False
        self._outage.worked()
        return True

    def close(self) -> None:
        """Close the loop's connection; call it last."""
        self._link.close()

    def problem(self) -> str | None:
        """Return what is wrong with this loop, None if it turns."""
        if self._stopping.is_set() or not self._thread.started:
            return None
        if not self._thread.alive():
            return f"{self.name}: the loop has died"
        still_s = self._clock.monotonic() - self._last_turn
        return f"{self.name}: no turn for {still_s:.0f} s" if still_s > STUCK_S else None

    @property
    def trouble(self) -> str:
        """Why nothing can be taken from Redis now; empty if all is well."""
        return str(self._outage.error or "")

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._last_turn = self._clock.monotonic()
            try:
                self._turn()
            except StoreError as error:
                self._outage.failed(error)
                self._back_off()
            except Exception:
                # A fault of goophry's own must not end a type for good, as an error did in the original.
                _log.exception("The loop failed and goes on", extra={"action": "loop_failed", "type": self.name})
                self._back_off()

    def _turn(self) -> None:
        """Claim a slot, take what there is for it and for the other free ones, hand it over."""
        if not self.exchange.alive:
            # The heartbeat renews it as soon as Redis can be reached.
            self._stopping.wait(NOT_ALIVE_S)
            return
        # Before a slot is claimed: what others have taken over must be ended, also when all workers are busy.
        self._agree()
        if self._holds:
            self._holds.wait(self._patience_s())
            return
        if not self._slots.claim(self._patience_s()):
            return
        unused = 1
        try:
            tasks = self._unless_held(self._next())
            if tasks:
                unused = 0
                self._give(tasks)
                if self._asking.now() and (unused := self._slots.claim_rest()):
                    tasks = self._unless_held(self.exchange.swap(want=unused))
                    unused -= len(tasks)
                    self._asking.note(fruitful=bool(tasks))
                    self._give(tasks)
        finally:
            self._slots.release(unused)
        if not tasks and (limited_s := self.exchange.queue.limited_s):
            # Without a slot, and not for long: somebody may lift the limit.
            self._holds.wait(min(limited_s, self._patience_s()))

    def _patience_s(self) -> float:
        """Return for how long a turn may wait: not past a second look, however busy the workers are."""
        return min(POP_S, self._agreement.due_in_s)

    def _next(self) -> Sequence[Task]:
        """Wait for the next entry; none if none came in time."""
        timeout_s = POP_S if self._link.identify() else POP_WITHOUT_UNBLOCK_S
        if self._stopping.is_set() or self._holds:
            return ()
        task = self.exchange.wait(self._link, timeout_s=timeout_s)
        # In doubt it comes back without having spoken to Redis.
        if task is not None or not self.exchange.in_doubt:
            self._outage.worked()
            self._failures_in_a_row = 0
        return () if task is None else (task,)

    def _unless_held(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """Return the tasks, or none of them if nothing is to be taken by now: they go back to where they were."""
        return put_back(self.exchange, tasks) if tasks and self._holds else tasks

    def _give(self, tasks: Sequence[Task]) -> None:
        """Hand over; each task has a slot. Those for which no thread can be had go back into the queue."""
        for index, task in enumerate(tasks):
            self._note_popped(task)
            try:
                self._crew.hand_over(task)
            except RuntimeError:
                self._slots.release(len(tasks) - index)
                self.exchange.requeue(*tasks[index:])
                raise

    def _note_popped(self, task: Task) -> None:
        self._observer.notify(TaskPopped(self.name, task.raw))
        if self._interrupted:
            # Popped when the stop came: everything else has been told already.
            task.interrupt.set(Verdict.INTERRUPTED, grace_s=self._grace_s)

    def _after(self, task: Task, remove: bool) -> Task | None:  # noqa: FBT001 - the crew's one callback
        """Settle a finished task with Redis and take the next one for the same worker, in one round trip."""
        want = 0 if self._stopping.is_set() or self._holds or self._slots.too_many else 1
        if not remove and not want:
            return None
        try:
            tasks = self._unless_held(self.exchange.swap(task if remove else None, want=want))
        except StoreError as error:
            # Remembered by the exchange; the loop, which now finds a free slot, sees to it.
            self._outage.failed(error)
            self._holds.wake()
            return None
        if not tasks:
            return None
        self._note_popped(tasks[0])
        return tasks[0]

    def _agree(self) -> None:
        """After any doubt, make Redis and memory agree before anything is taken."""
        if not self._agreement.due:
            return
        if self._outage.on:
            # Noticed on another connection, perhaps; this one would fail once more after Redis is back.
            self._link.close()
        self._agreement.reach()
        # A full Redis allows this, and still nothing can be taken.
        if not isinstance(self._outage.error, StoreFull):
            self._outage.worked()

    def _back_off(self) -> None:
        self._failures_in_a_row += 1
        self._stopping.wait(RETRY.delay_s(self._failures_in_a_row, random.random))
