"""A script that says after how many seconds it wants to be tried again, and exit statuses that mean success."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import task_type

from goophry.config import ExitCodes
from goophry.entry import TaskEntry
from goophry.outcome import Outcome, Verdict
from goophry.retry import parse
from goophry.runners.base import Job
from goophry.runners.build import runner_factory

Write = Callable[..., Path]


def runs(path: Path, *, times: int = 1, **fields: object) -> list[Outcome]:
    runner = runner_factory(task_type(script=(str(path),), **fields), instance_id="here")()
    try:
        return [runner.run(Job(TaskEntry((str(number),)), f"run-{number}")) for number in range(times)]
    finally:
        runner.close()


@pytest.mark.parametrize("ways", [{}, {"umask": "022"}], ids=["spawned", "plain"])
def test_the_seconds_that_a_run_wrote_come_with_its_outcome(script: Write, ways: dict[str, object]) -> None:
    path = script('echo 12.5 >&"$GOOPHRY_RETRY_AFTER_FD"; exit 75')

    (outcome,) = runs(path, retry=parse([60]), **ways)

    assert (outcome.verdict, outcome.exit_code, outcome.retry_after_s) == (Verdict.FAILED, 75, 12.5)
    assert not outcome.stdout


def test_what_one_run_wrote_does_not_count_for_the_next(script: Write) -> None:
    path = script('[ "$1" = 1 ] || echo 100 >&"$GOOPHRY_RETRY_AFTER_FD"; exit 75')

    outcomes = runs(path, times=3, retry=parse([60]))

    assert [outcome.retry_after_s for outcome in outcomes] == [100, None, 100]


def test_only_the_statuses_that_ask_for_it_are_heard(script: Write) -> None:
    path = script('echo 5 >&"$GOOPHRY_RETRY_AFTER_FD"; exit $((75 + $1))')

    outcomes = runs(path, times=2, exit_codes=ExitCodes(retry=(76,)))

    assert [outcome.retry_after_s for outcome in outcomes] == [None, 5]


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf", "1e12", "1" * 100, "5 minutes", "\\0"])
def test_what_is_no_number_of_seconds_does_not_count(script: Write, text: str) -> None:
    path = script(f"printf '{text}' >&\"$GOOPHRY_RETRY_AFTER_FD\"; exit 75")

    (outcome,) = runs(path, retry=parse([60]))

    assert outcome.retry_after_s is None


def test_a_type_without_retries_has_no_further_descriptor(script: Write) -> None:
    path = script('[ -z "$GOOPHRY_RETRY_AFTER_FD" ] && [ ! -e /proc/self/fd/3 ]')

    (outcome,) = runs(path)

    assert outcome.ok, outcome.message


def test_the_further_descriptor_is_the_only_one(script: Write) -> None:
    path = script("ls /proc/self/fd > /dev/fd/2; exit 1")
    leak = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leak, True)

    (outcome,) = runs(path, retry=parse([60]))

    os.close(leak)
    # ls has its folder open besides.
    assert outcome.stderr.text().split()[:4] == ["0", "1", "2", "3"]
    assert len(outcome.stderr.text().split()) == 5


def test_exit_statuses_may_mean_success(script: Write) -> None:
    outcomes = runs(script('exit "$1"'), times=3, exit_codes=ExitCodes(success=(0, 2)))

    assert [outcome.verdict for outcome in outcomes] == [Verdict.SUCCESS, Verdict.FAILED, Verdict.SUCCESS]
    assert outcomes[2].exit_code == 2


def test_zero_may_mean_failure(script: Write) -> None:
    (outcome,) = runs(script("exit 0"), exit_codes=ExitCodes(success=(1,)))

    assert (outcome.verdict, outcome.message) == (Verdict.FAILED, "exit status 0")
