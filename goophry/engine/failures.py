"""What a failure entails: the failed list first, then the ErrorScript."""

import logging
import threading
from dataclasses import replace

from goophry.config import TaskType
from goophry.engine.error_scripts import ErrorScripts
from goophry.engine.exchange import Exchange
from goophry.engine.ledger import Ledger
from goophry.engine.outage import Outage, insist
from goophry.engine.task import Task
from goophry.entry import UNREADABLE, TaskEntry, failed_entry, parse, unreadable_entry
from goophry.errors import StoreWrongKind, UnreadableEntry
from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Job, Notice
from goophry.store import keys
from goophry.store.client import Link
from goophry.store.queues import keep_failed

#: Longest failed entry: Redis takes 512 MiB, and text with many quotes doubles when it is put into
#: JSON. What would be longer is kept as it was pushed.
MAX_PAYLOAD = 500_000_000

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
        ledger: Ledger,
        error_scripts: ErrorScripts,
        outage: Outage,
        give_up: threading.Event,
    ) -> None:
        self._type = task_type
        self._exchange = exchange
        self._ledger = ledger
        self._error_scripts = error_scripts
        self._outage = outage
        self._give_up = give_up

    def failed(self, task: Task, job: Job, outcome: Outcome) -> bool:
        """A run failed for good, or Schema says no: then it is kept also where FailedTasksTTL is off, as it was never run."""
        if self._type.failed_tasks_ttl or outcome.verdict is Verdict.INVALID:
            if not self._keep(task, failed_entry(job.entry, outcome.message, task.text)):
                return False
        elif task.taken:
            return False
        self.tell(job, outcome)
        return True

    def tell(self, job: Job, outcome: Outcome) -> None:
        """Tell the ErrorScript of a failed run."""
        self._tell(f"{self._call(job.entry)}\n\n{outcome.message}", outcome.verdict, job)

    def unreadable(self, task: Task, reason: str) -> bool:
        """An entry is none: kept as text, also where FailedTasksTTL is off, for it was never run."""
        message = UNREADABLE + reason
        payload = unreadable_entry(task.text, message)
        if len(payload) > MAX_PAYLOAD:
            payload = task.text
        if not self._keep(task, payload):
            return False
        self._tell(message, Verdict.INVALID)
        return True

    def lost(self, task: Task, message: str) -> bool:
        """An entry took down its instance too often; it may be the cause, so it is not run again."""
        try:
            entry = parse(task.text)
        except UnreadableEntry:
            entry = TaskEntry()
            payload = unreadable_entry(task.text, message)
        else:
            payload = failed_entry(entry, message, task.text)
        if not self._keep(task, payload) or not self._ledger.lost(task, entry, Outcome(Verdict.LOST, message)):
            return False
        self._tell(f"{self._call(entry)}\n\n{message}", Verdict.LOST)
        return True

    def _keep(self, task: Task, payload: bytes) -> bool:
        """Append to the failed list, for as long as it takes; before the ack: twice is allowed, never is not."""

        def keep() -> None:
            if self._exchange.still_owns(task):
                self._exchange.write(task, lambda link: self._store(link, payload))

        done = insist(keep, outage=self._outage, give_up=self._give_up, worth_it=lambda: not task.taken)
        return done and not task.taken

    def _store(self, link: Link, payload: bytes) -> None:
        """Append to the failed list; to another while its key is somebody's own, whom to wait for holds a worker."""
        queue = self._exchange.queue.name
        for key in (keys.failed(queue), keys.failed_aside(queue)):
            fields = {"action": "keep_failed", "type": self._type.type, "key": key}
            try:
                keep_failed(link, key, payload, ttl_s=self._type.failed_tasks_ttl)
            except StoreWrongKind:
                _log.error("The key %s holds no list, a failed entry is kept elsewhere", key, extra=fields)
            else:
                return
        _log.error("A failed entry could be kept in the log only", extra=fields | {"entry": payload})

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
        return f'{" ".join(self._type.script) or self._type.kind} "{arguments}"'
