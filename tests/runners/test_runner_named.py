"""Entries that name the kind by which they run."""

from goophry.entry import TaskEntry
from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Job
from goophry.runners.named import NamedRunner


class Noted:
    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.closed = 0

    def run(self, job: Job) -> Outcome:
        self.jobs.append(job)
        return Outcome(Verdict.FAILED, "as it was")

    def close(self) -> None:
        self.closed += 1


def test_the_first_argument_names_the_runner_and_the_rest_is_for_it() -> None:
    runner, unused = Noted(), Noted()
    named = NamedRunner({"a": lambda: runner, "b": lambda: unused})
    job = Job(TaskEntry(("a", "x", "y"), "id"), "run", 3, 1)

    assert named.run(job) == Outcome(Verdict.FAILED, "as it was")
    named.run(job)
    named.close()

    assert [each.entry.args for each in runner.jobs] == [("x", "y")] * 2
    assert runner.jobs[0].interrupt is job.interrupt
    assert (runner.jobs[0].run_id, runner.jobs[0].attempt, runner.jobs[0].recovered) == ("run", 3, 1)
    assert (runner.closed, unused.closed) == (1, 0)


def test_nothing_asked_is_nothing_done_and_the_unknown_does_not_start() -> None:
    named = NamedRunner({})

    assert named.run(Job(TaskEntry(), "run")).ok
    assert named.run(Job(TaskEntry(("mail", "x")), "run")).verdict is Verdict.START_FAILED
