"""The `persistent` kind: one program for each worker, fed a line for each task, answering with a line.

A task is failed for what its program did with it, and never for what the program did before: a
child that died or spoke between two tasks is replaced, and so is one that ended without having
read a byte of the task. A second answer fails its task if it is there with the first; later that
task has been settled, and the log tells of it.
"""

import logging
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from goophry.outcome import NOTHING, Captured, Outcome, Verdict
from goophry.runners.base import Interrupt, Job
from goophry.runners.endings import TAIL_BYTES, Rules, outcome_of, start_failed
from goophry.runners.execution import End, Launcher
from goophry.runners.guardian import Guardian
from goophry.runners.live import LivePids
from goophry.runners.lookout import wake_event
from goophry.runners.persistent_child import PersistentChild
from goophry.runners.persistent_protocol import Unanswered, id_of, quoted, read_answer, request
from goophry.runners.persistent_streams import Silence
from goophry.runners.spawn import Env, encoded

_PROBLEMS: Final = {
    Silence.STDIN_CLOSED: "stdin was closed before the task was read",
    Silence.STDOUT_CLOSED: "stdout was closed without an answer",
}

_log = logging.getLogger(__name__)


class PersistentRunner:
    """Feeds tasks to a program that is started with the first of them; `max_tasks` 0 = it stays for ever."""

    def __init__(
        self,
        launcher: Launcher,
        *,
        task_type: str,
        script: Sequence[str],
        environment: Mapping[str, str],
        timeout_s: float,
        grace_s: float,
        max_tasks: int,
        output_limit: int,
        live: LivePids,
        guardian: Guardian | None = None,
        work_dir: Path | None = None,
    ) -> None:
        self._launcher = launcher
        self._task_type = task_type
        self._program = script[0]
        self._argv = [encoded(part) for part in script]
        self._environment = [encoded(f"{name}={value}") for name, value in environment.items()]
        self._timeout_s = timeout_s
        self._grace_s = grace_s
        self._max_tasks = max_tasks
        self._output_limit = output_limit
        self._live = live
        self._work_dir = work_dir
        self._wake_fd = wake_event()
        self._slot = None if guardian is None else guardian.slot()
        self._child: PersistentChild | None = None

    def run(self, job: Job) -> Outcome:
        """Have the program do one task; a program that cannot be started is an outcome too."""
        interrupt = job.interrupt
        interrupt.attach(self._wake_fd)
        try:
            outcome = self._run(job)
            while outcome is None:
                outcome = self._run(job)
        except OSError as error:
            return start_failed(self._program, error, work_dir=self._work_dir)
        else:
            return outcome
        finally:
            interrupt.detach()

    def close(self) -> None:
        """Let the program end, by force if it must be; nothing of it is left."""
        if self._child is not None:
            self._dismiss(self._child, Interrupt())
        os.close(self._wake_fd)
        self._launcher.close()
        if self._slot is not None:
            self._slot.close()

    def _run(self, job: Job) -> Outcome | None:
        """Return the outcome; None = the child was gone before it had read anything, a new one is to be tried."""
        child = None if job.interrupt.reason is not None else self._ready_child(job.interrupt)
        # Looked at once more: the look at the child may have swallowed the wake-up.
        if child is None or job.interrupt.reason is not None:
            return Outcome(job.interrupt.reason or Verdict.INTERRUPTED, str(job.interrupt.reason))
        was_used = child.tasks > 0
        timeout_s = job.timeout_s(self._timeout_s)
        started = time.monotonic()
        said = child.exchange(request(job), job.interrupt, timeout_s=timeout_s)
        if isinstance(said, bytes):
            return self._judged(child, said, job, started=started)
        if isinstance(said, Verdict):
            return self._forced(child, said, job.interrupt, started=started, timeout_s=timeout_s)
        if said in {Silence.ENDED, Silence.STDIN_CLOSED} and was_used and child.took_nothing():
            self._discard(child, job.interrupt)
            return None
        if said is Silence.ENDED:
            return self._ended(child, started=started)
        problem = _PROBLEMS.get(said) or f"the answer is longer than OutputLimit: {quoted(child.beginning())}"
        return self._broken(child, problem, job.interrupt, started=started)

    def _ready_child(self, interrupt: Interrupt) -> PersistentChild:
        """Return a child that waits for a task, a new one unless the last one does."""
        child = self._child
        if child is not None:
            if child.is_ready():
                return child
            self._dismiss(child, interrupt)
        # Not GOOPHRY_RUN: it would be that of one task only.
        mark = b"GOOPHRY_CHILD=" + uuid.uuid4().hex.encode()
        self._child = PersistentChild(
            self._launcher,
            argv=self._argv,
            env=Env([mark], self._environment),
            mark=mark,
            wake_fd=self._wake_fd,
            output_limit=self._output_limit,
            live=self._live,
            slot=self._slot,
        )
        return self._child

    def _dismiss(self, child: PersistentChild, interrupt: Interrupt) -> None:
        """Part with a child that has no task in hand."""
        self._child = None
        said = child.unasked()
        if said is not None:
            _log.warning(
                "A persistent script spoke although no task was in hand, and is replaced: %s",
                quoted(said),
                extra={"action": "persistent.spoke", "type": self._task_type, "said": quoted(said)},
            )
        child.leave(interrupt, grace_s=self._grace_s)
        child.bury()

    def _discard(self, child: PersistentChild, interrupt: Interrupt) -> int:
        """Part at once with a child that broke the rules; nothing of it is left."""
        self._child = None
        child.force_end(interrupt, grace_s=0)
        return child.bury()

    def _judged(self, child: PersistentChild, said: bytes, job: Job, *, started: float) -> Outcome:
        try:
            answer = read_answer(said, expected_id=id_of(job))
        except Unanswered as problem:
            return self._broken(child, str(problem), job.interrupt, started=started)
        if child.went_on:
            twice = f"the script answered twice, the second time with {quoted(child.unasked() or b'')}"
            return self._broken(child, twice, job.interrupt, started=started)
        if child.tasks == self._max_tasks:
            child.spent = True
        output = Captured(answer.output.encode()) if answer.output else NOTHING
        if answer.ok:
            return Outcome(Verdict.SUCCESS, duration_s=time.monotonic() - started, stdout=output)
        message = answer.error or "the script answered that it failed"
        duration_s = time.monotonic() - started
        return Outcome(Verdict.FAILED, message, duration_s, stdout=output, stderr=child.stderr())

    def _forced(
        self, child: PersistentChild, forced_by: Verdict, interrupt: Interrupt, *, started: float, timeout_s: float
    ) -> Outcome:
        self._child = None
        child.force_end(interrupt, grace_s=self._grace_s)
        duration_s = time.monotonic() - started
        stderr = child.stderr()
        end = End(forced_by, child.bury(), duration_s, NOTHING, stderr)
        return outcome_of(end, timeout_s=timeout_s, rules=Rules())

    def _ended(self, child: PersistentChild, *, started: float) -> Outcome:
        """It ended by itself with the task in hand; as with scripts, what it left behind lives on."""
        self._child = None
        duration_s = time.monotonic() - started
        stderr = child.stderr()
        end = End(None, child.bury(), duration_s, NOTHING, stderr)
        if end.status:
            return outcome_of(end, timeout_s=0, rules=Rules())
        return _failed("exit status 0 without an answer", stderr, duration_s=duration_s)

    def _broken(self, child: PersistentChild, problem: str, interrupt: Interrupt, *, started: float) -> Outcome:
        duration_s = time.monotonic() - started
        stderr = child.stderr()
        self._discard(child, interrupt)
        return _failed(problem, stderr, duration_s=duration_s)


def _failed(problem: str, stderr: Captured, *, duration_s: float) -> Outcome:
    tail = stderr.last(TAIL_BYTES).rstrip("\r\n") if stderr else ""
    return Outcome(Verdict.FAILED, f"{problem}\n\n{tail}" if tail else problem, duration_s, stderr=stderr)
