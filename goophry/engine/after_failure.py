"""What is to follow a run that failed: another try, the failed list, or nothing. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from goophry.config import TaskType
from goophry.entry import TaskEntry
from goophry.outcome import Outcome, Verdict
from goophry.retry import ON_REQUEST, RetryPolicy


@dataclass(frozen=True, slots=True)
class Retry:
    """The task is tried again after `delay_s` seconds; nobody is told yet."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Keep:
    """It failed for good: failed list, ErrorScript."""


@dataclass(frozen=True, slots=True)
class Drop:
    """It failed for good, and its exit status says that nobody is to hear of it."""


KEEP: Final = Keep()
DROP: Final = Drop()

#: Another run would end in the same way, or nobody wants one.
_FINAL: Final = (Verdict.INVALID, Verdict.LOST, Verdict.CANCELLED)


def next_step(
    task_type: TaskType, entry: TaskEntry, outcome: Outcome, *, random: Callable[[], float]
) -> Retry | Keep | Drop:
    """Return what follows the run of `entry` that ended with the failure `outcome`.

    Its exit status is asked first, then the entry's Retry, then the type's. A run that asks to be
    tried again is, ten times, also where there is no Retry: when its status stands in a list of
    ExitCodes that was configured, or when it said after how many seconds.
    """
    codes, status = task_type.exit_codes, outcome.exit_code
    if status is not None and status in codes.drop:
        return DROP
    if outcome.verdict in _FINAL or (status is not None and status in codes.dead):
        return KEEP
    policy = task_type.retry if entry.retry is None else entry.retry
    asks = status is not None and status in codes.retry
    if asks and not policy.tries and entry.retry is None and _is_honoured(task_type, outcome):
        policy = ON_REQUEST
    delay_s = _delay_s(policy, entry, outcome if asks else None, random=random)
    return KEEP if delay_s is None else Retry(delay_s)


def _is_honoured(task_type: TaskType, outcome: Outcome) -> bool:
    return "retry" in task_type.exit_codes.model_fields_set or outcome.retry_after_s is not None


def _delay_s(
    policy: RetryPolicy, entry: TaskEntry, asked: Outcome | None, *, random: Callable[[], float]
) -> float | None:
    delay_s = policy.delay_s(entry.attempt, random)
    if delay_s is None or asked is None or asked.retry_after_s is None:
        return delay_s
    return asked.retry_after_s
