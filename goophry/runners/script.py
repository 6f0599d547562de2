"""The `script` kind: one process for each entry."""

from collections.abc import Sequence
from pathlib import Path

from goophry.outcome import Outcome
from goophry.runners.base import Job
from goophry.runners.endings import outcome_of, start_failed
from goophry.runners.environment import Environment
from goophry.runners.execution import Command, Execution
from goophry.runners.spawn import encoded


class ScriptRunner:
    """Runs a program with the entry's Args after its own arguments."""

    def __init__(
        self,
        execution: Execution,
        *,
        script: Sequence[str],
        environment: Environment,
        timeout_s: float,
        grace_s: float,
        fail_on_output: bool,
        work_dir: Path | None = None,
    ) -> None:
        self._execution = execution
        self._program = script[0]
        self._argv = [encoded(part) for part in script]
        self._environment = environment
        self._timeout_s = timeout_s
        self._grace_s = grace_s
        self._fail_on_output = fail_on_output
        self._work_dir = work_dir

    def run(self, job: Job) -> Outcome:
        """Run the script for one entry; a script that cannot be started is an outcome too."""
        timeout_s = self._timeout_s if job.entry.timeout_s is None else job.entry.timeout_s
        try:
            end = self._execution.run(self._command(job), job.interrupt, timeout_s=timeout_s, grace_s=self._grace_s)
        except OSError as error:
            return start_failed(self._program, error, work_dir=self._work_dir)
        return outcome_of(end, timeout_s=timeout_s, fail_on_output=self._fail_on_output)

    def close(self) -> None:
        """Free what is held between runs."""
        self._execution.close()

    def _command(self, job: Job) -> Command:
        env = self._environment.of(job)
        return Command(self._argv + [encoded(arg) for arg in job.entry.args], env, mark=env.run[0])
