"""Having notes of tasks removed that are gone without an end."""

from collections.abc import Callable, Collection
from typing import Final

from goophry.engine.outage import Outage
from goophry.engine.service import OneThread
from goophry.errors import StoreWrongKind
from goophry.events import HelperRepaired, Observer
from goophry.store.stale_ids import StaleIds

#: Seconds between a start and the first look, and between looks; most find that another instance has looked today.
FIRST_LOOK_S: Final = 300.0
LOOK_S: Final = 3600.0


class Tidying:
    """Looks at the notes of all types, in a thread of its own. A `Service`; starts once."""

    def __init__(
        self, stale: StaleIds, *, types: Callable[[], Collection[str]], outage: Outage, observer: Observer
    ) -> None:
        """`types` returns the types that there are now."""
        self._stale = stale
        self._types = types
        self._outage = outage
        self._observer = observer
        self._thread = OneThread("goophry-tidying", self._run)

    def start(self) -> None:
        """Begin; the first look is taken some minutes later."""
        self._thread.start()

    def stop(self) -> None:
        """End; a look under way is broken off."""
        self._thread.stop()

    def turn(self) -> None:
        """Look once. Raises `StoreError`."""
        for name in self._types():
            if self._thread.stopping.is_set():
                return
            try:
                count = self._stale.sweep(name, go_on=lambda: not self._thread.stopping.is_set())
            except StoreWrongKind:
                continue  # a helper key that was overwritten is repaired, and told of, by whoever needs it next
            if count:
                self._observer.notify(HelperRepaired(name, f"{count} Ids of tasks that are not there"))

    def _run(self) -> None:
        wait_s = FIRST_LOOK_S
        while not self._thread.stopping.wait(wait_s):
            wait_s = LOOK_S
            self._outage.attempt(self.turn, what="The look for tasks that are gone", action="tidying_failed")
