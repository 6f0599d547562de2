"""All traffic between one type's threads and its queue.

A worker that has finished hands in its task and asks for the next: both travel in one round
trip. Workers that come while another's round trip is under way wait for it to end, and the next
of them carries the wishes of all that wait. So sixteen busy workers cost a few round trips
together, not sixteen, and an entry goes from Redis to its worker without a thread in between.

The exchange knows what this instance holds. When a connection breaks, it cannot know whether the
commands under way were carried out: it is then *in doubt*, takes nothing, and `reconcile` makes
Redis and memory agree again.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from goophry.engine.task import Task
from goophry.errors import StoreError, StoreUnavailable
from goophry.outcome import Verdict
from goophry.store.client import Link, LinkPool
from goophry.store.leases import Leases
from goophry.store.queues import Queue, Reconciled


class _Wish:
    """What one thread wants of the next round trip."""

    __slots__ = ("carried", "done", "tasks", "want")

    def __init__(self, done: Task | None, want: int) -> None:
        self.done = done
        self.want = want
        self.carried = False
        self.tasks: Sequence[Task] = ()


class Exchange:
    """One type's queue and what this instance holds of it. Thread-safe."""

    def __init__(self, queue: Queue, links: LinkPool, *, alive: Callable[[], bool]) -> None:
        """`alive` tells whether others still regard this instance as alive."""
        self.queue = queue
        self._links = links
        self._alive = alive
        # Held over every round trip that changes what is held, so that reconcile sees a still picture.
        self._line = threading.Lock()
        self._wishes: deque[_Wish] = deque()
        self._held: set[Task] = set()
        self._settled: list[bytes] = []
        # In doubt from the start: the first reconciliation enters this instance in the set of owners.
        self._in_doubt = True
        self._doubts = 0
        self._popping = False

    @property
    def alive(self) -> bool:
        """Whether others still regard this instance as alive; if not, nothing may be taken."""
        return self._alive()

    @property
    def in_doubt(self) -> bool:
        """Whether `reconcile` must come before anything is taken."""
        return self._in_doubt

    def doubt(self) -> None:
        """Have the next turn reconcile: something may have changed what this instance holds."""
        # In this order: `wait` looks at the count first.
        self._in_doubt = True
        self._doubts += 1

    def still_owns(self, task: Task) -> bool:
        """Whether the task may be settled here. Raises `StoreError` as long as that cannot be known."""
        if not task.taken and not self._alive():
            raise StoreUnavailable("this instance's heartbeat is not renewed yet")
        if not task.taken and self._in_doubt:
            self.reconcile()
        return not task.taken

    def held(self) -> list[Task]:
        """Return what this instance holds now."""
        return list(self._held)

    @property
    def clean(self) -> bool:
        """Whether nothing is held and nothing is left to tell Redis."""
        return not self._held and not self._settled

    def wait(self, link: Link, *, timeout_s: int) -> Task | None:
        """Wait for the next entry on the loop's own link. Raises `StoreError`."""
        doubts = self._doubts
        if self._in_doubt:
            return None
        self._popping = True
        try:
            raw = self.queue.wait(link, timeout_s=timeout_s)
        except StoreError:
            self._popping = False
            self.doubt()
            raise
        with self._line:
            self._popping = False
            if raw is None:
                return None
            # A doubt that came up, and was perhaps settled, during the wait says nothing of this entry.
            if doubts != self._doubts:
                self._in_doubt = True
            tasks = self._admit([raw])
        return tasks[0] if tasks else None

    def swap(self, done: Task | None = None, *, want: int = 0) -> Sequence[Task]:
        """Hand in a settled task and take up to `want` new ones, in a round trip shared with others.

        Raises `StoreError`; the task handed in is then remembered until the next reconciliation.
        """
        wish = _Wish(done, want)
        self._wishes.append(wish)
        with self._line:
            if not wish.carried:
                self._carry()
        return wish.tasks

    def reconcile(self) -> Reconciled:
        """Make Redis and memory agree. Raises `StoreError`.

        Tasks that others have taken over are marked so, and their runs here are ended: they run
        elsewhere by now.
        """
        with self._line:
            # Cleared first: a doubt that comes up meanwhile must not be forgotten.
            self._in_doubt = False
            held = list(self._held)
            link = self._links.take()
            try:
                found = self.queue.reconcile(
                    link, held=[task.raw for task in held], settled=self._settled, popping=self._popping
                )
            except StoreError:
                self.doubt()
                raise
            finally:
                self._links.give(link)
            self._settled.clear()
            for raw in found.taken:
                task = next(task for task in held if task.raw == raw and not task.taken)
                task.taken = True
                task.interrupt.set(Verdict.INTERRUPTED)
                self._held.discard(task)
            return found

    def requeue(self, task: Task) -> None:
        """Put the task back to the head of the queue, unless others have it by now. Raises `StoreError`."""
        with self._line:
            self.queue.requeue(self._links, [task.raw])
            self._held.discard(task)

    def recover(self, leases: Leases, dead: str, *, task_type: str, max_recoveries: int) -> tuple[int, list[Task]]:
        """Recover what a dead instance held; returns how much went back and what is to be failed as lost."""
        with self._line:
            recovery = leases.recover(task_type, dead, max_recoveries=max_recoveries)
            lost = [Task(raw) for raw in recovery.lost]
            self._held.update(lost)
        return recovery.requeued, lost

    def _carry(self) -> None:
        """Make the round trip for every wish that waits."""
        wishes = []
        while self._wishes:
            wishes.append(self._wishes.popleft())
        done = [wish.done for wish in wishes if wish.done is not None]
        want = sum(wish.want for wish in wishes)
        for wish in wishes:
            wish.carried = True
        self._held.difference_update(done)
        acks = [task.raw for task in done if not task.taken]
        if self._in_doubt:
            self._settled += acks
            return
        link = self._links.take()
        try:
            raws, removed = self.queue.swap(link, acks=acks, want=want)
        except StoreError:
            self.doubt()
            self._settled += acks
            raise
        finally:
            self._links.give(link)
        if removed < len(acks):
            self.doubt()
        _share_out(self._admit(raws), wishes)

    def _admit(self, raws: list[bytes]) -> list[Task]:
        """Take entries into the hand, unless it is doubtful that they are ours.

        Those are left in the running list; the next reconciliation puts them back, if they are
        still there.
        """
        if not self._in_doubt and self._alive():
            tasks = [Task(raw) for raw in raws]
            self._held.update(tasks)
            return tasks
        self._in_doubt = True
        return []


def _share_out(tasks: list[Task], wishes: list[_Wish]) -> None:
    start = 0
    for wish in wishes:
        wish.tasks = tasks[start : start + wish.want]
        start += wish.want
