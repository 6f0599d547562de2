"""Entries that say themselves how they are executed: the first argument names a kind, the rest is for that."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Job, Runner, RunnerFactory

#: Longest piece of a name that a message shows, in characters.
_SHOWN: Final = 200


class NamedRunner:
    """Hands each entry to the runner of its kind, made when first needed. An entry without arguments does nothing."""

    def __init__(self, factories: Mapping[str, RunnerFactory]) -> None:
        self._factories = factories
        self._runners: dict[str, Runner] = {}

    def run(self, job: Job) -> Outcome:
        """See `Runner.run`."""
        if not job.entry.args:
            return Outcome(Verdict.SUCCESS)
        kind, *args = job.entry.args
        if kind not in self._factories:
            return Outcome(Verdict.START_FAILED, f"{kind[:_SHOWN]}: nothing is configured for this")
        if kind not in self._runners:
            self._runners[kind] = self._factories[kind]()
        return self._runners[kind].run(replace(job, entry=job.entry._replace(args=tuple(args))))

    def close(self) -> None:
        """See `Runner.close`."""
        for runner in self._runners.values():
            runner.close()
