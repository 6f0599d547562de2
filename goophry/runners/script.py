"""One process for each entry: the kinds `script` and `command`."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Job
from goophry.runners.endings import Rules, outcome_of, start_failed
from goophry.runners.environment import Environment
from goophry.runners.execution import Command, Execution
from goophry.runners.refused import Refused
from goophry.runners.retry_after import RetryAfter
from goophry.runners.spawn import encoded


class ScriptRunner:
    """Runs the command line that `words` makes of an entry, its first word a path; it may raise `Refused` instead."""

    def __init__(
        self,
        execution: Execution,
        *,
        words: Callable[[Job], Sequence[str]],
        environment: Environment,
        timeout_s: float,
        grace_s: float,
        rules: Rules,
        retry_codes: Collection[int] = (),
        retry_after: RetryAfter | None = None,
        work_dir: Path | None = None,
    ) -> None:
        """`retry_after` is where a run that ends with one of `retry_codes` may have written seconds."""
        self._execution = execution
        self._words = words
        self._environment = environment
        self._timeout_s = timeout_s
        self._grace_s = grace_s
        self._rules = rules
        self._retry_codes = retry_codes
        self._retry_after = retry_after
        self._work_dir = work_dir

    def run(self, job: Job) -> Outcome:
        """Run the program for one entry; one that cannot be started is an outcome too."""
        timeout_s = job.timeout_s(self._timeout_s)
        try:
            words = self._words(job)
        except Refused as reason:
            return Outcome(Verdict.START_FAILED, str(reason))
        if self._retry_after is not None:
            self._retry_after.clear()
        try:
            command = self._command(words, job)
            end = self._execution.run(command, job.interrupt, timeout_s=timeout_s, grace_s=self._grace_s)
        except OSError as error:
            return start_failed(words[0], error, work_dir=self._work_dir)
        outcome = outcome_of(end, timeout_s=timeout_s, rules=self._rules)
        if self._retry_after is None or outcome.exit_code not in self._retry_codes:
            return outcome
        return outcome._replace(retry_after_s=self._retry_after.seconds())

    def close(self) -> None:
        """Free what is held between runs."""
        self._execution.close()
        if self._retry_after is not None:
            self._retry_after.close()

    def _command(self, words: Sequence[str], job: Job) -> Command:
        env = self._environment.of(job)
        return Command([encoded(word) for word in words], env, mark=env.run[0])


def script_words(script: Sequence[str]) -> Callable[[Job], Sequence[str]]:
    """Return what puts the entry's Args behind the program and its own arguments."""

    def words(job: Job) -> Sequence[str]:
        return (*script, *job.entry.args)

    return words
