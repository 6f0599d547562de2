"""A task type → what serves it, put together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from threading import Event

from goophry.clock import Clock
from goophry.config import Settings, TaskType
from goophry.engine.error_scripts import ErrorScripts
from goophry.engine.exchange import Exchange
from goophry.engine.failures import Failures
from goophry.engine.holds import Hold
from goophry.engine.ledger import Endings, Ledger
from goophry.engine.loop import POP_ANSWER_S, TaskLoop
from goophry.engine.outage import Outage
from goophry.engine.putting_off import PuttingOff
from goophry.engine.running import RunningTasks
from goophry.engine.types import Served
from goophry.engine.worker import RunIds, Worker
from goophry.events import Observer
from goophry.runners.build import runner_factory
from goophry.runners.guardian import Guardian
from goophry.runners.live import LivePids
from goophry.store.client import LinkPool, RedisServer
from goophry.store.limited import LimitedAtLeastOnce, LimitedAtMostOnce
from goophry.store.queues import AtLeastOnce, AtMostOnce, Queue
from goophry.store.records import Records
from goophry.store.tasks import Tasks


@dataclass(frozen=True, slots=True)
class TypeFactory:
    """Makes what serves a type, of the parts that all types share."""

    settings: Callable[[], Settings]
    """The configuration in force."""
    server: RedisServer
    links: LinkPool
    instance: str
    environ: Mapping[str, str]
    """What scripts inherit from. Not `os.environ` itself, which makes new strings for each type that asks."""
    alive: Callable[[], bool]
    """Whether others still regard this instance as alive."""
    live: LivePids
    guardian: Guardian
    error_scripts: ErrorScripts
    give_up: Event
    next_run_id: RunIds
    tasks: Tasks
    records: Records
    running: RunningTasks
    endings: Endings
    observer: Observer
    clock: Clock

    def build(self, definition: TaskType) -> Served:
        """See `ServesTypes.build`."""
        name, queue_key = definition.type, self.settings().redis_queue_key
        leased = definition.delivery == "at-least-once"
        exchange = Exchange(self._queue(definition), self.links, alive=self.alive if leased else _always)
        outage = Outage(name, observer=self.observer, clock=self.clock)
        loop = TaskLoop(
            name,
            workers=definition.workers,
            exchange=exchange,
            links=self.links,
            link=self.server.link(timeout_s=POP_ANSWER_S, near=exchange.queue.name),
            make_worker=self._make_worker(definition, exchange, outage),
            observer=self.observer,
            outage=outage,
            clock=self.clock,
        )
        if definition.is_alone:
            loop.hold(Hold.ELSEWHERE)  # until it is known that nobody else takes its entries
        # What an instance of an earlier configuration held is recovered all the same.
        through = exchange
        if not leased:
            other = AtLeastOnce(queue_key=queue_key, task_type=name, instance=self.instance)
            through = Exchange(other, self.links, alive=self.alive)
        return Served(definition, loop, through, self._failures(definition, through, outage), outage)

    def redefine(self, served: Served, definition: TaskType) -> Served:
        """See `ServesTypes.redefine`."""
        definition = definition.model_copy(update={"delivery": served.definition.delivery})
        if definition.rate_limit != served.definition.rate_limit:
            served.loop.exchange.use(self._queue(definition))
        make_worker = None
        if definition.model_copy(update={"workers": served.definition.workers}) != served.definition:
            make_worker = self._make_worker(definition, served.loop.exchange, served.outage)
        served.loop.change(workers=definition.workers, make_worker=make_worker)
        failures = self._failures(definition, served.recovered_through, served.outage)
        return replace(served, definition=definition, failures=failures)

    def _queue(self, definition: TaskType) -> Queue:
        name, queue_key, rate = definition.type, self.settings().redis_queue_key, definition.rate_limit
        if definition.delivery == "at-most-once":
            if rate is None:
                return AtMostOnce(queue_key=queue_key, task_type=name)
            return LimitedAtMostOnce(rate, queue_key=queue_key, task_type=name)
        if rate is None:
            return AtLeastOnce(queue_key=queue_key, task_type=name, instance=self.instance)
        return LimitedAtLeastOnce(rate, queue_key=queue_key, task_type=name, instance=self.instance)

    def _make_worker(self, definition: TaskType, exchange: Exchange, outage: Outage) -> Callable[[], Worker]:
        make_runner = runner_factory(
            definition, instance_id=self.instance, environ=self.environ, live=self.live, guardian=self.guardian
        )
        ledger = self._ledger(definition, exchange, outage)
        return partial(
            Worker,
            definition,
            make_runner=make_runner,
            exchange=exchange,
            ledger=ledger,
            failures=self._failures(definition, exchange, outage),
            putting_off=PuttingOff(
                definition.type,
                exchange=exchange,
                ledger=ledger,
                outage=outage,
                observer=self.observer,
                give_up=self.give_up,
                clock=self.clock,
            ),
            running=self.running,
            observer=self.observer,
            outage=outage,
            next_run_id=self.next_run_id,
            max_entry_bytes=lambda: self.settings().max_entry_bytes,
            clock=self.clock,
        )

    def _ledger(self, definition: TaskType, exchange: Exchange, outage: Outage) -> Ledger:
        return Ledger(
            definition,
            instance=self.instance,
            exchange=exchange,
            tasks=self.tasks,
            records=self.records,
            outage=outage,
            observer=self.observer,
            give_up=self.give_up,
            clock=self.clock,
            ending=self.endings(definition.type),
        )

    def _failures(self, definition: TaskType, exchange: Exchange, outage: Outage) -> Failures:
        return Failures(
            definition,
            exchange=exchange,
            ledger=self._ledger(definition, exchange, outage),
            error_scripts=self.error_scripts,
            outage=outage,
            give_up=self.give_up,
        )


def _always() -> bool:
    """At most once there is nothing that others could take over."""
    return True
