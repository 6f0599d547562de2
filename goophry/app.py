"""The whole program: start everything in order, wait for signals, stop everything in order."""

import gc
import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import goophry
from goophry import exit_codes, logs
from goophry.clock import Clock, SharedClock, SystemClock
from goophry.config import Settings
from goophry.config_address import EMBEDDED
from goophry.engine.announce import Announcer
from goophry.engine.clock_check import ClockCheck
from goophry.engine.presence import this_process
from goophry.engine.service import Service
from goophry.engine.signals import STOP, Signals, caught, hand_on
from goophry.engine.types import Types
from goophry.errors import StartError, StoreError
from goophry.events import Observer
from goophry.runners.guardian import Guardian
from goophry.runners.live import LivePids
from goophry.runners.reaper import OrphanReaper, become_subreaper
from goophry.runners.spawn import fill_standard_fds
from goophry.store.client import LinkPool, RedisServer
from goophry.store.moments import redis_time
from goophry.wiring.doors import DoorSet
from goophry.wiring.engine import Engine, EngineBuilder
from goophry.wiring.reload import InForce, Reloader
from goophry.wiring.start_checks import (
    API_CONNECTIONS,
    allow_descriptors,
    check_extras,
    check_redis,
    check_types,
    new_problems,
)
from goophry.wiring.stopper import Stopper
from goophry.wiring.systemd import ServiceManager

if TYPE_CHECKING:
    from goophry.wiring.board import Witness

#: New containers before the collector looks at the young, and how often it then goes on to older ones.
GC_THRESHOLDS: Final = (50_000, 20, 20)

_log = logging.getLogger(__name__)


def run(settings: Settings, *, config_path: Path, log_file: Path | None, verbose: bool) -> int:
    """Run goophry until a signal stops it and return the exit code.

    `log_file` beats the configured Logfile. To be called in the main thread.
    """
    fill_standard_fds()
    with ExitStack() as at_end:
        # From here on a HUP ends nothing: one that comes too early is carried out when goophry has started.
        early = at_end.enter_context(caught([signal.SIGHUP]))
        try:
            log = logs.set_up(
                path=log_file or settings.logfile,
                layout=settings.log_format,
                verbose=verbose,
                names=[task_type.type for task_type in settings.tasks],
            )
            at_end.callback(log.close)
            _log.info("goophry %s started", goophry.__version__, extra={"action": "start", "config": str(config_path)})
            return _run(settings, early, config_path=config_path, log=log, verbose=verbose, at_end=at_end)
        except StartError as error:
            _log.error("%s", error, extra={"action": "start_failed"})
            return exit_codes.FAILED


def _run(
    settings: Settings, early: Signals, *, config_path: Path, log: logs.Log, verbose: bool, at_end: ExitStack
) -> int:
    clock = SharedClock(SystemClock())
    manager = ServiceManager(os.environ)
    check_types(settings)
    check_extras(settings)
    live = LivePids()
    become_subreaper()
    allow_descriptors(settings.tasks, connections=API_CONNECTIONS if settings.api_interface else 0)
    presence = this_process(now=clock.now())
    guardian = _guardian(settings, live, at_end)
    server = RedisServer(settings, address=_embedded(settings, at_end))
    links = LinkPool(server)
    at_end.callback(links.close)
    check_redis(settings, links, presence, live)
    observers: list[Observer] = [logs.LogObserver(log, verbose=verbose)]
    witness = _witness(settings, clock)
    observers += () if witness is None else witness.observers
    clock_check = _clock_check(links, clock, observers)
    in_force = InForce(settings)
    doors = DoorSet(in_force, links, clock=clock)
    builder = EngineBuilder(
        in_force,
        server=server,
        links=links,
        presence=presence,
        live=live,
        guardian=guardian,
        observers=observers,
        endings=doors.ending,
        clock=clock,
        after_beat=partial(_look_about, clock_check, server),
    )
    engine = builder.build()
    for face in _faces(in_force, server=server, witness=witness, engine=engine, clock=clock):
        face.start()
        at_end.callback(face.stop)
    reload = _reloader(in_force, engine, links, config_path=config_path)
    services = _started(doors.services(engine, server), at_end)
    with caught([*STOP, signal.SIGHUP, signal.SIGUSR1]) as signals:
        _start(engine, settings)
        manager.ready()
        hand_on(early, signals)
        return Stopper(engine, in_force, doors=services, clock=clock).serve(
            signals,
            turn=_Turn(engine.types, guardian, OrphanReaper(live), manager),
            hang_up=_all(manager.reloading, log.reopen, reload, manager.ready),
            stopping=manager.stopping,
        )


