"""Settings → the parts of a running goophry, put together."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any

from goophry.clock import Clock
from goophry.config import Settings, TaskType
from goophry.engine.announce import Announcer, RedisTrouble
from goophry.engine.error_scripts import ErrorScripts
from goophry.engine.exchange import Exchange
from goophry.engine.failures import Failures
from goophry.engine.heartbeat import Heartbeat
from goophry.engine.loop import POP_ANSWER_S, TaskLoop
from goophry.engine.outage import Outage
from goophry.engine.presence import Presence, process_ticks
from goophry.engine.recovery import Recovery
from goophry.engine.worker import RunIds, Worker
from goophry.events import Observer, StoreChanged
from goophry.runners.build import runner_factory
from goophry.runners.error_script import ErrorScriptRunner
from goophry.runners.guardian import Guardian
from goophry.runners.live import LivePids
from goophry.store.client import LinkPool, RedisServer
from goophry.store.leases import Leases
from goophry.store.queues import AtLeastOnce, AtMostOnce, Queue


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs tasks, wired and not yet started."""

    loops: Sequence[TaskLoop]
    heartbeat: Heartbeat
    recovery: Recovery
    error_scripts: ErrorScripts
    leases: Leases
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
                failures[task_type.type] = self._failures(task_type, exchange, self._outage("recovery"))
        recovery = Recovery(
            self._leases,
            exchanges=exchanges,
            failures=failures,
            steady=self._heartbeat.steady,
            knows_dead=self._presence.knows_dead,
            max_recoveries=self._settings.max_recoveries,
            outage=self._outage("recovery"),
            observer=self._observer,
        )
        return Engine(self._loops, self._heartbeat, recovery, self._error_scripts, self._leases, self._give_up)

    def _loop(self, task_type: TaskType) -> tuple[TaskLoop, Failures]:
        queue: Queue = self._at_least_once(task_type)
        alive = self._heartbeat.valid
        if task_type.delivery == "at-most-once":
            queue = AtMostOnce(queue_key=self._settings.redis_queue_key, task_type=task_type.type)
            alive = _always
        exchange = Exchange(queue, self._links, alive=alive)
        outage = self._outage(task_type.type)
        failures = self._failures(task_type, exchange, outage)
        make_runner = runner_factory(
            task_type, instance_id=self._presence.id, environ=os.environ, live=self._live, guardian=self._guardian
        )
        make_worker = partial(
            Worker,
            task_type.type,
            make_runner=make_runner,
            exchange=exchange,
            failures=failures,
            observer=self._observer,
            outage=outage,
            next_run_id=self._next_run_id,
            max_entry_bytes=self._settings.max_entry_bytes,
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

    def _failures(self, task_type: TaskType, exchange: Exchange, outage: Outage) -> Failures:
        return Failures(
            task_type,
            exchange=exchange,
            links=self._links,
            error_scripts=self._error_scripts,
            outage=outage,
            give_up=self._give_up,
        )

    def _outage(self, who: str) -> Outage:
        return Outage(who, observer=self._observer, clock=self._clock)

    def _about(self) -> dict[str, Any]:
        busy = sum(len(loop.exchange.held()) for loop in self._loops)
        about = self._presence.about() | {"Types": [loop.name for loop in self._loops], "Busy": busy}
        guardian = self._guardian.pid if self._guardian is not None else None
        return about if guardian is None else about | {"Guardian": guardian, "GuardianTicks": process_ticks(guardian)}

    def _doubt_all(self) -> None:
        for loop in self._loops:
            loop.exchange.doubt()

    def _doubt_server(self, where: str) -> None:
        for loop in self._loops:
            loop.exchange.doubt_server()
        self._observer.notify(StoreChanged(where))


def _always() -> bool:
    """At most once there is nothing that others could take over."""
    return True
