"""One task type of one instance, wired as in the real program, with a clock, an observer and a runner of the test's."""

import threading
from pathlib import Path
from typing import Any

import redis
from fakes import RecordingErrorScript, RecordingObserver, ScriptedRunner, settings_for, task_type

from goophry.clock import Clock, SystemClock
from goophry.config import Schedule
from goophry.engine.error_scripts import ErrorScripts
from goophry.engine.exchange import Exchange
from goophry.engine.failures import Failures
from goophry.engine.intake import Intake
from goophry.engine.ledger import Ledger
from goophry.engine.loop import POP_ANSWER_S, TaskLoop
from goophry.engine.outage import Outage
from goophry.engine.putting_off import PuttingOff
from goophry.engine.recovery import Recovery
from goophry.engine.running import RunningTasks
from goophry.engine.scheduler import Scheduler
from goophry.engine.schedules import Schedules
from goophry.engine.types import Served
from goophry.engine.worker import RunIds, Worker
from goophry.rate import RateLimit
from goophry.store import keys
from goophry.store.client import LinkPool, RedisServer
from goophry.store.leases import Leases
from goophry.store.limited import LimitedAtLeastOnce, LimitedAtMostOnce
from goophry.store.moments import Moments
from goophry.store.queues import AtLeastOnce, AtMostOnce, Queue
from goophry.store.records import Records
from goophry.store.tasks import Tasks


class Parts:
    """Instance `name` with one type; nothing is started."""

    def __init__(
        self,
        address: str,
        queue_key: str,
        *,
        name: str = "me",
        workers: int = 1,
        clock: Clock | None = None,
        at_most_once: bool = False,
        rate: RateLimit | None = None,
        **type_fields: Any,
    ) -> None:
        self.clock = clock or SystemClock()
        self.queue_key = queue_key
        self.alive = True
        self.steady = True
        self.dead: set[Any] = set()
        self.leftovers: list[tuple[str, list[str], int]] = []
        """Whose leftovers were ended, of which types, and how many entries waited then."""
        self.type = task_type(workers=workers, **type_fields)
        self.server = RedisServer(settings_for(address, queue_key))
        self.links = LinkPool(self.server)
        self.observer = RecordingObserver()
        self.runner = ScriptedRunner()
        self.give_up = threading.Event()
        self.caller = RecordingErrorScript()
        self.error_scripts = ErrorScripts(self.caller, observer=self.observer, clock=self.clock)
        self.q = keys.queue(queue_key, "t")
        self.running = keys.running(self.q, name)
        self.failed_list = keys.failed(self.q)
        queue: Queue = AtLeastOnce(queue_key=queue_key, task_type="t", instance=name)
        if at_most_once:
            queue = AtMostOnce(queue_key=queue_key, task_type="t")
        if rate is not None and at_most_once:
            queue = LimitedAtMostOnce(rate, queue_key=queue_key, task_type="t")
        elif rate is not None:
            queue = LimitedAtLeastOnce(rate, queue_key=queue_key, task_type="t", instance=name)
        self.exchange = Exchange(queue, self.links, alive=lambda: self.alive)
        self.outage = Outage("t", observer=self.observer, clock=self.clock)
        self.tasks = Tasks(self.links, queue_key=queue_key)
        self.records = Records(self.links, queue_key=queue_key)
        self.running_tasks = RunningTasks(clock=self.clock)
        self.ledger = Ledger(
            self.type,
            instance=name,
            exchange=self.exchange,
            tasks=self.tasks,
            records=self.records,
            outage=self.outage,
            observer=self.observer,
            give_up=self.give_up,
            clock=self.clock,
        )
        self.failures = Failures(
            self.type,
            exchange=self.exchange,
            ledger=self.ledger,
            error_scripts=self.error_scripts,
            outage=self.outage,
            give_up=self.give_up,
        )
        self._run_ids = RunIds(name)
        self.loop = TaskLoop(
            "t",
            workers=workers,
            exchange=self.exchange,
            links=self.links,
            link=self.server.link(timeout_s=POP_ANSWER_S),
            make_worker=self.worker,
            observer=self.observer,
            outage=self.outage,
            clock=self.clock,
        )
        self.served = Served(self.type, self.loop, self.exchange, self.failures, self.outage)
        self.leases = Leases(self.links, queue_key=queue_key, instance=name)
        self.recovery = Recovery(
            self.leases,
            served=lambda: {"t": self.served},
            steady=lambda: self.steady,
            knows_dead=lambda about: about.get("Pid") in self.dead,
            end_leftovers=lambda owner, types: self.leftovers.append((owner, list(types), self.waiting())),
            max_recoveries=lambda: 2,
            outage=Outage("recovery", observer=self.observer, clock=self.clock),
            observer=self.observer,
        )

    def waiting(self) -> int:
        return int(self.links.call("LLEN", self.q))

    def worker(self) -> Worker:
        return Worker(
            self.type,
            make_runner=lambda: self.runner,
            exchange=self.exchange,
            ledger=self.ledger,
            failures=self.failures,
            putting_off=PuttingOff(
                "t",
                exchange=self.exchange,
                ledger=self.ledger,
                outage=self.outage,
                observer=self.observer,
                give_up=self.give_up,
                clock=self.clock,
            ),
            running=self.running_tasks,
            observer=self.observer,
            outage=self.outage,
            next_run_id=self._run_ids,
            max_entry_bytes=lambda: 1_000_000,
            clock=self.clock,
        )

    def intake(self) -> Intake:
        return Intake(
            lambda: {"t": self.type},
            links=self.links,
            queue_key=self.queue_key,
            max_entry_bytes=lambda: 1_000_000,
            observer=self.observer,
            clock=self.clock,
        )

    def schedules(self, *schedules: Schedule) -> Schedules:
        return Schedules(
            schedules,
            intake=self.intake(),
            moments=Moments(self.links, queue_key=self.queue_key),
            observer=self.observer,
            clock=self.clock,
        )

    def scheduler(self, *schedules: Schedule) -> Scheduler:
        return Scheduler(
            lambda: ["t"],
            tasks=self.tasks,
            schedules=self.schedules(*schedules),
            outage=Outage("scheduler", observer=self.observer, clock=self.clock),
            observer=self.observer,
            clock=self.clock,
        )

    def ran(self) -> list[str]:
        """The first argument of each run so far."""
        return [job.entry.args[0] for job in list(self.runner.jobs)]

    def close(self) -> None:
        self.give_up.set()
        self.caller.release()
        self.loop.quiet()
        self.loop.interrupt(grace_s=0)
        self.loop.stop()
        self.recovery.stop()
        self.error_scripts.stop()
        self.loop.close()
        self.links.close()


def push(r: "redis.Redis[bytes]", q: str, *args: str) -> None:
    """Push one entry for each argument."""
    r.rpush(q, *(entry(arg) for arg in args))


def entry(arg: str) -> bytes:
    return b'{"Args":["%s"]}' % arg.encode()


ERROR_SCRIPT = Path("/error-script")
