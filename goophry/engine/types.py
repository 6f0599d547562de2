"""The task types that this instance serves: they come, change and go while it runs.

A type that is removed is *leaving* as long as something of it runs here: its loop is held, its
entries wait in Redis, and all that watches over what is held (heartbeat, recovery, the stop) still
counts it in. It is gone once nothing is left to tell Redis; then this instance leaves the set of
its owners. A type that changes keeps its exchange, for two exchanges of one instance would put
back each other's entries; so does one that comes again while it is leaving.

Whoever looks gets a picture of this moment and takes no lock.
"""

import contextlib
import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from goophry.config import TaskType
from goophry.engine.exchange import Exchange
from goophry.engine.failures import Failures
from goophry.engine.holds import Hold
from goophry.engine.loop import TaskLoop
from goophry.engine.outage import Outage
from goophry.errors import StartError, StoreError
from goophry.events import Observer, TurnedQuiet, TypeChanged
from goophry.store.leases import Leases

#: Seconds between looks at whether types that are leaving have nothing left to do, and after trouble.
LEAVE_LOOK_S: Final = 0.2
AGAIN_S: Final = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """One type and what serves it."""

    definition: TaskType
    loop: TaskLoop
    recovered_through: Exchange
    """By which entries of the dead come back; the loop's own, unless that one keeps nothing in Redis."""
    failures: Failures
    """Of what is recovered too often."""
    outage: Outage

    def retire(self) -> bool:
        """Have no more traffic if nothing is left to do; returns whether."""
        return self.loop.retire() and self.recovered_through.close()

    def reopen(self) -> None:
        """Have traffic again, as before `retire`."""
        self.loop.exchange.reopen()
        self.recovered_through.reopen()


class ServesTypes(Protocol):
    """Makes what serves a type."""

    def build(self, definition: TaskType) -> Served:
        """Return what serves the type, not yet started."""
        ...

    def redefine(self, served: Served, definition: TaskType) -> Served:
        """Have what begins from now on follow another definition; what runs keeps the one it has.

        The Delivery stays what it is.
        """
        ...


