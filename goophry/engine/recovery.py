"""Bringing back what dead instances held."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from goophry.engine.exchange import Exchange
from goophry.engine.failures import Failures
from goophry.engine.outage import Outage
from goophry.errors import StoreError
from goophry.events import EntriesRecovered, Observer
from goophry.store.leases import BEAT_S, Leases

_log = logging.getLogger(__name__)


class Recovery:
    """Looks at every other owner, in a thread of its own. A `Service`; starts once."""

    def __init__(
        self,
        leases: Leases,
        *,
        exchanges: Mapping[str, Exchange],
        failures: Mapping[str, Failures],
        steady: Callable[[], bool],
        knows_dead: Callable[[Mapping[str, Any]], bool],
        max_recoveries: int,
        outage: Outage,
        observer: Observer,
    ) -> None:
        """`steady` tells whether a missing heartbeat means death, `knows_dead` whether one that is there lies."""
        self._leases = leases
        self._exchanges = exchanges
        self._failures = failures
        self._steady = steady
        self._knows_dead = knows_dead
        self._max_recoveries = max_recoveries
        self._outage = outage
        self._observer = observer
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look, the first time at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="goophry-recovery", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End; a recovery under way is finished."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def turn(self) -> None:
        """Look once at every owner of every type. Raises `StoreError`."""
        owners = self._leases.owners(list(self._exchanges))
        heartbeats = self._leases.heartbeats({owner for found in owners.values() for owner in found})
        # Asked after the heartbeats were read: an outage before that has spoilt what they say.
        steady = self._steady()
        dead = {owner for owner, about in heartbeats.items() if (steady if about is None else self._knows_dead(about))}
        for task_type, found in owners.items():
            for owner in found:
                if owner in dead:
                    self._recover(task_type, owner)
        for owner in dead:
            self._leases.end(owner)

    def _recover(self, task_type: str, dead: str) -> None:
        exchange, failures = self._exchanges[task_type], self._failures[task_type]
        count, lost = exchange.recover(self._leases, dead, task_type=task_type, max_recoveries=self._max_recoveries)
        if count or lost:
            self._observer.notify(EntriesRecovered(task_type, dead, count))
        for task in lost:
            if failures.lost(task):
                exchange.swap(task)
                if exchange.in_doubt:
                    exchange.reconcile()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.turn()
                self._outage.worked()
            except StoreError as error:
                self._outage.failed(error)
            except Exception:
                _log.exception("The look for dead instances failed", extra={"action": "recovery_failed"})
            self._stop.wait(BEAT_S)
