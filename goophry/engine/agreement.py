"""Making Redis and memory agree after a doubt, and looking a second time some seconds later."""

import math
from typing import Final

from goophry.clock import Clock
from goophry.engine.exchange import Exchange
from goophry.events import HelperRepaired, Observer, TasksTaken
from goophry.store.queues import Reconciled


class Agreement:
    """What one loop knows of the doubts about its exchange; used by the loop's thread alone."""

    def __init__(self, name: str, exchange: Exchange, *, late_s: float, observer: Observer, clock: Clock) -> None:
        """A pop that a broken connection had sent may reach Redis up to `late_s` seconds later."""
        self._name = name
        self._exchange = exchange
        self._late_s: Final = late_s
        self._observer = observer
        self._clock = clock
        self._doubts_seen = 0
        self._second_look_at: float | None = None

    @property
    def complete(self) -> bool:
        """Whether there is no doubt, and no second look to come."""
        return self.due_in_s == math.inf

    @property
    def due(self) -> bool:
        """Whether `reach` must come before anything is taken."""
        return not self.due_in_s

    @property
    def due_in_s(self) -> float:
        """Seconds until `reach` is due if no other doubt comes up; endless if it is not."""
        if self._doubted:
            return 0.0
        return math.inf if self._second_look_at is None else max(0.0, self._second_look_at - self._clock.monotonic())

    def reach(self) -> None:
        """Reconcile, and tell of what was found. Raises `StoreError`."""
        now, doubts = self._clock.monotonic(), self._exchange.doubts.count
        # The doubt at the start is about no pop that could come late.
        late = self._doubted and not self._exchange.untouched
        found = self._exchange.reconcile()
        self._doubts_seen = doubts
        self._second_look_at = now + self._late_s if late else None
        self._tell(found)

    @property
    def _doubted(self) -> bool:
        # Also when a worker has reconciled meanwhile: the second look is due all the same.
        return self._exchange.in_doubt or self._exchange.doubts.count != self._doubts_seen

    def _tell(self, found: Reconciled) -> None:
        key = self._exchange.queue.name
        if found.replaced:
            self._observer.notify(HelperRepaired(key, f"{found.replaced} keys held another kind of value"))
        if found.restored:
            self._observer.notify(HelperRepaired(key, f"{found.restored} entries missing from the running list"))
        if found.requeued:
            self._observer.notify(HelperRepaired(key, f"{found.requeued} entries that nobody held, put back"))
        if found.taken:
            self._observer.notify(TasksTaken(self._name, len(found.taken)))
