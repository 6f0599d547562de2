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

from goophry.engine.doubts import Doubts
from goophry.engine.settled import Settled
from goophry.engine.task import Task, Write
from goophry.engine.unanswered import Unanswered
from goophry.engine.wishes import Wish, share_out
from goophry.errors import StoreError, StoreFull, StoreUnavailable, StoreWrongKind
from goophry.outcome import Verdict
from goophry.store.client import Link, LinkPool
from goophry.store.leases import Leases
from goophry.store.queues import Deferral, Known, Queue, Reconciled
from goophry.store.tasks import Due


class Exchange:
    """One type's queue and what this instance holds of it. Thread-safe."""

    def __init__(self, queue: Queue, links: LinkPool, *, alive: Callable[[], bool]) -> None:
        """`alive` tells whether others still regard this instance as alive."""
        self.queue = queue
        self._links = links
        self._alive = alive
        # Held over every round trip that changes what is held, so that reconcile sees a still picture.
        self._line = threading.Lock()
        self._wishes: deque[Wish] = deque()
        self._held: set[Task] = set()
        self._settled = Settled()
        self._unanswered = Unanswered()
        self._steps = 0
        self.doubts = Doubts()
        self.popping = False
        """Whether a `wait` is under way."""
        self.closed = False
        """Whether `close` has worked."""

    @property
    def alive(self) -> bool:
        """Whether others still regard this instance as alive; if not, nothing may be taken."""
        return self._alive()

    @property
    def in_doubt(self) -> bool:
        """Whether `reconcile` must come before anything is taken."""
        return bool(self.doubts)

    def doubt(self) -> None:
        """Have the next turn reconcile: something may have changed what this instance holds, or another server answers."""
        self.doubts.add()

    def use(self, queue: Queue) -> None:
        """Take through another queue object from now on, of the same name and delivery."""
        with self._line:
            queue.entered, self.queue = self.queue.entered, queue

    def still_owns(self, task: Task) -> bool:
        """Whether the task may be settled here. Raises `StoreError` as long as that cannot be known."""
        if not task.taken and not self._alive():
            raise StoreUnavailable("this instance's heartbeat is not renewed yet")
        if not task.taken and self.in_doubt:
            self.reconcile()
        return not task.taken

    def write(self, task: Task, write: Write) -> None:
        """Write what must be there before the task is removed; again where another server removes it. Raises `StoreError`."""
        with self._links.lent() as link:
            link.open(near=self.queue.name)
            task.write(write, link)

    def held(self) -> list[Task]:
        """Return what this instance holds now."""
        return list(self._held)

    @property
    def clean(self) -> bool:
        """Whether nothing is held and nothing is left to tell Redis."""
        return not self._held and not self._settled

    @property
    def untouched(self) -> bool:
        """Whether nothing was ever taken or entered: the doubt at the start is about nothing then."""
        return not self._steps

    def close(self) -> bool:
        """Have no more traffic, if there is nothing held, nothing under way and nothing doubtful; returns whether."""
        with self._line:
            doubtful = self.in_doubt and not self.untouched
            self.closed = self.clean and not self.popping and not doubtful
            return self.closed

    def reopen(self) -> None:
        """Have traffic again after `close`."""
        with self._line:
            self.closed, self.queue.entered = False, 0

    def wait(self, link: Link, *, timeout_s: int) -> Task | None:
        """Wait for the next entry on the loop's own link. Raises `StoreError`."""
        link.open(near=self.queue.name)
        with self._line:
            # Under the lock: a reconciliation that does not know of this pop would put its entry back
            # into the queue while it is taken here, and it would run twice.
            doubts = self.doubts.count
            if self.in_doubt or self.closed:
                return None
            if self.doubts.about(link):
                link.close()
                self.doubt()
                return None
            self.popping = True
        try:
            raw = self.queue.wait(link, timeout_s=timeout_s)
        except StoreError as error:
            self.popping = False
            if not isinstance(error, StoreFull):
                self.doubt()
            if isinstance(error, StoreWrongKind):
                return None  # the reconciliation puts the running list right, or says what is wrong with the queue
            raise
        with self._line:
            self.popping = False
            # A doubt that came up during the wait was perhaps cleared, but not for what was popped meanwhile.
            if doubts != self.doubts.count:
                self.doubt()
            tasks = [] if raw is None else self._admit([raw])
        return tasks[0] if tasks else None

    def swap(self, done: Task | None = None, *, want: int = 0) -> Sequence[Task]:
        """Hand in a settled task and take up to `want` new ones, in a round trip shared with others.

        Raises `StoreError`; the task handed in is then remembered until the next reconciliation.
        """
        wish = Wish(done, want)
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
            if self.closed:
                return Reconciled()
            self._steps += 1
            with self._links.lent() as link:
                # First connected: whoever connects may learn that it is another server.
                link.open(near=self.queue.name)
                # A doubt that comes up from here on is not cleared by this.
                doubts, server = self.doubts.count, link.server
                self._held.difference_update(self._unanswered.put_off(self.queue, link))
                self._settled.write_again(self.queue, link)
                held, elsewhere = list(self._held), self.doubts.is_another(server)
                known = Known([task.raw for task in held], self._settled.known(), self._steps, elsewhere)
                link.open(near=self.queue.name)
                if link.server != server:
                    raise StoreUnavailable("another server answers than a moment ago")
                found = self.queue.reconcile(link, known=known, popping=self.popping)
            self._settled.clear()
            self.doubts.agree(server)
            for raw in found.taken:
                task = next(task for task in held if task.raw == raw and not task.taken)
                task.taken = True
                task.interrupt.set(Verdict.INTERRUPTED)
                self._held.discard(task)
            if not found.taken:  # else once more, which removes the mark that they were taken
                self.doubts.clear(doubts)
            return found

    def requeue(self, *tasks: Task) -> None:
        """Put tasks, oldest first, back to the head of the queue, unless others have them by now.

        Raises `StoreError`; after a `StoreUnavailable` they are no longer held, after another one they are.
        """
        with self._line:
            try:
                self.queue.requeue(self._links, [task.raw for task in tasks])
            except StoreUnavailable:
                # Done or not: the next reconciliation puts back what is still listed and nobody holds.
                self._held.difference_update(tasks)
                self.doubt()
                raise
            self._held.difference_update(tasks)

    def defer(self, task: Task, waiting: bytes, *, due: Due) -> Deferral:
        """Put the task off, as the entry `waiting`. Raises `StoreError`.

        After an error, or `TAKEN`, the task is still held and there is a doubt: if it is owned
        still, say it again.
        """
        with self._line:
            if task.put_off or task.taken or self.in_doubt:
                return Deferral.DONE if task.put_off else Deferral.TAKEN
            self._steps += 1
            try:
                deferral = self._defer(task, waiting, due=due)
            except StoreError:
                self.doubt()
                self._unanswered.add(task, self._steps)
                raise
            if deferral is Deferral.TAKEN:
                self.doubt()
            elif deferral is not Deferral.DUE:
                self._held.discard(task)
        return deferral

    def recover(self, leases: Leases, dead: str, *, task_type: str, max_recoveries: int) -> tuple[int, list[Task]]:
        """Recover what a dead instance held; returns how much went back and what is to be failed as lost."""
        with self._line:
            if self.closed:
                return 0, []
            # A step, for it may put what is lost into the running list.
            self._steps += 1
            try:
                recovery = leases.recover(task_type, dead, max_recoveries=max_recoveries)
            except StoreError:
                self.doubt()
                raise
            lost = [Task(raw, deaths=deaths) for raw, deaths in zip(recovery.lost, recovery.deaths, strict=True)]
            self._held.update(lost)
        return recovery.requeued, lost

    def _carry(self) -> None:
        """Make the round trip for every wish that waits."""
        wishes = []
        while self._wishes:
            wishes.append(self._wishes.popleft())
        done = [wish.done for wish in wishes if wish.done is not None]
        # What is taken by an instance that others regard as dead may be in a list that nobody looks after.
        want = sum(wish.want for wish in wishes) if self._alive() and not self.closed else 0
        for wish in wishes:
            wish.carried = True
        self._held.difference_update(done)
        acks = [task for task in done if not task.taken]
        if self.in_doubt:
            self._settled.add(acks, self._steps + 1)
            return
        if not acks and not want:
            return
        self._steps += 1
        link = self._links.take()
        try:
            link.open(near=self.queue.name)
            if self.doubts.about(link) or any(task.lacks(link.server) for task in acks):
                self.doubt()
                self._settled.add(acks, self._steps)
                return
            raws, removed = self.queue.swap(link, acks=[task.raw for task in acks], want=want, step=self._steps)
        except StoreFull:
            raise
        except StoreError as error:
            self.doubt()
            self._settled.add(acks, self._steps)
            if isinstance(error, StoreWrongKind):
                return  # as in `wait`
            raise
        finally:
            self._links.give(link)
        if removed < len(acks):
            self.doubt()
        share_out(self._admit(raws), wishes)

    def _defer(self, task: Task, waiting: bytes, *, due: Due) -> Deferral:
        with self._links.lent() as link:
            link.open(near=self.queue.name)
            if self.doubts.about(link):
                return Deferral.TAKEN
            return self.queue.defer(link, task.raw, waiting, due=due, step=self._steps)

    def _admit(self, raws: list[bytes]) -> list[Task]:
        """Take entries into the hand, unless it is doubtful that they are ours.

        Those are left in the running list; the next reconciliation puts them back, if they are
        still there.
        """
        if not self.queue.leased or (not self.in_doubt and self._alive()):
            tasks = [Task(raw) for raw in raws]
            self._held.update(tasks)
            return tasks
        self.doubt()
        return []
