"""What a failure entails: the failed list first, then the ErrorScript."""

import logging
import threading
from dataclasses import replace

from goophry.config import TaskType
from goophry.engine.error_scripts import ErrorScripts
from goophry.engine.exchange import Exchange
from goophry.engine.outage import Outage, insist
from goophry.engine.task import Task
from goophry.entry import TaskEntry, failed_entry, parse, unreadable_entry
from goophry.errors import StoreRefused, UnreadableEntry
from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Job, Notice
from goophry.store.client import LinkPool
from goophry.store.queues import keep_failed

_log = logging.getLogger(__name__)


class Failures:
    """Keeps and tells the failures of one type. Every method returns whether the entry is now done with.

    It is not when another instance has taken it over, or when goophry is forced to stop while
    Redis is away: then it stays in the running list, and whoever recovers it runs it again.
    """

    def __init__(
        self,
        task_type: TaskType,
        *,
        exchange: Exchange,
        links: LinkPool,
        error_scripts: ErrorScripts,
        outage: Outage,
        give_up: threading.Event,
    ) -> None:
        self._type = task_type
        self._exchange = exchange
        self._links = links
        self._error_scripts = error_scripts
        self._outage = outage
        self._give_up = give_up

    def failed(self, task: Task, job: Job, outcome: Outcome) -> bool:
        """A run failed for good."""
        if self._type.failed_tasks_ttl:
            if not self._keep(task, failed_entry(job.entry, outcome.message, task.text)):
                return False
        elif task.taken:
            return False
        self._tell(f"{self._call(job.entry)}\n\n{outcome.message}", outcome.verdict, job)
        return True

    def unreadable(self, task: Task, reason: str) -> bool:
        """An entry is none: kept as text, also where FailedTasksTTL is off, for it was never run."""
        message = f"parseQueueTask(): {reason}"
        if not self._keep(task, unreadable_entry(task.text, message)):
            return False
        self._tell(message, Verdict.INVALID)
        return True

    def lost(self, task: Task) -> bool:
        """An entry took down its instance too often; it may be the cause, so it is not run again."""
        message = f"lost: its instance died {task.recovered + 1} times while it was running"
        try:
            entry = parse(task.text)
        except UnreadableEntry:
            entry = TaskEntry()
            payload = unreadable_entry(task.text, message)
        else:
            payload = failed_entry(entry, message, task.text)
        if not self._keep(task, payload):
            return False
        self._tell(f"{self._call(entry)}\n\n{message}", Verdict.LOST)
        return True

    def _keep(self, task: Task, payload: bytes) -> bool:
        """Append to the failed list, for as long as it takes; before the ack: twice is allowed, never is not."""

        def keep() -> None:
            if not self._exchange.still_owns(task):
                return
            try:
                keep_failed(self._links, self._exchange.queue.name, payload, ttl_s=self._type.failed_tasks_ttl)
            except StoreRefused as error:
                # The key of the failed list holds something else; the log is the next best place.
                _log.error(
                    "A failed entry could not be kept",
                    extra={"action": "keep_failed", "type": self._type.type, "entry": payload, "reason": str(error)},
                )

        done = insist(keep, outage=self._outage, give_up=self._give_up, worth_it=lambda: not task.taken)
        return done and not task.taken

    def _tell(self, message: str, verdict: Verdict, job: Job | None = None) -> None:
        if self._type.error_script is None:
            return
        notice = Notice(message, type=self._type.type, outcome=verdict.value)
        if job is not None:
            notice = replace(notice, entry_id=job.entry.id, run_id=job.run_id, attempt=job.attempt)
        self._error_scripts.tell(self._type.error_script, notice)

    def _call(self, entry: TaskEntry) -> str:
        """Return the call as the original shows it; without arguments it shows one empty one."""
        arguments = '" "'.join(entry.args)
        return f'{" ".join(self._type.script)} "{arguments}"'