def _look_about(clock_check: ClockCheck, server: RedisServer) -> None:
    """Notice what no error tells."""
    clock_check.turn()
    server.look()


def _clock_check(links: LinkPool, clock: SharedClock, observers: Sequence[Observer]) -> ClockCheck:
    """Return what compares the clocks, having done so once, before anybody asks what time it is."""
    check = ClockCheck(partial(redis_time, links), clock, observer=Announcer(observers))
    with suppress(StoreError):  # Redis answered a moment ago; if it is away now, the first beat fails
        check.turn()
    return check


def _reloader(in_force: InForce, engine: Engine, links: LinkPool, *, config_path: Path) -> Reloader:
    return Reloader(
        in_force,
        path=config_path,
        environ=os.environ,
        check=lambda wanted: new_problems(wanted, before=in_force(), links=links),
        types=engine.types,
        others=[
            lambda read: engine.scheduler.replace_schedules(read.schedules),
            lambda _: engine.pause_watch.look(),
        ],
        observer=engine.observer,
    )


def _witness(settings: Settings, clock: Clock) -> "Witness | None":
    """Return what counts all that happens, where there is somebody to look at it."""
    if not settings.stats_interface and not settings.api_interface:
        return None
    from goophry.wiring.board import witness  # noqa: PLC0415 - costs memory, used only here

    return witness(settings, clock=clock)


def _faces(
    settings: Callable[[], Settings], *, server: RedisServer, witness: "Witness | None", engine: Engine, clock: Clock
) -> Iterator[Service]:
    """Yield what shows goophry to the outside, not yet started; the web stack is imported only then."""
    if witness is None:
        return
    from goophry.wiring import board as board_wiring  # noqa: PLC0415

    first = settings()
    board = board_wiring.board(first, server=server, engine=engine, witness=witness, clock=clock)
    yield board
    if first.stats_interface:
        from goophry.wiring.stats import stats_service  # noqa: PLC0415

        yield stats_service(first, server=server, counters=witness.counters, engine=engine, board=board)
    if first.api_interface:
        from goophry.wiring.api import api_service  # noqa: PLC0415

        yield api_service(settings, server=server, engine=engine, board=board, clock=clock)


class _Turn:
    """What the main thread looks after, once a second."""

    def __init__(self, types: Types, guardian: Guardian, reaper: OrphanReaper, manager: ServiceManager) -> None:
        self._types = types
        self._guardian = guardian
        self._reaper = reaper
        self._manager = manager

    def __call__(self) -> None:
        types = self._types.serving().values()
        allow_descriptors(types)
        if self._guardian.pid is not None or any(task_type.kill_orphans for task_type in types):
            self._guardian.turn()
        self._reaper.turn()
        if all(loop.problem() is None for loop in self._types.loops()):
            self._manager.well()


def _all(*calls: Callable[[], object]) -> Callable[[], None]:
    def call() -> None:
        for each in calls:
            each()

    return call


def _started(services: Iterable[Service], at_end: ExitStack) -> Sequence[Service]:
    """Start the doors, before anything is taken: a port that is in use ends the start, and no task."""
    started = []
    for service in services:
        at_end.callback(service.stop)
        service.start()
        started.append(service)
    return started


def _guardian(settings: Settings, live: LivePids, at_end: ExitStack) -> Guardian:
    """Return the guardian, started if any type wants it; it ends with goophry."""
    guardian = Guardian(live)
    at_end.callback(guardian.stop)
    if any(task_type.kill_orphans for task_type in settings.tasks):
        try:
            guardian.start()
        except OSError as error:
            raise StartError(f"KillOrphans: the guardian cannot be started: {error}") from error
    return guardian


def _embedded(settings: Settings, at_end: ExitStack) -> str | None:
    """Start the embedded Redis, if that is asked for, and return its address."""
    if settings.redis_address != EMBEDDED:
        return None
    from goophry.store.embedded import EmbeddedRedis  # noqa: PLC0415 - costs memory, used only here

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
        engine.pause_watch.start()
    except StoreError as error:
        raise StartError(f"Redis at {settings.redis_address}: {error}") from error
    services: Sequence[Service] = (
        engine.error_scripts,
        engine.recovery,
        engine.alone,
        engine.listener,
        engine.live_output,
        engine.scheduler,
        engine.tidying,
        engine.types,
    )
    for service in services:
        service.start()
    # What is here now stays: the collector need not look at it again. A task makes no cycles, so
    # it may look seldom; with Python's own numbers it takes 25 µs of each task's 150.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
