"""Types of which one instance at a time takes entries, so that their order, and one at a time, holds for a fleet.

One instance is the holder of such a type until it ends; the others leave it alone. A holder is
replaced when it has ended or its heartbeat is gone, never because something took long. One that
was silent for too long finds its loops held before it counts as alive again.
"""

import json
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from goophry.engine.outage import Outage
from goophry.engine.presence import Presence
from goophry.engine.service import OneThread
from goophry.store.holders import Holders

#: Seconds between looks at who holds what.
LOOK_S: Final = 1.0


class Alone:
    """Takes over types that nobody holds, in a thread of its own. A `Service`; starts once."""

    def __init__(
        self,
        holders: Holders,
        presence: Presence,
        *,
        types: Callable[[], Collection[str]],
        leave: Callable[[Collection[str]], None],
        alive: Callable[[], bool],
        steady: Callable[[], bool],
        outage: Outage,
    ) -> None:
        """`types` returns those concerned; `leave` is told which of them to leave to others.

        `alive` tells whether this instance has a heartbeat, `steady` whether a missing one of another means its death.
        """
        self._holders = holders
        self._presence = presence
        self._types = types
        self._leave = leave
        self._alive = alive
        self._steady = steady
        self._outage = outage
        self._about = json.dumps({"Id": presence.id} | presence.about(), sort_keys=True).encode()
        self._thread = OneThread("goophry-alone", self._run)
        self._doubts = 0
        self._applying = threading.Lock()

    def start(self) -> None:
        """Leave everything to others, look once, then again and again."""
        if self._thread.started:
            return
        self.doubt()
        if self._types():
            self._try()
            self._thread.start()

    def stop(self) -> None:
        """Take over nothing more; what is held stays so, see `let_go`."""
        self._thread.stop()

    def let_go(self) -> None:
        """After all has ended: have others take over at once. Raises `StoreError`."""
        self._holders.let_go(list(self._types()), about=self._about)

    def doubt(self) -> None:
        """Leave everything to others until the next look: one of them may have taken over."""
        with self._applying:
            self._doubts += 1
            self._leave(self._types())

    def turn(self) -> None:
        """Look once. Raises `StoreError`."""
        doubts = self._doubts
        types = list(self._types())
        mine = self._hold(types) if self._alive() else set()
        with self._applying:
            if doubts == self._doubts:
                self._leave(set(types) - mine)

    def _hold(self, types: Collection[str]) -> set[str]:
        """Take over what can be; returns what is held here."""
        found = self._holders.found(list(types))
        mine = {name for name, said in found.items() if said == self._about}
        others = {name: said for name, said in found.items() if name not in mine}
        ended = {name: said for name, said in others.items() if not said or self._presence.knows_dead(_read(said))}
        mine |= set(self._holders.hold(ended, about=self._about, instance=self._presence.id, whatever_is_held=True))
        rest = {name: str(_read(said).get("Id")) for name, said in others.items() if name not in ended}
        living = self._holders.living(sorted(set(rest.values())))
        # Asked after the heartbeats were read: an outage before that has spoilt what they say.
        if self._steady():
            gone = {name: found[name] for name, holder in rest.items() if holder not in living}
            mine |= set(self._holders.hold(gone, about=self._about, instance=self._presence.id, whatever_is_held=False))
        return mine

    def _run(self) -> None:
        while not self._thread.stopping.wait(LOOK_S):
            self._try()

    def _try(self) -> None:
        self._outage.attempt(self.turn, what="The look for types without a holder", action="alone_failed")


def _read(said: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(said)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
