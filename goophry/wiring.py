"""Settings → the parts of a running goophry, put together."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any

import goophry
from goophry.clock import Clock
from goophry.config import Settings, TaskType
from goophry.engine.announce import Announcer, RedisTrouble
from goophry.engine.bulletins import Bulletins
from goophry.engine.error_scripts import ErrorScripts
from goophry.engine.exchange import Exchange
from goophry.engine.failures import Failures
from goophry.engine.heartbeat import Heartbeat
from goophry.engine.intake import Intake
from goophry.engine.ledger import Ledger
from goophry.engine.listener import Listener
from goophry.engine.loop import POP_ANSWER_S, TaskLoop
from goophry.engine.outage import Outage
from goophry.engine.presence import Presence, process_ticks
from goophry.engine.putting_off import PuttingOff
from goophry.engine.recovery import Recovery
from goophry.engine.results import ResultWaiters
from goophry.engine.running import RunningTasks
from goophry.engine.scheduler import Scheduler
from goophry.engine.worker import RunIds, Worker
from goophry.events import Observer, StoreChanged
from goophry.runners.build import runner_factory
from goophry.runners.error_script import ErrorScriptRunner
from goophry.runners.guardian import Guardian
from goophry.runners.leftovers import end_leftovers
from goophry.runners.live import LivePids
from goophry.store import keys
from goophry.store.channel import Subscription
from goophry.store.client import LinkPool, RedisServer
from goophry.store.leases import Leases
from goophry.store.queues import AtLeastOnce, AtMostOnce, Queue
from goophry.store.records import Records
from goophry.store.tasks import Tasks


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs tasks, wired and not yet started."""

    loops: Sequence[TaskLoop]
    heartbeat: Heartbeat
    recovery: Recovery
    scheduler: Scheduler
    listener: Listener
    error_scripts: ErrorScripts
    leases: Leases
    running: RunningTasks
    intake: Intake
    waiters: ResultWaiters
    give_up: Event
    """Set it when goophry must end now: nobody insists on Redis any longer."""


