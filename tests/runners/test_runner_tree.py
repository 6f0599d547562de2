"""After a forced end no process of the run is left, whatever it tried; after a normal end all are left alone."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import eventually
from contract import Make, job
from processes import alive, is_running

from goophry.outcome import Verdict

_IGNORE = "trap '' TERM HUP INT;"

pytest_plugins = ["shell_runners"]


def test_that_a_grandchild_that_holds_stdout_delays_nothing(make: Make, left_over: Callable[[str], list[int]]) -> None:
    task = job()

    outcome = make("sleep 300 &\necho here", FailOnOutput=False).run(task)

    assert (outcome.verdict, outcome.stdout.text()) == (Verdict.SUCCESS, "here\n")
    assert outcome.duration_s < 30
    assert len(left_over(task.run_id)) == 1


def test_that_a_grandchild_that_writes_for_ever_delays_nothing(
    make: Make, left_over: Callable[[str], list[int]]
) -> None:
    task = job()

    outcome = make("yes &\nsleep 0.1\nexit 4").run(task)

    assert outcome.exit_code == 4
    left_over(task.run_id)


@pytest.mark.parametrize(
    "body",
    [
        f"{_IGNORE} sleep 300",
        f"{_IGNORE} (sleep 300 &) ; sleep 300",
        f"{_IGNORE} setsid sh -c '{_IGNORE.replace(chr(39), chr(34))} (sleep 300 &); sleep 300' & sleep 300",
        "(setsid setsid sleep 300 &); sleep 300",
        "kill -STOP $$",
        "sleep 300 & kill -STOP $!; wait",
        f"{_IGNORE} yes",
        "trap 'exit 0' TERM; (trap '' TERM; while :; do sleep 1; done) & while :; do sleep 0.05; done",
    ],
    ids=[
        "ignores TERM",
        "double fork",
        "double fork in another session",
        "daemon",
        "stopped",
        "stopped child",
        "writes on",
        "leader obeys, child does not",
    ],
)
def test_that_the_whole_tree_is_gone_after_a_timeout(make: Make, body: str, tmp_path: Path) -> None:
    task = job()
    started = time.monotonic()

    outcome = make(body, Timeout=0.3, KillGrace=0.4).run(task)

    assert outcome.verdict is Verdict.TIMEOUT
    assert alive(task.run_id) == []
    assert time.monotonic() - started < 10


def test_that_a_child_without_environment_in_another_session_is_gone_too(make: Make, tmp_path: Path) -> None:
    daemon = f"setsid env -i sh -c 'echo $$ > {tmp_path}/pid; exec sleep 300' & sleep 300"

    outcome = make(daemon, Timeout=0.5, KillGrace=0.2).run(job())

    assert outcome.verdict is Verdict.TIMEOUT
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_that_a_fork_storm_is_ended(make: Make) -> None:
    task = job()
    storm = "trap '' TERM; n=0; while [ $n -lt 40 ]; do setsid sh -c 'while :; do (sleep 0.02); done' & n=$((n+1)); done; wait"

    outcome = make(storm, Timeout=0.3, KillGrace=0.2).run(task)

    assert outcome.verdict is Verdict.TIMEOUT
    assert alive(task.run_id) == []


def test_that_a_script_may_tidy_up_when_asked_to_end(make: Make, tmp_path: Path) -> None:
    body = f"trap 'touch {tmp_path}/tidy; exit 0' TERM; while :; do sleep 0.02; done"

    outcome = make(body, Timeout=0.3, KillGrace=60).run(job())

    assert outcome.verdict is Verdict.TIMEOUT
    assert outcome.duration_s < 30
    assert (tmp_path / "tidy").exists()


def test_that_other_runs_are_spared(make: Make, left_over: Callable[[str], list[int]], tmp_path: Path) -> None:
    task = job()
    assert make(f"sleep 300 & echo $! > {tmp_path}/pid").run(task).ok
    pid = int((tmp_path / "pid").read_text())
    eventually(lambda: left_over(task.run_id))

    make("sleep 300", Timeout=0.1, KillGrace=0.1).run(job())

    assert is_running(pid)
    os.kill(pid, 0)
