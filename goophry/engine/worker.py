"""The life of one entry, from hand-over to settled."""

import itertools
import logging
from collections.abc import Callable

from goophry.engine.exchange import Exchange
from goophry.engine.failures import Failures
from goophry.engine.outage import Outage
from goophry.engine.task import Task
from goophry.entry import TaskEntry, parse
from goophry.errors import StoreError, UnreadableEntry
from goophry.events import EntryUnreadable, Observer, TaskFinished, TaskStarted
from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Job, Runner, RunnerFactory

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
        name: str,
        *,
        make_runner: RunnerFactory,
        exchange: Exchange,
        failures: Failures,
        observer: Observer,
        outage: Outage,
        next_run_id: Callable[[], str],
        max_entry_bytes: int,
    ) -> None:
        self._name = name
        self._make_runner = make_runner
        self._runner: Runner | None = None
        self._exchange = exchange
        self._failures = failures
        self._observer = observer
        self._outage = outage
        self._next_run_id = next_run_id
        self._max_entry_bytes = max_entry_bytes

    def live(self, task: Task) -> bool:
        """Read, run, settle, announce. Returns whether the entry is to be removed from Redis."""
        if len(task.text) > self._max_entry_bytes:
            return self._refuse(task, f"{len(task.text)} bytes, MaxEntryBytes is {self._max_entry_bytes}")
        try:
            entry = parse(task.text)
        except UnreadableEntry as error:
            return self._refuse(task, str(error))
        job = self._begin(task, entry)
        outcome = self._run(job)
        settled = self._settle(task, job, outcome)
        self._observer.notify(TaskFinished(self._name, job.run_id, entry.id, entry.args, outcome, settled))
        return settled

    def close(self) -> None:
        """Close the runner."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    def _refuse(self, task: Task, reason: str) -> bool:
        self._observer.notify(EntryUnreadable(self._name, task.text, reason))
        return self._failures.unreadable(task, reason)

    def _begin(self, task: Task, entry: TaskEntry) -> Job:
        job = Job(entry, self._next_run_id(), recovered=task.recovered, interrupt=task.interrupt)
        self._observer.notify(TaskStarted(self._name, job.run_id, entry.id, entry.args, job.attempt, job.recovered))
        return job

    def _run(self, job: Job) -> Outcome:
        try:
            if self._runner is None:
                self._runner = self._make_runner()
            return self._runner.run(job)
        except Exception as error:
            # A runner tells of failures by its outcome; this is a fault of goophry's own, or a
            # machine out of descriptors. The task must not vanish with it.
            _log.exception("The runner failed", extra={"action": "runner_failed", "type": self._name})
            return Outcome(Verdict.START_FAILED, f"goophry could not run it: {error!r}")

    def _settle(self, task: Task, job: Job, outcome: Outcome) -> bool:
        if outcome.verdict is Verdict.SUCCESS:
            return not task.taken
        if outcome.verdict is Verdict.INTERRUPTED:
            self._put_back(task)
            return False
        return self._failures.failed(task, job, outcome)

    def _put_back(self, task: Task) -> None:
        """Return an interrupted task to the head of the queue, at once and without counting it."""
        if task.taken:
            return
        try:
            self._exchange.requeue(task)
        except StoreError as error:
            # It stays in the running list, and whoever recovers it runs it again.
            self._outage.failed(error)
