"""Settings → the parts of a running goophry, put together."""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any

import goophry
from goophry.clock import Clock
from goophry.config import Settings
from goophry.engine.alone import Alone
from goophry.engine.announce import Announcer
from goophry.engine.bulletins import Bulletins, cancel
from goophry.engine.error_scripts import ErrorScripts
from goophry.engine.heartbeat import Heartbeat
from goophry.engine.holds import Hold
from goophry.engine.intake import Intake
from goophry.engine.ledger import Endings, no_endings
from goophry.engine.listener import Listener
from goophry.engine.live_output import LiveOutput
from goophry.engine.outage import Outage
from goophry.engine.pace import Pace
from goophry.engine.pause_watch import PauseWatch
from goophry.engine.presence import Presence, process_ticks
from goophry.engine.recovery import Recovery
from goophry.engine.redis_trouble import RedisTrouble
from goophry.engine.results import ResultWaiters
from goophry.engine.running import RunningTasks
from goophry.engine.scheduler import Scheduler
from goophry.engine.schedules import Schedules
from goophry.engine.tidying import Tidying
from goophry.engine.types import Types
from goophry.engine.worker import RunIds
from goophry.events import Observer, StoreChanged
from goophry.runners.error_script import ErrorScriptRunner
from goophry.runners.guardian import Guardian
from goophry.runners.leftovers import end_leftovers
from goophry.runners.live import LivePids
from goophry.store import keys
from goophry.store.channel import Subscription
from goophry.store.client import LinkPool, RedisServer
from goophry.store.holders import Holders
from goophry.store.leases import Leases
from goophry.store.moments import Moments
from goophry.store.pauses import Pauses
from goophry.store.records import Records
from goophry.store.stale_ids import StaleIds
from goophry.store.tasks import Tasks
from goophry.wiring.types import TypeFactory


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs tasks, wired and not yet started."""

    types: Types
    heartbeat: Heartbeat
    recovery: Recovery
    scheduler: Scheduler
    listener: Listener
    live_output: LiveOutput
    pause_watch: PauseWatch
    tidying: Tidying
    error_scripts: ErrorScripts
    alone: Alone
    leases: Leases
    running: RunningTasks
    intake: Intake
    waiters: ResultWaiters
    observer: Observer
    """Tells all observers."""
    give_up: Event
    """Set it when goophry must end now: nobody insists on Redis any longer."""


class EngineBuilder:
    """Puts an `Engine` together."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        *,
        server: RedisServer,
        links: LinkPool,
        presence: Presence,
        live: LivePids,
        guardian: Guardian,
        observers: Sequence[Observer],
        endings: Endings = no_endings,
        clock: Clock,
        after_beat: Callable[[], None] = lambda: None,
    ) -> None:
        """`settings` returns the configuration in force, now and whenever it is asked; see `Heartbeat` for the last one."""
        self._settings = settings
        self._queue_key = settings().redis_queue_key
        self._server, self._links = server, links
        self._presence = presence
        self._live = live
        self._guardian = guardian
        self._endings = endings
        self._clock = clock
        self._give_up = Event()
        caller = ErrorScriptRunner(instance_id=presence.id, environ=os.environ, live=live, guardian=guardian)
        # The pool tells of its scripts, and one observer tells the pool of Redis: hence two announcers.
        self._error_scripts = ErrorScripts(caller, observer=Announcer(observers), clock=clock)
        trouble = RedisTrouble(lambda: settings().error_script, self._error_scripts)
        self._pace = Pace(clock=clock)
        self._observer = Announcer([*observers, trouble, self._pace])
        self._leases = Leases(links, queue_key=self._queue_key, instance=presence.id)
        self._heartbeat = Heartbeat(
            self._leases,
            instance=presence.id,
            about=self._about,
            doubt_all=self._doubt_all,
            outage=self._outage("heartbeat"),
            observer=self._observer,
            clock=clock,
            after_beat=after_beat,
        )
        server.on_change(self._doubt_server)
        self._running = RunningTasks(clock=clock)
        self._records = Records(links, queue_key=self._queue_key)
        self._tasks = Tasks(links, queue_key=self._queue_key)
        self._live_output = LiveOutput(
            self._running, links, queue_key=self._queue_key, outage=self._outage("output"), clock=clock
        )
        self._types = Types(self._type_factory(), self._leases, observer=self._observer)
        self._alone = self._guard_of_order()

    def build(self) -> Engine:
        """Return the engine."""
        for task_type in self._settings().tasks:
            self._types.add(task_type)
        recovery = Recovery(
            self._leases,
            served=self._types.all,
            steady=self._heartbeat.steady,
            knows_dead=self._presence.knows_dead,
            end_leftovers=self._end_leftovers,
            max_recoveries=lambda: self._settings().max_recoveries,
            outage=self._outage("recovery"),
            observer=self._observer,
        )
        intake = self._intake()
        scheduler = self._scheduler(intake)
        pause_watch = PauseWatch(
            Pauses(self._links, queue_key=self._queue_key),
            hold=self._types.pause,
            outage=self._outage("pauses"),
            observer=self._observer,
        )
        listener = self._listener(scheduler, pause_watch)
        return Engine(
            types=self._types,
            heartbeat=self._heartbeat,
            recovery=recovery,
            scheduler=scheduler,
            listener=listener,
            live_output=self._live_output,
            pause_watch=pause_watch,
            tidying=self._tidying(),
            error_scripts=self._error_scripts,
            alone=self._alone,
            leases=self._leases,
            running=self._running,
            intake=intake,
            waiters=ResultWaiters(listener, self._records, queue_key=self._queue_key),
            observer=self._observer,
            give_up=self._give_up,
        )

    def _type_factory(self) -> TypeFactory:
        return TypeFactory(
            settings=self._settings,
            server=self._server,
            links=self._links,
            instance=self._presence.id,
            environ=dict(os.environ),
            alive=self._heartbeat.valid,
            live=self._live,
            guardian=self._guardian,
            error_scripts=self._error_scripts,
            give_up=self._give_up,
            next_run_id=RunIds(self._presence.id),
            tasks=self._tasks,
            records=self._records,
            running=self._running,
            endings=self._endings,
            observer=self._observer,
            clock=self._clock,
        )

    def _scheduler(self, intake: Intake) -> Scheduler:
        schedules = Schedules(
            self._settings().schedules,
            intake=intake,
            moments=Moments(self._links, queue_key=self._queue_key),
            observer=self._observer,
            clock=self._clock,
        )
        return Scheduler(
            lambda: list(self._types.serving()),
            tasks=self._tasks,
            schedules=schedules,
            outage=self._outage("scheduler"),
            observer=self._observer,
            clock=self._clock,
        )

    def _listener(self, scheduler: Scheduler, pause_watch: PauseWatch) -> Listener:
        listener = Listener(Subscription(self._server.link()), outage=self._outage("listener"))
        bulletins = Bulletins(
            {
                "cancel": partial(cancel, self._running, self._records),
                "delayed": lambda bulletin: scheduler.look(bulletin.get("Type")),
                "pause": lambda _: pause_watch.look(),
                "resume": lambda _: pause_watch.look(),
                "watch": self._live_output.watch,
            }
        )
        bulletins.follow(listener, keys.events(self._queue_key))
        return listener

    def _intake(self) -> Intake:
        return Intake(
            self._types.serving,
            links=self._links,
            queue_key=self._queue_key,
            max_entry_bytes=lambda: self._settings().max_entry_bytes,
            observer=self._observer,
            clock=self._clock,
        )

    def _tidying(self) -> Tidying:
        return Tidying(
            StaleIds(self._links, queue_key=self._queue_key),
            types=self._types.serving,
            outage=self._outage("tidying"),
            observer=self._observer,
        )

    def _outage(self, who: str) -> Outage:
        return Outage(who, observer=self._observer, clock=self._clock)

    def _about(self) -> dict[str, Any]:
        busy = sum(len(loop.exchange.held()) for loop in self._types.loops())
        serving = self._types.serving()
        about = self._presence.about() | {
            "Version": goophry.__version__,
            "Types": list(serving),
            "Workers": {name: definition.workers for name, definition in serving.items()},
            "Done": self._pace.told(),
            "Busy": busy,
            "Quiet": self._types.is_quiet,
            "Running": self._running.shown(),
        }
        guardian = self._guardian.pid
        return about if guardian is None else about | {"Guardian": guardian, "GuardianTicks": process_ticks(guardian)}

    def _guard_of_order(self) -> Alone:
        return Alone(
            Holders(self._links, queue_key=self._queue_key),
            self._presence,
            types=self._types_alone,
            leave=self._leave,
            alive=self._heartbeat.valid,
            steady=self._heartbeat.steady,
            outage=self._outage("alone"),
        )

    def _leave(self, names: Collection[str]) -> None:
        for name, served in self._types.all().items():
            if served.definition.is_alone:
                (served.loop.hold if name in names else served.loop.let_go)(Hold.ELSEWHERE)

    def _types_alone(self) -> Collection[str]:
        return [name for name, served in self._types.all().items() if served.definition.is_alone]

    def _doubt_all(self) -> None:
        self._alone.doubt()
        for loop in self._types.loops():
            loop.doubt()

    def _end_leftovers(self, instance: str, types: Collection[str]) -> None:
        killed = {name for name, served in self._types.all().items() if served.definition.kill_orphans}
        end_leftovers(instance, types, killed=killed)

    def _doubt_server(self, where: str) -> None:
        for loop in self._types.loops():
            loop.doubt()
        self._observer.notify(StoreChanged(where))
