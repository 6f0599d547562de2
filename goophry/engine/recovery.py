"""Bringing back what dead instances held."""

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from goophry.engine.outage import Outage
from goophry.engine.service import OneThread
from goophry.engine.types import Served
from goophry.errors import StoreWrongKind
from goophry.events import EntriesRecovered, HelperRepaired, Observer, TaskFinished
from goophry.outcome import Outcome, Verdict
from goophry.store.leases import BEAT_S, Leases
from goophry.store.queues import Queue

#: Keys that a database may have for a look at all of them at a start, or when a type is added: half a second for a million.
MAX_KEYS_AT_START: Final = 1_000_000

#: Seconds that a start waits for the first look: a thousand types take a tenth of one.
FIRST_LOOK_S: Final = 5.0


class Recovery:
    """Looks at every other owner, in a thread of its own. A `Service`; starts once."""

    def __init__(
        self,
        leases: Leases,
        *,
        served: Callable[[], Mapping[str, Served]],
        steady: Callable[[], bool],
        knows_dead: Callable[[Mapping[str, Any]], bool],
        end_leftovers: Callable[[str, Collection[str]], object],
        max_recoveries: Callable[[], int],
        outage: Outage,
        observer: Observer,
    ) -> None:
        """`steady` tells whether a missing heartbeat means death, `knows_dead` whether one that is there lies.

        `end_leftovers` ends what an instance still runs on this machine, of the types given.
        """
        self._leases = leases
        self._served = served
        self._steady = steady
        self._knows_dead = knows_dead
        self._end_leftovers = end_leftovers
        self._max_recoveries = max_recoveries
        self._outage = outage
        self._observer = observer
        self._thread = OneThread("goophry-recovery", self._run)
        self._looked = threading.Event()
        self._search_due = False
        self._searched: frozenset[str] = frozenset()
        self._entered: dict[str, tuple[Queue, int]] = {}
        """How often each queue has entered this instance in its set of owners, or is about to have."""
        self._new_in_set = False

    def start(self) -> None:
        """Begin to look; returns after the first look, so that what it brings back comes before what waits."""
        self._thread.start()
        self._looked.wait(FIRST_LOOK_S)

    def quiet(self) -> None:
        """Begin no other recovery. Does not wait."""
        self._thread.stopping.set()

    def ended(self) -> bool:
        """After `quiet`: whether no recovery is under way any more."""
        return not self._thread.alive()

    def stop(self) -> None:
        """End; a recovery under way is finished."""
        self._thread.stop()

    def turn(self) -> None:
        """Look once at every owner of every type. Raises `StoreError`."""
        types = self._served()
        self._note_entered(types)
        self._search(types)
        certain = [name for name, served in types.items() if not served.recovered_through.in_doubt]
        owners = self._leases.owners(list(types))
        me = self._leases.instance
        for name in certain:
            # A type that has left meanwhile has taken this instance out itself.
            if me not in owners[name] and not types[name].recovered_through.closed:
                self._enter_again(name, types[name])
        heartbeats = self._leases.heartbeats({owner for found in owners.values() for owner in found} - {me})
        # Asked after the heartbeats were read: an outage before that has spoilt what they say.
        steady = self._steady()
        dead = {owner for owner, about in heartbeats.items() if (steady if about is None else self._knows_dead(about))}
        for owner in dead:
            if not self._thread.stopping.is_set():
                self._end_leftovers(owner, [task_type for task_type, found in owners.items() if owner in found])
        self._recover_all(types, owners, dead)
        for owner in dead:
            self._leases.end(owner)
            if heartbeats[owner] is not None:
                # Known to have ended: it will never ask whether its entries were taken.
                self._leases.forget(owner, [task_type for task_type, found in owners.items() if owner in found])

    def _recover_all(
        self, types: Mapping[str, Served], owners: Mapping[str, Collection[str]], dead: Collection[str]
    ) -> None:
        refused = None
        for task_type, found in owners.items():
            for owner in found:
                if owner in dead and not self._thread.stopping.is_set():
                    try:
                        self._recover(types[task_type], owner)
                    except StoreWrongKind as error:
                        # Its queue is none, perhaps; the other types are not to suffer from that.
                        refused = error
        if refused is not None:
            raise refused

    def _search(self, types: Mapping[str, Served]) -> None:
        """Look for owners whom the sets have lost: for types that are new, and after one of the sets was found changed."""
        if not self._searched.issuperset(types) or self._new_in_set:
            self._search_due = self._search_due or self._leases.keys_in_database() <= MAX_KEYS_AT_START
        if self._search_due:
            for name, owners in self._leases.search(list(types)).items():
                what = f"{len(owners)} instances missing from the set of owners"
                self._observer.notify(HelperRepaired(types[name].recovered_through.queue.name, what))
        self._search_due, self._searched, self._new_in_set = False, frozenset(types), False

    def _note_entered(self, types: Mapping[str, Served]) -> None:
        """Look whether a reconciliation found this instance missing from a set of owners before `turn` did."""
        noted = self._entered
        self._entered = {}
        for name, served in types.items():
            queue = served.recovered_through.queue
            before, expected = noted.get(name, (queue, 0))
            expected = expected if before is queue else 0
            if 0 < expected < queue.entered:
                self._tell_missing(queue)
            # The set may have been changed between the first search and this entry, and nobody would know.
            self._new_in_set = self._new_in_set or expected == 0 < queue.entered
            self._entered[name] = queue, max(queue.entered, expected)

    def _enter_again(self, name: str, served: Served) -> None:
        """Somebody took this instance from the set of owners; a reconciliation enters it."""
        exchange = served.recovered_through
        exchange.doubt()
        self._entered[name] = exchange.queue, exchange.queue.entered + 1
        self._tell_missing(exchange.queue)

    def _tell_missing(self, queue: Queue) -> None:
        # Others may be missing too, and what they held is found only by a search.
        self._search_due = True
        self._observer.notify(HelperRepaired(queue.name, "this instance missing from the set of owners"))

    def _recover(self, served: Served, dead: str) -> None:
        exchange, failures, task_type = served.recovered_through, served.failures, served.definition.type
        limit = self._max_recoveries()
        count, lost = exchange.recover(self._leases, dead, task_type=task_type, max_recoveries=limit)
        if count or lost:
            self._observer.notify(EntriesRecovered(task_type, dead, count))
        for task in lost:
            message = f"lost: its instance died {task.recovered + 1} times while it was running"
            message = f"{message}\n\n{task.deaths}" if task.deaths else message
            if failures.lost(task, message):
                self._observer.notify(TaskFinished(task_type, "", None, (), Outcome(Verdict.LOST, message), True))
                exchange.swap(task)
                if exchange.in_doubt:
                    exchange.reconcile()

    def _run(self) -> None:
        while not self._thread.stopping.is_set():
            self._outage.attempt(self.turn, what="The look for dead instances", action="recovery_failed")
            self._looked.set()
            self._thread.stopping.wait(BEAT_S)
        self._looked.set()  # who stops it while somebody starts it keeps nobody waiting
