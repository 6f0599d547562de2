"""Having the loops of paused types take nothing, whoever paused them, from wherever."""

import threading
from collections.abc import Callable, Collection
from typing import Final

from goophry.engine.outage import Outage
from goophry.engine.service import OneThread
from goophry.errors import StoreWrongKind
from goophry.events import HelperRepaired, Observer
from goophry.store.pauses import Pauses

#: Seconds between looks at what is paused; a message makes one at once.
LOOK_S: Final = 2.5


class PauseWatch:
    """Looks at the set of paused types, in a thread of its own. A `Service`; starts once.

    The set alone decides. A message only has it looked at, by the one thread that ever does, so
    that an older answer never undoes what a newer one has done.
    """

    def __init__(
        self, pauses: Pauses, *, hold: Callable[[Collection[str]], None], outage: Outage, observer: Observer
    ) -> None:
        """`hold` is told all paused types after each look."""
        self._pauses = pauses
        self._hold = hold
        self._outage = outage
        self._observer = observer
        self._thread = OneThread("goophry-pauses", self._run)
        self._woken = threading.Event()

    def start(self) -> None:
        """Look once, then again and again. Raises `StoreError` if the first look fails."""
        if not self._thread.started and not self._thread.stopping.is_set():
            self.turn()
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._thread.stopping.set()
        self._woken.set()
        self._thread.stop()

    def look(self) -> None:
        """Have the thread look at once. Does not wait."""
        self._woken.set()

    def turn(self) -> None:
        """Look once. Raises `StoreError`."""
        try:
            self._hold(self._pauses.paused())
        except StoreWrongKind:
            self._pauses.repair()
            self._observer.notify(HelperRepaired(self._pauses.key, "it held no set of paused types, and was emptied"))
            self._hold(())

    def _run(self) -> None:
        while not self._thread.stopping.is_set():
            self._woken.wait(LOOK_S)
            self._woken.clear()
            self._outage.attempt(self.turn, what="The look for paused types", action="pauses_failed")
