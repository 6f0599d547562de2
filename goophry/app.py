"""The whole program: start everything in order, wait for signals, stop everything in order."""

import gc
import logging
import queue
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import goophry
from goophry import exit_codes, logs
from goophry.clock import Clock, SystemClock
from goophry.config import Settings
from goophry.config_address import EMBEDDED
from goophry.engine.presence import this_process
from goophry.engine.service import Service
from goophry.engine.signals import STOP, caught
from goophry.errors import StartError, StoreError
from goophry.events import Observer
from goophry.runners.guardian import Guardian
from goophry.runners.live import LivePids
from goophry.runners.reaper import OrphanReaper, become_subreaper
from goophry.runners.spawn import fill_standard_fds
from goophry.start_checks import allow_descriptors, check_redis, check_types
from goophry.store.client import LinkPool, RedisServer
from goophry.store.embedded import EmbeddedRedis
from goophry.wiring import Engine, EngineBuilder

#: New containers before the collector looks at the young, and how often it then goes on to older ones.
GC_THRESHOLDS: Final = (50_000, 20, 20)

#: Seconds between looks for orphans to bury, and while stopping between looks at what still runs.
TURN_S: Final = 1.0
STOP_TURN_S: Final = 0.02

#: Seconds that a stop waits for Redis to take what is settled; it is recovered otherwise.
SETTLE_S: Final = 10.0

#: Seconds that a forced stop waits for killed runs to be gone.
FORCED_S: Final = 10.0

_log = logging.getLogger(__name__)


def run(settings: Settings, *, config_path: Path, log_file: Path | None, verbose: bool) -> int:
    """Run goophry until a signal stops it and return the exit code.

    `log_file` beats the configured Logfile. To be called in the main thread.
    """
    fill_standard_fds()
    with ExitStack() as at_end:
        try:
            log = logs.set_up(
                path=log_file or settings.logfile,
                layout=settings.log_format,
                verbose=verbose,
                names=[task_type.type for task_type in settings.tasks],
            )
            at_end.callback(log.close)
            _log.info("goophry %s started", goophry.__version__, extra={"action": "start", "config": str(config_path)})
            return _run(settings, log=log, verbose=verbose, at_end=at_end)
        except StartError as error:
            _log.error("%s", error, extra={"action": "start_failed"})
            return exit_codes.FAILED


def _run(settings: Settings, *, log: logs.Log, verbose: bool, at_end: ExitStack) -> int:
    clock = SystemClock()
    check_types(settings)
    live = LivePids()
    become_subreaper()
    allow_descriptors(settings)
    presence = this_process(now=clock.now())
    guardian = _guardian(settings, live, at_end)
    server = RedisServer(settings, address=_embedded(settings, at_end))
    links = LinkPool(server)
    at_end.callback(links.close)
    check_redis(settings, links, presence, live)
    counters, stats = None, None
    observers: list[Observer] = [logs.LogObserver(log, verbose=verbose)]
    if settings.stats_interface:
        from goophry.stats.counters import Counters  # noqa: PLC0415 - costs memory, used only here

        counters = Counters([task_type.type for task_type in settings.tasks], clock=clock)
        observers.append(counters)
    builder = EngineBuilder(
        settings,
        server=server,
        links=links,
        presence=presence,
        live=live,
        guardian=guardian,
        observers=observers,
        clock=clock,
    )
    engine = builder.build()
    stopper = Stopper(engine, settings, clock=clock)
    if counters is not None:
        from goophry.stats_wiring import stats_service  # noqa: PLC0415 - imports the web stack, used only here

        stats = stats_service(settings, server=server, counters=counters, engine=engine, quiet=lambda: stopper.quiet)
        stats.start()
        at_end.callback(stats.stop)
    with caught([*STOP, signal.SIGHUP, signal.SIGUSR1]) as signals:
        _start(engine, settings)
        reaper = OrphanReaper(live)

        def turn() -> None:
            if guardian is not None:
                guardian.turn()
            reaper.turn()

        return stopper.serve(signals, turn=turn, reopen_log=log.reopen)


def _guardian(settings: Settings, live: LivePids, at_end: ExitStack) -> Guardian | None:
    """Start the guardian, if any type wants it; it ends with goophry."""
    if not any(task_type.kill_orphans for task_type in settings.tasks):
        return None
    guardian = Guardian(live)
    try:
        guardian.start()
    except OSError as error:
        raise StartError(f"KillOrphans: the guardian cannot be started: {error}") from error
    at_end.callback(guardian.stop)
    return guardian


