"""Entries that are not to run now: those that come with a Delay or At, and those that are tried again."""

import threading
from collections.abc import Callable

from goophry.clock import Clock
from goophry.engine.exchange import Exchange
from goophry.engine.ledger import Ledger
from goophry.engine.outage import Outage, insist
from goophry.engine.task import Task
from goophry.entry import TaskEntry, put_off
from goophry.events import HelperRepaired, Observer, TaskDeferred
from goophry.outcome import Outcome
from goophry.runners.base import Job
from goophry.store.queues import Deferral
from goophry.store.tasks import Due, due_at, due_in


class PuttingOff:
    """Moves entries of one type into the set of what is due later."""

    def __init__(
        self,
        task_type: str,
        *,
        exchange: Exchange,
        ledger: Ledger,
        outage: Outage,
        observer: Observer,
        give_up: threading.Event,
        clock: Clock,
    ) -> None:
        self._type = task_type
        self._exchange = exchange
        self._ledger = ledger
        self._outage = outage
        self._observer = observer
        self._give_up = give_up
        self._clock = clock

    def as_asked(self, task: Task, entry: TaskEntry, *, ticket: str) -> bool:
        """Put an entry off that asks for it; returns whether it is not to run here and now."""
        if entry.at_s is None and not entry.delay_s:
            return False
        now = self._clock.now()
        due, due_s = due_in(entry.delay_s or 0), now + (entry.delay_s or 0)
        if entry.at_s is not None:
            due, due_s = due_at(entry.at_s), entry.at_s
        waiting = put_off(entry, task.text, attempt=entry.attempt, due_s=due_s, ticket=ticket)
        deferral = self._defer(task, waiting, due=due, note=lambda: self._ledger.delayed(entry, due_s=due_s))
        if deferral in {Deferral.DONE, Deferral.MENDED}:
            self._observer.notify(TaskDeferred(self._type, entry.id, due_s))
        return deferral is not Deferral.DUE

    def to_retry(self, task: Task, job: Job, outcome: Outcome, *, delay_s: float) -> None:
        """Put a task off that failed and is tried again, with this attempt counted."""
        due_s = self._clock.now() + delay_s
        if not self._ledger.retry(task, job, outcome, due_s=due_s):
            return
        waiting = put_off(job.entry, task.text, attempt=job.attempt + 1, due_s=due_s, ticket=job.run_id)
        self._defer(task, waiting, due=due_in(delay_s))

    def _defer(self, task: Task, waiting: bytes, *, due: Due, note: Callable[[], None] | None = None) -> Deferral:
        """Move it, for as long as that takes.

        If it stays, because goophry is forced to end or another instance has it, its run is theirs who recover it.
        """
        deferral = Deferral.TAKEN

        def defer() -> None:
            nonlocal deferral
            if self._exchange.still_owns(task):
                if note is not None and not task.put_off:
                    note()
                deferral = self._exchange.defer(task, waiting, due=due)

        while deferral is Deferral.TAKEN and not task.taken:
            if not insist(defer, outage=self._outage, give_up=self._give_up, worth_it=lambda: not task.taken):
                break
        if deferral is Deferral.MENDED:
            what = "the set of what is put off held another kind of value"
            self._observer.notify(HelperRepaired(self._exchange.queue.name, what))
        return deferral
