"""What follows a run that failed."""

import pytest
from fakes import task_type

from goophry.config import ExitCodes
from goophry.engine.after_failure import DROP, KEEP, Retry, next_step
from goophry.entry import TaskEntry
from goophry.outcome import Outcome, Verdict
from goophry.retry import NEVER, parse

FAILED = Outcome(Verdict.FAILED, exit_code=1)
TEMPFAIL = Outcome(Verdict.FAILED, exit_code=75)
ASKED = Outcome(Verdict.FAILED, exit_code=75, retry_after_s=12.5)
TWICE = parse([10, 20])


def step(outcome: Outcome, *, entry: TaskEntry = TaskEntry(), **fields: object) -> object:  # noqa: B008
    return next_step(task_type(**fields), entry, outcome, random=lambda: 0.999999)


def test_without_a_policy_a_failure_is_final_whatever_its_status() -> None:
    assert step(FAILED) is KEEP
    assert step(TEMPFAIL) is KEEP


@pytest.mark.parametrize(
    "verdict", [Verdict.FAILED, Verdict.SIGNALLED, Verdict.OUTPUT, Verdict.TIMEOUT, Verdict.START_FAILED]
)
def test_with_a_policy_every_kind_of_failure_is_tried_again(verdict: Verdict) -> None:
    assert step(Outcome(verdict), retry=TWICE) == Retry(10)


@pytest.mark.parametrize("verdict", [Verdict.INVALID, Verdict.LOST, Verdict.CANCELLED])
def test_what_cannot_end_otherwise_is_not_tried_again(verdict: Verdict) -> None:
    assert step(Outcome(verdict), retry=TWICE) is KEEP


def test_the_attempt_decides_on_the_delay() -> None:
    assert step(FAILED, entry=TaskEntry(attempt=2), retry=TWICE) == Retry(20)
    assert step(FAILED, entry=TaskEntry(attempt=3), retry=TWICE) is KEEP


def test_the_entry_overrides_the_type() -> None:
    assert step(FAILED, entry=TaskEntry(retry=parse([1])), retry=TWICE) == Retry(1)
    assert step(FAILED, entry=TaskEntry(retry=parse([1]))) == Retry(1)
    assert step(ASKED, entry=TaskEntry(retry=NEVER), retry=TWICE) is KEEP


def test_exit_codes_say_drop_and_dead() -> None:
    codes = ExitCodes(drop=(4,), dead=(5,))

    assert step(Outcome(Verdict.FAILED, exit_code=4), exit_codes=codes, retry=TWICE) is DROP
    assert step(Outcome(Verdict.FAILED, exit_code=5), exit_codes=codes, retry=TWICE) is KEEP


def test_a_status_of_configured_retry_codes_needs_no_policy() -> None:
    codes = ExitCodes(retry=(75, 111))

    assert step(Outcome(Verdict.FAILED, exit_code=111), exit_codes=codes) == Retry(pytest.approx(60, rel=0.01))
    assert step(FAILED, exit_codes=codes) is KEEP
    assert step(Outcome(Verdict.FAILED, exit_code=111), exit_codes=codes, entry=TaskEntry(attempt=11)) is KEEP


def test_a_run_may_say_after_how_many_seconds() -> None:
    assert step(ASKED) == Retry(12.5)
    assert step(ASKED, retry=TWICE) == Retry(12.5)
    assert step(ASKED, retry=TWICE, entry=TaskEntry(attempt=3)) is KEEP


def test_the_seconds_of_a_run_whose_status_does_not_ask_do_not_count() -> None:
    assert step(Outcome(Verdict.FAILED, exit_code=1, retry_after_s=1), retry=TWICE) == Retry(10)


def test_only_types_that_retry_are_asked_for_seconds() -> None:
    assert not task_type().hears_when_to_retry
    assert task_type(retry=TWICE).hears_when_to_retry
    assert task_type(exit_codes=ExitCodes()).hears_when_to_retry