class EngineBuilder:
    """Puts an `Engine` together."""

    def __init__(
        self,
        settings: Settings,
        *,
        server: RedisServer,
        links: LinkPool,
        presence: Presence,
        live: LivePids,
        guardian: Guardian | None,
        observers: Sequence[Observer],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._server = server
        self._links = links
        self._presence = presence
        self._live = live
        self._guardian = guardian
        self._clock = clock
        self._give_up = Event()
        self._next_run_id = RunIds(presence.id)
        caller = ErrorScriptRunner(instance_id=presence.id, environ=os.environ, live=live, guardian=guardian)
        # The pool tells of its scripts, and one observer tells the pool of Redis: hence two announcers.
        self._error_scripts = ErrorScripts(caller, observer=Announcer(observers), clock=clock)
        if settings.error_script is not None:
            observers = [*observers, RedisTrouble(settings.error_script, self._error_scripts)]
        self._observer = Announcer(observers)
        self._leases = Leases(links, queue_key=settings.redis_queue_key, instance=presence.id)
        self._heartbeat = Heartbeat(
            self._leases,
            instance=presence.id,
            about=self._about,
            doubt_all=self._doubt_all,
            outage=self._outage("heartbeat"),
            observer=self._observer,
            clock=clock,
        )
        self._loops: list[TaskLoop] = []
        server.on_change(self._doubt_server)
        self._running = RunningTasks(clock=clock)
        self._tasks = Tasks(links, queue_key=settings.redis_queue_key)
        self._records = Records(links, queue_key=settings.redis_queue_key)

    def build(self) -> Engine:
        """Return the engine."""
        exchanges: dict[str, Exchange] = {}
        failures: dict[str, Failures] = {}
        for task_type in self._settings.tasks:
            loop, type_failures = self._loop(task_type)
            self._loops.append(loop)
            exchanges[task_type.type], failures[task_type.type] = loop.exchange, type_failures
            if task_type.delivery == "at-most-once":
                # What an instance of an earlier configuration held is recovered all the same.
                exchange = Exchange(self._at_least_once(task_type), self._links, alive=self._heartbeat.valid)
                exchanges[task_type.type] = exchange
                outage = self._outage("recovery")
                ledger = self._ledger(task_type, exchange, outage)
                failures[task_type.type] = self._failures(task_type, exchange, ledger, outage)
        recovery = Recovery(
            self._leases,
            exchanges=exchanges,
            failures=failures,
            steady=self._heartbeat.steady,
            knows_dead=self._presence.knows_dead,
            end_leftovers=partial(
                end_leftovers, killed={task_type.type for task_type in self._settings.tasks if task_type.kill_orphans}
            ),
            max_recoveries=self._settings.max_recoveries,
            outage=self._outage("recovery"),
            observer=self._observer,
        )
        scheduler = Scheduler(
            self._types,
            tasks=self._tasks,
            outage=self._outage("scheduler"),
            observer=self._observer,
            clock=self._clock,
        )
        listener = self._listener(scheduler)
        return Engine(
            loops=self._loops,
            heartbeat=self._heartbeat,
            recovery=recovery,
            scheduler=scheduler,
            listener=listener,
            error_scripts=self._error_scripts,
            leases=self._leases,
            running=self._running,
            intake=self._intake(),
            waiters=ResultWaiters(listener, self._records, queue_key=self._settings.redis_queue_key),
            give_up=self._give_up,
        )

    def _listener(self, scheduler: Scheduler) -> Listener:
        listener = Listener(Subscription(self._server.link()), outage=self._outage("listener"))
        bulletins = Bulletins(
            {
                "cancel": partial(cancel, self._running, self._records),
                "delayed": lambda bulletin: scheduler.look(bulletin.get("Type")),
            }
        )
        bulletins.follow(listener, keys.events(self._settings.redis_queue_key))
        return listener

    def _intake(self) -> Intake:
        return Intake(
            lambda: {task_type.type: task_type for task_type in self._settings.tasks},
            links=self._links,
            queue_key=self._settings.redis_queue_key,
            max_entry_bytes=self._settings.max_entry_bytes,
            observer=self._observer,
            clock=self._clock,
        )

    def _types(self) -> list[str]:
        return [loop.name for loop in self._loops]

    def _loop(self, task_type: TaskType) -> tuple[TaskLoop, Failures]:
        queue: Queue = self._at_least_once(task_type)
        alive = self._heartbeat.valid
        if task_type.delivery == "at-most-once":
            queue = AtMostOnce(queue_key=self._settings.redis_queue_key, task_type=task_type.type)
            alive = _always
        exchange = Exchange(queue, self._links, alive=alive)
        outage = self._outage(task_type.type)
        ledger = self._ledger(task_type, exchange, outage)
        failures = self._failures(task_type, exchange, ledger, outage)
        make_runner = runner_factory(
            task_type, instance_id=self._presence.id, environ=os.environ, live=self._live, guardian=self._guardian
        )
        make_worker = partial(
            Worker,
            task_type,
            make_runner=make_runner,
            exchange=exchange,
            ledger=ledger,
            failures=failures,
            putting_off=PuttingOff(
                task_type.type,
                exchange=exchange,
                ledger=ledger,
                outage=outage,
                observer=self._observer,
                give_up=self._give_up,
                clock=self._clock,
            ),
            running=self._running,
            observer=self._observer,
            outage=outage,
            next_run_id=self._next_run_id,
            max_entry_bytes=self._settings.max_entry_bytes,
            clock=self._clock,
        )
        loop = TaskLoop(
            task_type.type,
            workers=task_type.workers,
            exchange=exchange,
            links=self._links,
            link=self._server.link(timeout_s=POP_ANSWER_S),
            make_worker=make_worker,
            observer=self._observer,
            outage=outage,
            clock=self._clock,
        )
        return loop, failures

    def _at_least_once(self, task_type: TaskType) -> AtLeastOnce:
        return AtLeastOnce(
            queue_key=self._settings.redis_queue_key, task_type=task_type.type, instance=self._presence.id
        )

    def _ledger(self, task_type: TaskType, exchange: Exchange, outage: Outage) -> Ledger:
        return Ledger(
            task_type,
            instance=self._presence.id,
            exchange=exchange,
            tasks=self._tasks,
            records=self._records,
            outage=outage,
            give_up=self._give_up,
            clock=self._clock,
        )

    def _failures(self, task_type: TaskType, exchange: Exchange, ledger: Ledger, outage: Outage) -> Failures:
        return Failures(
            task_type,
            exchange=exchange,
            ledger=ledger,
            links=self._links,
            error_scripts=self._error_scripts,
            outage=outage,
            give_up=self._give_up,
        )

    def _outage(self, who: str) -> Outage:
        return Outage(who, observer=self._observer, clock=self._clock)

    def _about(self) -> dict[str, Any]:
        busy = sum(len(loop.exchange.held()) for loop in self._loops)
        about = self._presence.about() | {
            "Version": goophry.__version__,
            "Types": self._types(),
            "Busy": busy,
            "Running": self._running.shown(),
        }
        guardian = self._guardian.pid if self._guardian is not None else None
        return about if guardian is None else about | {"Guardian": guardian, "GuardianTicks": process_ticks(guardian)}

    def _doubt_all(self) -> None:
        for loop in self._loops:
            loop.doubt()

    def _doubt_server(self, where: str) -> None:
        for loop in self._loops:
            loop.doubt(server=True)
        self._observer.notify(StoreChanged(where))


def cancel(running: RunningTasks, records: Records, bulletin: Mapping[str, Any]) -> None:
    """End the task that a bulletin names; without one, those whose cancellation may have been missed. Raises `StoreError`."""
    entry_id = bulletin.get("Id")
    if isinstance(entry_id, str):
        running.cancel(entry_id)
    elif not bulletin:
        for missed in records.wished_cancelled({run.job.entry.id for run in running.all() if run.job.entry.id}):
            running.cancel(missed)


def _always() -> bool:
    """At most once there is nothing that others could take over."""
    return True
