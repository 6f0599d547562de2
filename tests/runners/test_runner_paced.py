"""A rest between two runs of one worker."""

import threading
from pathlib import Path

from fakes import FakeClock, ScriptedRunner

from goophry.config import TaskType
from goophry.entry import TaskEntry
from goophry.outcome import Verdict
from goophry.runners.base import Job
from goophry.runners.build import runner_factory
from goophry.runners.paced import Paced


def test_the_first_run_begins_at_once_and_the_next_after_the_pause() -> None:
    clock = FakeClock()
    inner = ScriptedRunner()
    paced = Paced(inner, pause_s=0.05, monotonic=clock.monotonic)
    paced.run(Job(TaskEntry(), "1"))

    timer = threading.Timer(0.1, clock.forward, [1])
    timer.start()
    outcome = paced.run(Job(TaskEntry(), "2"))
    timer.join()

    assert outcome.ok
    assert len(inner.jobs) == 2
    assert clock.monotonic() == 1001


def test_a_rest_ends_when_the_run_is_interrupted_and_nothing_is_run() -> None:
    inner = ScriptedRunner()
    paced = Paced(inner, pause_s=3600)
    paced.run(Job(TaskEntry(), "1"))
    job = Job(TaskEntry(), "2")

    timer = threading.Timer(0.05, job.interrupt.set, [Verdict.CANCELLED])
    timer.start()

    assert paced.run(job).verdict is Verdict.CANCELLED
    timer.join()
    assert len(inner.jobs) == 1


def test_a_type_with_a_pause_is_paced() -> None:
    made = runner_factory(TaskType(type="a", script=(str(Path("/bin/true")),), pause=1), instance_id="i")()

    assert isinstance(made, Paced)
    made.close()
