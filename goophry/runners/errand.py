"""What a worker's own thread does over the network for one entry: timed, and every end of it told as an outcome."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from goophry.entry import TaskEntry
from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Job
from goophry.runners.patience import Patience, RunEnded
from goophry.runners.refused import Refused


class Undone(Exception):
    """It was begun and came to nothing; the text says why."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What an entry asks for."""

    about: str
    """With what or whom, for people; every trouble is told with it."""
    carry_out: Callable[[], Outcome]
    """Do it; the outcome needs no duration. Raises `Refused`, `Undone` and `RunEnded`."""


def run_errand(read: Callable[[TaskEntry], Errand], job: Job, patience: Patience, *, timeout_s: float) -> Outcome:
    """Do what `read` makes of the entry, for `timeout_s` at most (0 = no limit); `read` may raise `Refused`."""
    started = time.monotonic()
    about = ""
    try:
        errand = read(job.entry)
        about = errand.about
        with patience.during(job.interrupt, timeout_s=timeout_s):
            patience.left_s()
            outcome = errand.carry_out()
    except Refused as reason:
        return Outcome(Verdict.START_FAILED, str(reason))
    except RunEnded as ended:
        message = str(ended.verdict)
        if ended.verdict is Verdict.TIMEOUT:
            message = f"timed out after {timeout_s:g} s\n\n{about}: {patience.doing}"
        outcome = Outcome(ended.verdict, message)
    except Undone as reason:
        outcome = Outcome(Verdict.FAILED, f"{about}: {reason}")
    return outcome._replace(duration_s=time.monotonic() - started)
