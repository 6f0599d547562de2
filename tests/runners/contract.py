"""What every runner must do, whatever it runs: one suite, run over each of them.

A subclass says how to make a runner, and entries that make it succeed, fail or take for ever.
"""

import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest
from conftest import eventually
from processes import alive

from goophry.entry import TaskEntry
from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Interrupt, Job, Runner

Make = Callable[..., Runner]


def job(*args: str, run_id: str = "", interrupt: Interrupt | None = None, **fields: Any) -> Job:
    """Make a job; its run id is unique as in the engine: a forced end looks for it in the whole machine."""
    return Job(TaskEntry(args, **fields), run_id or uuid.uuid4().hex, interrupt=interrupt or Interrupt())


class Background:
    """A run in a thread of its own."""

    def __init__(self, runner: Runner, task: Job) -> None:
        self._outcomes: list[Outcome] = []
        self._thread = threading.Thread(target=lambda: self._outcomes.append(runner.run(task)))
        self._thread.start()

    def outcome(self) -> Outcome:
        self._thread.join(20)
        assert self._outcomes, "the run did not end"
        return self._outcomes[0]


class Acts(Protocol):
    """What the contract needs of a kind."""

    failure: str
    """The message of an entry that fails."""

    def runner(self, **keys: Any) -> Runner: ...

    def args(self, deed: Literal["succeed", "fail", "hang"]) -> tuple[str, ...]: ...

    def has_begun(self) -> object:
        """Whether the entry that hangs is being run."""
        ...


class RunnerContract:
    """Subclasses provide the fixture `acts`."""

    def test_that_what_goes_well_is_a_success(self, acts: Acts) -> None:
        outcome = acts.runner().run(job(*acts.args("succeed")))

        assert (outcome.verdict, outcome.message) == (Verdict.SUCCESS, "")
        assert outcome.duration_s > 0

    def test_that_a_failure_is_an_outcome_with_its_reason(self, acts: Acts) -> None:
        outcome = acts.runner().run(job(*acts.args("fail")))

        assert (outcome.verdict, outcome.message) == (Verdict.FAILED, acts.failure)
        assert outcome.duration_s > 0

    def test_that_one_runner_runs_many_entries(self, acts: Acts) -> None:
        runner = acts.runner()

        verdicts = [runner.run(job(*acts.args(deed))).verdict for deed in ("succeed", "fail", "succeed")]

        assert verdicts == [Verdict.SUCCESS, Verdict.FAILED, Verdict.SUCCESS]

    def test_that_the_run_ends_at_its_timeout(self, acts: Acts) -> None:
        runner = acts.runner(Timeout=0.3)

        outcome = runner.run(job(*acts.args("hang")))

        assert outcome.verdict is Verdict.TIMEOUT
        assert outcome.message.splitlines()[0] == "timed out after 0.3 s"
        assert runner.run(job(*acts.args("succeed"), timeout_s=20.0)).ok

    def test_that_an_entry_overrides_the_timeout(self, acts: Acts) -> None:
        assert acts.runner(Timeout=100).run(job(*acts.args("hang"), timeout_s=0.2)).verdict is Verdict.TIMEOUT
        assert acts.runner(Timeout=1e-6).run(job(*acts.args("succeed"), timeout_s=0.0)).ok

    def test_that_an_interrupt_before_the_run_prevents_it(self, acts: Acts) -> None:
        interrupt = Interrupt()
        interrupt.set(Verdict.INTERRUPTED)

        outcome = acts.runner().run(job(*acts.args("hang"), interrupt=interrupt))

        assert (outcome.verdict, outcome.message) == (Verdict.INTERRUPTED, "interrupted")
        assert not acts.has_begun()

    def test_that_an_interrupt_during_the_run_ends_it(self, acts: Acts) -> None:
        task = job(*acts.args("hang"))
        runner = acts.runner()
        run = Background(runner, task)
        eventually(acts.has_begun)

        task.interrupt.set(Verdict.CANCELLED)

        outcome = run.outcome()
        assert (outcome.verdict, outcome.message) == (Verdict.CANCELLED, "cancelled")
        assert runner.run(job(*acts.args("succeed"))).ok

    def test_that_an_interrupt_after_the_run_touches_nothing(self, acts: Acts) -> None:
        late = Interrupt()
        runner = acts.runner()
        assert runner.run(job(*acts.args("succeed"), interrupt=late)).ok

        late.set(Verdict.CANCELLED)

        assert runner.run(job(*acts.args("succeed"))).ok


class ShellActs:
    """Does its deeds in a shell."""

    failure = "exit status 3\n\nwhy"

    def __init__(self, make: Make, folder: Path) -> None:
        self._make = make
        self._begun = folder / "begun"

    def runner(self, **keys: Any) -> Runner:
        deeds = f"succeed) ;; fail) echo why >&2; exit 3 ;; hang) touch {self._begun}; sleep 100 ;;"
        return self._make(f'case "$1" in {deeds} esac', **keys)

    def args(self, deed: str) -> tuple[str, ...]:
        return (deed,)

    def has_begun(self) -> bool:
        return self._begun.exists()


class ProcessContract(RunnerContract):
    """Of kinds that start a process for each entry: subclasses provide the fixture `make` instead.

    `make(shell_text, **task_type_keys)` returns a runner that behaves like the piece of shell.
    """

    @pytest.fixture
    def acts(self, make: Make, tmp_path: Path) -> Acts:
        return ShellActs(make, tmp_path)

    def test_that_the_exit_status_is_told(self, make: Make) -> None:
        runner = make("exit $1")

        assert [runner.run(job(status)).exit_code for status in ("0", "3", "255")] == [0, 3, 255]

    def test_that_arguments_arrive_as_they_are(self, make: Make, tmp_path: Path) -> None:
        args = ["1", "two words", "", "é", "-n", "$(id)", "\udcff", "a\nb"]

        outcome = make(f'printf "%s\\0" "$@" > {tmp_path}/args').run(job(*args))

        assert outcome.ok
        assert (tmp_path / "args").read_bytes() == b"".join(
            arg.encode(errors="surrogateescape") + b"\0" for arg in args
        )

    def test_that_nothing_is_left_of_what_was_ended(self, make: Make, tmp_path: Path) -> None:
        timed_out, cancelled = job(timeout_s=0.3), job()

        outcome = make("echo before >&2; sleep 100").run(timed_out)
        run = Background(make(f"touch {tmp_path}/started; sleep 100"), cancelled)
        eventually((tmp_path / "started").exists)
        cancelled.interrupt.set(Verdict.CANCELLED)
        run.outcome()

        assert outcome.message == "timed out after 0.3 s\n\nbefore"
        assert not alive(timed_out.run_id)
        assert not alive(cancelled.run_id)

    def test_that_a_later_wish_shortens_the_grace(self, make: Make, tmp_path: Path) -> None:
        interrupt = Interrupt()
        runner = make(f"trap 'touch {tmp_path}/asked' TERM; touch {tmp_path}/started; while :; do sleep 0.05; done")
        run = Background(runner, job(interrupt=interrupt))
        eventually((tmp_path / "started").exists)
        interrupt.set(Verdict.INTERRUPTED, grace_s=1000)
        eventually((tmp_path / "asked").exists)

        interrupt.set(Verdict.INTERRUPTED, grace_s=0)

        assert run.outcome().verdict is Verdict.INTERRUPTED