class Types:
    """What this instance serves now. Thread-safe; a `Service` that starts once."""

    def __init__(self, factory: ServesTypes, leases: Leases, *, observer: Observer) -> None:
        self._factory = factory
        self._leases = leases
        self._observer = observer
        # Replaced and never changed, so that it can be read without a lock.
        self._all: Mapping[str, Served] = {}
        self._leaving: frozenset[str] = frozenset()
        self._serving: Mapping[str, TaskType] = {}
        self._to_come: dict[str, TaskType] = {}
        self._to_sign_off: set[str] = set()
        self._changing = threading.Lock()
        self._started = False
        self._quiet = False
        self._paused: frozenset[str] = frozenset()
        self._stopping = threading.Event()
        self._leaver: threading.Thread | None = None

    def serving(self) -> Mapping[str, TaskType]:
        """Return the definitions in force, by name; without the types that are leaving."""
        return self._serving

    def all(self) -> Mapping[str, Served]:
        """Return everything that may hold entries, by name; the types that are leaving too."""
        return self._all

    def loops(self) -> Sequence[TaskLoop]:
        """Return the loops of all types, those of types that are leaving too."""
        return [served.loop for served in self._all.values()]

    def paused(self) -> Collection[str]:
        """Return the names of the types that are served and paused."""
        return self._paused & self.serving().keys()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing more is taken of any type."""
        return self._quiet or self._stopping.is_set()

    def add(self, definition: TaskType) -> None:
        """Serve this type from now on; one that is served already, or is leaving, follows this definition.

        One that is leaving and comes with another Delivery has to have left before.
        Raises `StartError` when goophry is being stopped, or the machine has no thread left.
        """
        with self._changing:
            if self._stopping.is_set():
                raise StartError(f"{definition.type} cannot be added: goophry is being stopped")
            known = self._all.get(definition.type)
            if known is None:
                self._begin(definition)
            elif definition.type in self._leaving and definition.delivery != known.definition.delivery:
                self._to_come[definition.type] = definition
            else:
                self._change(known, definition)

    def remove(self, name: str) -> None:
        """Take nothing more of this type; it goes when what runs has ended. Does not wait; an unknown one is gone."""
        with self._changing:
            self._to_come.pop(name, None)
            if name not in self._all or name in self._leaving or self._stopping.is_set():
                return
            self._all[name].loop.hold(Hold.REMOVED)
            self._note(leaving=self._leaving | {name})
            self._observer.notify(TypeChanged(name, "removed"))
            if self._leaver is None:
                self._leaver = threading.Thread(target=self._see_off, name="goophry-leaving", daemon=True)
                self._leaver.start()

    def pause(self, names: Collection[str]) -> None:
        """Take nothing of these types, and of all others again; those that are not served here may come. Does not wait."""
        with self._changing:
            before, self._paused = self._paused, frozenset(names)
            for name in self._paused ^ before:
                if name in self._all:
                    self._hold_if_paused(self._all[name])

    def be_quiet(self) -> None:
        """Take nothing more of any type, those that come later included; what runs goes on. Does not wait."""
        with self._changing:
            self._quiet = True
            for loop in self.loops():
                loop.hold(Hold.QUIET)
        self._observer.notify(TurnedQuiet())

    def start(self) -> None:
        """Begin to take entries. Raises `StartError` after a stop."""
        with self._changing:
            for served in () if self._started else self._all.values():
                served.loop.start()
            self._started = True

    def finish(self) -> None:
        """Take nothing more, for good; types no longer come and go. Does not wait for what runs."""
        with self._changing:
            self._stopping.set()
            for loop in self.loops():
                loop.quiet()
        self._observer.notify(TurnedQuiet())

    def ended(self) -> bool:
        """After `finish`: whether nothing runs any more, and nothing is being seen off."""
        leaver = self._leaver
        return (leaver is None or not leaver.is_alive()) and all(loop.ended() for loop in self.loops())

    def stop(self) -> None:
        """Take nothing more; returns when what runs has ended."""
        self.finish()
        leaver = self._leaver
        if leaver is not None:
            leaver.join()
        for loop in self.loops():
            loop.stop()

    def sign_off(self) -> None:
        """After everything has ended: leave the sets of owners. Raises `StoreError`."""
        self._leases.leave([*self._all, *self._to_sign_off])

    def _begin(self, definition: TaskType) -> None:
        served = self._factory.build(definition)
        if self._quiet:
            served.loop.hold(Hold.QUIET)
        if definition.type in self._paused:
            self._hold_if_paused(served)
        # Before it starts: whoever doubts all that is held must not miss it.
        self._note({**self._all, definition.type: served})
        self._to_sign_off.discard(definition.type)
        if not self._started:
            return
        try:
            served.loop.start()
        except RuntimeError as error:
            self._forget([definition.type])
            raise StartError(f"{definition.type} cannot be added: {error}") from error
        self._observer.notify(TypeChanged(definition.type, "added"))

    def _hold_if_paused(self, served: Served) -> None:
        name = served.definition.type
        if name in self._paused:
            served.loop.hold(Hold.PAUSED)
            self._observer.notify(TypeChanged(name, "paused"))
        else:
            served.loop.let_go(Hold.PAUSED)
            self._observer.notify(TypeChanged(name, "resumed"))

    def _change(self, known: Served, definition: TaskType) -> None:
        name = definition.type
        if definition != known.definition:
            self._note({**self._all, name: self._factory.redefine(known, definition)})
        if name in self._leaving:
            self._note(leaving=self._leaving - {name})
            known.reopen()
            known.loop.let_go(Hold.REMOVED)
            self._observer.notify(TypeChanged(name, "added"))
        elif definition != known.definition:
            self._observer.notify(TypeChanged(name, "changed"))

    def _forget(self, names: Sequence[str]) -> None:
        left = {name: served for name, served in self._all.items() if name not in names}
        self._note(left, leaving=self._leaving.difference(names))

    def _note(self, served: Mapping[str, Served] | None = None, *, leaving: frozenset[str] | None = None) -> None:
        """Go by these from now on."""
        self._all = self._all if served is None else served
        self._leaving = self._leaving if leaving is None else leaving
        self._serving = {name: each.definition for name, each in self._all.items() if name not in self._leaving}

    def _see_off(self) -> None:
        """See to it that types which are leaving go; ends with the last of them."""
        while not self._stopping.wait(LEAVE_LOOK_S):
            try:
                self._help_along()
                gone = self._let_go()
                for served in gone:
                    served.loop.stop()
                    served.loop.close()
            except Exception:
                # A fault of goophry's own: at the stop they are seen off with the others.
                _log.exception("Types that are leaving could not be seen off", extra={"action": "leaving_failed"})
                self._stopping.wait(AGAIN_S)
            with self._changing:
                if not self._leaving and not self._to_sign_off:
                    self._leaver = None
                    return
                redis_is_away = bool(self._to_sign_off)
            if redis_is_away:
                self._stopping.wait(AGAIN_S)

    def _help_along(self) -> None:
        """End what else passes only with time: a blocking pop, and a doubt that no loop settles."""
        everything = self._all
        for served in [everything[name] for name in self._leaving if name in everything]:
            if served.loop.exchange.popping:
                served.loop.poke()
            other = served.recovered_through
            if other is not served.loop.exchange and other.in_doubt and not other.untouched:
                with contextlib.suppress(StoreError):  # the loops tell of the outage
                    other.reconcile()

    def _let_go(self) -> Sequence[Served]:
        """Forget the types that have nothing left to do, and return what served them."""
        with self._changing:
            gone = [self._all[name] for name in self._leaving if self._all[name].retire()]
            names = [served.definition.type for served in gone]
            self._forget(names)
            self._to_sign_off.update(names)
            for name in names:
                self._observer.notify(TypeChanged(name, "drained"))
            # Under the lock: one of them that comes again must find this done, or not begun.
            self._sign_off_some()
            for name in names:
                if name in self._to_come:
                    self._begin(self._to_come.pop(name))
            return gone

    def _sign_off_some(self) -> None:
        with contextlib.suppress(StoreError):  # tried again, at the stop at the latest
            self._leases.leave(sorted(self._to_sign_off))
            self._to_sign_off.clear()
