"""The life of one entry, from hand-over to settled."""

import itertools
import logging
import random
from collections.abc import Callable
from typing import Final

from goophry.clock import Clock
from goophry.config import TaskType
from goophry.engine.after_failure import DROP, Retry, next_step
from goophry.engine.exchange import Exchange
from goophry.engine.failures import Failures
from goophry.engine.ledger import Ledger
from goophry.engine.outage import Outage
from goophry.engine.putting_off import PuttingOff
from goophry.engine.running import RunningTasks
from goophry.engine.task import Task
from goophry.entry import TaskEntry, parse
from goophry.errors import StoreError, UnreadableEntry
from goophry.events import EntryUnreadable, Observer, TaskFinished, TaskStarted
from goophry.outcome import NOT_RUN, Outcome, Verdict
from goophry.runners.base import Job, Runner, RunnerFactory

#: What becomes of a task that was cancelled before it began.
CANCELLED: Final = Outcome(Verdict.CANCELLED, "cancelled before it began")

#: Whoever cancelled a task knows of it.
_NOBODY_IS_TOLD: Final = (Verdict.SUCCESS, Verdict.CANCELLED)

_log = logging.getLogger(__name__)


class RunIds:
    """Makes the GOOPHRY_RUN of each run: the instance and a number, never used twice. Thread-safe."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._numbers = itertools.count(1)

    def __call__(self) -> str:
        """Return the next one."""
        return f"{self._instance}-{next(self._numbers)}"


class Worker:
    """Lives tasks of one type, one at a time, in one thread."""

    def __init__(
        self,
        task_type: TaskType,
        *,
        make_runner: RunnerFactory,
        exchange: Exchange,
        ledger: Ledger,
        failures: Failures,
        putting_off: PuttingOff,
        running: RunningTasks,
        observer: Observer,
        outage: Outage,
        next_run_id: Callable[[], str],
        max_entry_bytes: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._type = task_type
        self._name = task_type.type
        self._make_runner = make_runner
        self._runner: Runner | None = None
        self._exchange = exchange
        self._ledger = ledger
        self._failures = failures
        self._putting_off = putting_off
        self._running = running
        self._observer = observer
        self._outage = outage
        self._next_run_id = next_run_id
        self._max_entry_bytes = max_entry_bytes
        self._clock = clock

    def live(self, task: Task) -> bool:
        """Read, run, settle, announce. Returns whether the entry is to be removed from Redis."""
        if len(task.text) > (limit := self._max_entry_bytes()):
            return self._refuse(task, f"{len(task.text)} bytes, MaxEntryBytes is {limit}")
        try:
            entry = parse(task.text)
        except UnreadableEntry as error:
            return self._refuse(task, str(error))
        job = Job(entry, self._next_run_id(), entry.attempt, task.recovered, task.interrupt)
        if self._putting_off.as_asked(task, entry, ticket=job.run_id):
            return False
        schema = self._type.args_schema
        if schema is not None and (problem := schema.problem(entry.args)):
            return self._settle(task, job, Outcome(Verdict.INVALID, problem))
        # Before it is looked whether somebody cancelled it: who does so later finds it here.
        self._running.begin(self._name, task, job, timeout_s=job.timeout_s(self._type.timeout))
        try:
            beginning = self._ledger.begin(task, job)
            if beginning == "wait":
                self._put_back(task)
                return False
            outcome = self._run(job) if beginning == "go" else CANCELLED
        finally:
            self._running.end(job)
        return self._settle(task, job, outcome)

    def close(self) -> None:
        """Close the runner."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def _refuse(self, task: Task, reason: str) -> bool:
        self._observer.notify(EntryUnreadable(self._name, task.text, reason))
        return self._failures.unreadable(task, reason)

    def _run(self, job: Job) -> Outcome:
        entry = job.entry
        args = self._shown(entry)
        self._observer.notify(
            TaskStarted(self._name, job.run_id, entry.id, args, job.attempt, job.recovered, self._waited(entry))
        )
        try:
            if self._runner is None:
                self._runner = self._make_runner()
            return self._runner.run(job)
        except Exception as error:
            # A runner tells of failures by its outcome; this is a fault of goophry's own, or a
            # machine out of descriptors. The task must not vanish with it.
            _log.exception("The runner failed", extra={"action": "runner_failed", "type": self._name})
            return Outcome(Verdict.START_FAILED, f"{NOT_RUN}{error!r}")

    def _waited(self, entry: TaskEntry) -> float | None:
        since = entry.enqueued_s if entry.due_s is None else entry.due_s
        return None if since is None else max(0.0, self._clock.now() - since)

    def _settle(self, task: Task, job: Job, outcome: Outcome) -> bool:
        """See to what follows from the outcome, and announce it. Returns as `live` does."""
        if outcome.verdict is Verdict.INTERRUPTED:
            self._put_back(task)
            return self._announce(job, outcome, final=False)
        if outcome.verdict in _NOBODY_IS_TOLD:
            return self._announce(job, outcome, final=self._ledger.finish(task, job, outcome))
        step = next_step(self._type, job.entry, outcome, random=random.random)
        if isinstance(step, Retry):
            return self._try_again(task, job, outcome, delay_s=step.delay_s)
        final = step is DROP or self._failures.failed(task, job, outcome)
        return self._announce(job, outcome, final=final and self._ledger.finish(task, job, outcome))

    def _try_again(self, task: Task, job: Job, outcome: Outcome, *, delay_s: float) -> bool:
        if self._type.notify_retries:
            self._failures.tell(job, outcome)
        self._putting_off.to_retry(task, job, outcome, delay_s=delay_s)
        return self._announce(job, outcome, final=False, retry_in_s=delay_s)

    def _announce(self, job: Job, outcome: Outcome, *, final: bool, retry_in_s: float | None = None) -> bool:
        entry, args = job.entry, self._shown(job.entry)
        self._observer.notify(TaskFinished(self._name, job.run_id, entry.id, args, outcome, final, retry_in_s))
        return final

    def _shown(self, entry: TaskEntry) -> tuple[str, ...]:
        """Return the arguments as far as everybody may see them."""
        return entry.args if self._type.log_args else ()

    def _put_back(self, task: Task) -> None:
        """Return an interrupted task to the head of the queue, at once and without counting it."""
        if task.taken:
            return
        try:
            self._exchange.requeue(task)
        except StoreError as error:
            # It stays in the running list, and whoever recovers it runs it again.
            self._outage.failed(error)
