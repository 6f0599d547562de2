"""Waiting for signals, and the stop they ask for: everything in its order."""

import logging
import queue
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from goophry import exit_codes
from goophry.clock import Clock
from goophry.config import Settings
from goophry.engine.service import Service
from goophry.engine.signals import STOP, Signals
from goophry.errors import StoreError
from goophry.wiring.engine import Engine

#: Seconds between turns of whatever else the main thread does, and while stopping between looks at what still runs.
TURN_S: Final = 1.0
STOP_TURN_S: Final = 0.02

#: Seconds that a stop waits for Redis to take what is settled; it is recovered otherwise.
SETTLE_S: Final = 10.0

#: Seconds that a forced stop waits for killed runs to be gone.
FORCED_S: Final = 10.0

_log = logging.getLogger(__name__)


class Stopper:
    """Waits for signals and carries out the stop they ask for."""

    def __init__(
        self, engine: Engine, settings: Callable[[], Settings], *, doors: Sequence[Service], clock: Clock
    ) -> None:
        """`settings` returns the configuration in force; `doors` are the first to stop."""
        self._engine = engine
        self._types = engine.types
        self._settings = settings
        self._doors = doors
        self._clock = clock

    def serve(
        self,
        signals: Signals,
        *,
        turn: Callable[[], object],
        hang_up: Callable[[], None],
        stopping: Callable[[], None],
    ) -> int:
        """Wait for a signal to stop, stop, and return the exit code.

        `turn` is called once a second, `hang_up` on HUP, `stopping` when the stop begins.
        """
        while True:
            try:
                number = signals.get(timeout=TURN_S)
            except queue.Empty:
                turn()
                continue
            if number in STOP:
                _log.info("Stopping", extra={"action": "stop", "signal": number.name})
                stopping()
                return self._stop(signals, turn)
            if number == signal.SIGHUP:
                hang_up()
            elif number == signal.SIGUSR1:
                self._types.be_quiet()
                _log.info("Quiet: nothing more is taken", extra={"action": "quiet"})

    def _stop(self, signals: Signals, turn: Callable[[], object]) -> int:
        """Take nothing more, let what runs end, put back what does not end in time, tell Redis of it all."""
        for door in self._doors:
            door.stop()
        self._types.finish()
        self._engine.recovery.quiet()
        self._engine.scheduler.quiet()
        code = self._drain(signals, turn)
        self._settle()
        if code == exit_codes.OK:
            code = self._tell_rest(signals)
        else:
            self._engine.error_scripts.hurry()
        self._engine.scheduler.stop()
        self._engine.live_output.stop()
        self._engine.listener.stop()
        self._engine.pause_watch.stop()
        self._engine.tidying.stop()
        self._engine.alone.stop()
        self._engine.heartbeat.stop()
        self._leave()
        _log.info("Stopped", extra={"action": "stopped", "code": code})
        return code

    def _drain(self, signals: Signals, turn: Callable[[], object]) -> int:
        code = exit_codes.OK
        timeout_s = self._settings().shutdown_timeout
        deadline = None if timeout_s is None else self._clock.monotonic() + timeout_s
        interrupted_until = None
        # The recovery too: while Redis is away it insists on what it has to fail, as workers do.
        while not (self._engine.recovery.ended() and self._types.ended()):
            now = self._clock.monotonic()
            if interrupted_until is not None and now > interrupted_until:
                _log.error("Some runs did not end", extra={"action": "stop_forced"})
                return exit_codes.FORCED
            if deadline is not None and now > deadline:
                deadline = None
                self._interrupt(grace_s=None)
            if _next_stop(signals):
                code, deadline, interrupted_until = exit_codes.FORCED, None, now + FORCED_S
                self._interrupt(grace_s=0)
            for loop in self._types.loops():
                loop.poke()
            turn()
            time.sleep(STOP_TURN_S)
        return code

    def _interrupt(self, *, grace_s: float | None) -> None:
        count = sum(len(loop.exchange.held()) for loop in self._types.loops())
        _log.warning("Runs are ended, their entries go back", extra={"action": "interrupt", "count": count})
        self._engine.give_up.set()
        for loop in self._types.loops():
            loop.interrupt(grace_s=grace_s)

    def _settle(self) -> None:
        """Give Redis some time to learn of everything that is settled."""
        end = self._clock.monotonic() + SETTLE_S
        while not all(loop.settle_rest() for loop in self._types.loops()):
            if self._clock.monotonic() > end:
                _log.warning("Redis is away: what it does not know of is run again", extra={"action": "unsettled"})
                return
            time.sleep(STOP_TURN_S)

    def _tell_rest(self, signals: Signals) -> int:
        """Have the ErrorScript told of what is in the backlog, unless another signal comes; return the exit code."""
        code = exit_codes.OK
        telling = threading.Thread(target=self._engine.error_scripts.stop, name="goophry-tell-rest", daemon=True)
        telling.start()
        while telling.is_alive():
            if _next_stop(signals):
                code = exit_codes.FORCED
                self._engine.error_scripts.hurry()
            telling.join(STOP_TURN_S)
        return code

    def _leave(self) -> None:
        try:
            self._types.sign_off()
            self._engine.alone.let_go()
            self._engine.leases.end(self._engine.leases.instance)
        except StoreError as error:
            _log.warning("Could not sign off from Redis", extra={"action": "leave", "reason": str(error)})
        for loop in self._types.loops():
            loop.close()


def _next_stop(signals: Signals) -> bool:
    """Whether another stop signal has come."""
    try:
        return signals.get_nowait() in STOP
    except queue.Empty:
        return False