def _embedded(settings: Settings, at_end: ExitStack) -> str | None:
    """Start the embedded Redis, if that is asked for, and return its address."""
    if settings.redis_address != EMBEDDED:
        return None
    password = settings.redis_password
    embedded = EmbeddedRedis(
        settings.redis_data_dir,
        settings.embedded_port,
        password=password.get_secret_value() if password else None,
    )
    at_end.callback(embedded.stop)
    return embedded.start()


def _start(engine: Engine, settings: Settings) -> None:
    try:
        engine.heartbeat.start()
    except StoreError as error:
        raise StartError(f"Redis at {settings.redis_address}: {error}") from error
    services: Sequence[Service] = (
        engine.error_scripts,
        engine.recovery,
        engine.listener,
        engine.scheduler,
        *engine.loops,
    )
    for service in services:
        service.start()
    # What is here now stays: the collector need not look at it again. A task makes no cycles, so
    # it may look seldom; with Python's own numbers it takes 25 µs of each task's 150.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


class Stopper:
    """Waits for signals and carries out the stop they ask for."""

    def __init__(self, engine: Engine, settings: Settings, *, clock: Clock) -> None:
        self._engine = engine
        self._timeout_s = settings.shutdown_timeout
        self._clock = clock
        self.quiet = False
        """Whether nothing more is taken, for a stop or because somebody asked for quiet."""

    def serve(
        self,
        signals: "queue.SimpleQueue[signal.Signals]",
        *,
        turn: Callable[[], object],
        reopen_log: Callable[[], None],
    ) -> int:
        """Wait for a signal to stop, stop, and return the exit code; `turn` is called once a second."""
        while True:
            try:
                number = signals.get(timeout=TURN_S)
            except queue.Empty:
                turn()
                continue
            if number in STOP:
                _log.info("Stopping", extra={"action": "stop", "signal": number.name})
                return self._stop(signals, turn)
            if number == signal.SIGHUP:
                reopen_log()
            elif number == signal.SIGUSR1:
                self._be_quiet()
                _log.info("Quiet: nothing more is taken", extra={"action": "quiet"})

    def _be_quiet(self) -> None:
        self.quiet = True
        for loop in self._engine.loops:
            loop.quiet()

    def _stop(self, signals: "queue.SimpleQueue[signal.Signals]", turn: Callable[[], object]) -> int:
        """Take nothing more, let what runs end, put back what does not end in time, tell Redis of it all."""
        self._be_quiet()
        self._engine.recovery.quiet()
        self._engine.scheduler.quiet()
        code = self._drain(signals, turn)
        self._settle()
        if code == exit_codes.OK:
            code = self._tell_rest(signals)
        else:
            self._engine.error_scripts.hurry()
        self._engine.scheduler.stop()
        self._engine.listener.stop()
        self._engine.heartbeat.stop()
        self._leave()
        _log.info("Stopped", extra={"action": "stopped", "code": code})
        return code

    def _drain(self, signals: "queue.SimpleQueue[signal.Signals]", turn: Callable[[], object]) -> int:
        code = exit_codes.OK
        deadline = None if self._timeout_s is None else self._clock.monotonic() + self._timeout_s
        interrupted_until = None
        # The recovery too: while Redis is away it insists on what it has to fail, as workers do.
        while not (self._engine.recovery.ended() and all(loop.ended() for loop in self._engine.loops)):
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
            for loop in self._engine.loops:
                loop.poke()
            turn()
            time.sleep(STOP_TURN_S)
        return code

    def _interrupt(self, *, grace_s: float | None) -> None:
        count = sum(len(loop.exchange.held()) for loop in self._engine.loops)
        _log.warning("Runs are ended, their entries go back", extra={"action": "interrupt", "count": count})
        self._engine.give_up.set()
        for loop in self._engine.loops:
            loop.interrupt(grace_s=grace_s)

    def _settle(self) -> None:
        """Give Redis some time to learn of everything that is settled."""
        end = self._clock.monotonic() + SETTLE_S
        while not all(loop.settle_rest() for loop in self._engine.loops):
            if self._clock.monotonic() > end:
                _log.warning("Redis is away: what it does not know of is run again", extra={"action": "unsettled"})
                return
            time.sleep(STOP_TURN_S)

    def _tell_rest(self, signals: "queue.SimpleQueue[signal.Signals]") -> int:
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
            self._engine.leases.leave([loop.name for loop in self._engine.loops])
        except StoreError as error:
            _log.warning("Could not sign off from Redis", extra={"action": "leave", "reason": str(error)})
        for loop in self._engine.loops:
            loop.close()


def _next_stop(signals: "queue.SimpleQueue[signal.Signals]") -> bool:
    """Whether another stop signal has come."""
    try:
        return signals.get_nowait() in STOP
    except queue.Empty:
        return False
