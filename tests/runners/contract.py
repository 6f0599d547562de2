"""What every runner must do, whatever it runs: one suite, run over each of them.

A subclass says how a runner is made that behaves like a piece of shell.
"""

import threading
import uuid
from collections.abc import Callable
from typing import Any

from conftest import eventually
from processes import alive

from goophry.entry import TaskEntry
from goophry.outcome import Verdict
from goophry.runners.base import Interrupt, Job, Runner

Make = Callable[..., Runner]


def job(*args: str, run_id: str = "", interrupt: Interrupt | None = None, **fields: Any) -> Job:
    """Make a job; its run id is unique as in the engine: a forced end looks for it in the whole machine."""
    return Job(TaskEntry(args, **fields), run_id or uuid.uuid4().hex, interrupt=interrupt or Interrupt())


class RunnerContract:
    """Subclasses provide the fixture `make`: `make(shell_text, **task_type_keys)` returns a runner."""

    def test_that_exit_status_0_and_silence_is_success(self, make: Make) -> None:
        outcome = make("exit 0").run(job())

        assert (outcome.verdict, outcome.message, outcome.exit_code) == (Verdict.SUCCESS, "", 0)
        assert outcome.duration_s > 0

    def test_that_a_failure_is_an_outcome_with_its_reason(self, make: Make) -> None:
        outcome = make("echo why >&2; exit 3").run(job())

        assert (outcome.verdict, outcome.message, outcome.exit_code) == (
            Verdict.FAILED,
            "exit status 3\n\nwhy",
            3,
        )

    def test_that_one_runner_runs_many_entries(self, make: Make) -> None:
        runner = make('test "$1" != bad')

        verdicts = [runner.run(job(arg)).verdict for arg in ("a", "bad", "b")]

        assert verdicts == [Verdict.SUCCESS, Verdict.FAILED, Verdict.SUCCESS]

    def test_that_arguments_arrive_as_they_are(self, make: Make, tmp_path: Any) -> None:
        args = ["1", "two words", "", "é", "-n", "$(id)", "\udcff", "a\nb"]

        outcome = make(f'printf "%s\\0" "$@" > {tmp_path}/args').run(job(*args))

        assert outcome.ok
        assert (tmp_path / "args").read_bytes() == b"".join(
            arg.encode(errors="surrogateescape") + b"\0" for arg in args
        )

    def test_that_the_run_ends_at_its_timeout(self, make: Make) -> None:
        task = job()

        outcome = make("echo before >&2; sleep 100", Timeout=0.3).run(task)

        assert (outcome.verdict, outcome.message) == (Verdict.TIMEOUT, "timed out after 0.3 s\n\nbefore")
        assert not alive(task.run_id)

    def test_that_an_entry_overrides_the_timeout(self, make: Make) -> None:
        assert make("sleep 100", Timeout=100).run(job(timeout_s=0.2)).verdict is Verdict.TIMEOUT
        assert make("sleep 0.4", Timeout=0.1).run(job(timeout_s=0.0)).ok

    def test_that_an_interrupt_before_the_run_prevents_it(self, make: Make, tmp_path: Any) -> None:
        interrupt = Interrupt()
        interrupt.set(Verdict.INTERRUPTED)

        outcome = make(f"touch {tmp_path}/ran").run(job(interrupt=interrupt))

        assert (outcome.verdict, outcome.message) == (Verdict.INTERRUPTED, "interrupted")
        assert not (tmp_path / "ran").exists()

    def test_that_an_interrupt_during_the_run_ends_it(self, make: Make, tmp_path: Any) -> None:
        task = job()
        runner = make(f"touch {tmp_path}/started; sleep 100")
        outcomes = []
        worker = threading.Thread(target=lambda: outcomes.append(runner.run(task)))
        worker.start()
        eventually((tmp_path / "started").exists)

        task.interrupt.set(Verdict.CANCELLED)
        worker.join(20)

        assert [(outcome.verdict, outcome.message) for outcome in outcomes] == [(Verdict.CANCELLED, "cancelled")]
        assert not alive(task.run_id)

    def test_that_an_interrupt_after_the_run_touches_nothing(self, make: Make) -> None:
        late = Interrupt()
        runner = make("exit 0")
        assert runner.run(job(interrupt=late)).ok

        late.set(Verdict.CANCELLED)

        assert runner.run(job()).ok

    def test_that_a_later_wish_shortens_the_grace(self, make: Make, tmp_path: Any) -> None:
        interrupt = Interrupt()
        runner = make(f"trap 'touch {tmp_path}/asked' TERM; touch {tmp_path}/started; while :; do sleep 0.05; done")
        outcomes = []
        worker = threading.Thread(target=lambda: outcomes.append(runner.run(job(interrupt=interrupt))))
        worker.start()
        eventually((tmp_path / "started").exists)
        interrupt.set(Verdict.INTERRUPTED, grace_s=1000)
        eventually((tmp_path / "asked").exists)

        interrupt.set(Verdict.INTERRUPTED, grace_s=0)
        worker.join(20)

        assert [outcome.verdict for outcome in outcomes] == [Verdict.INTERRUPTED]
