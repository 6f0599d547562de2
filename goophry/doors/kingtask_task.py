"""From what a client of kingtask asks for to a task."""

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from goophry.config_door_types import KINGTASK_RPC, KINGTASK_SCRIPT
from goophry.doors.kingtask_body import TaskBody
from goophry.entry import MAX_SECONDS
from goophry.retry import MAX_DELAY_S, RetryPolicy
from goophry.submission import Submission

#: A limit in seconds that is over as soon as a program has been started.
_AT_ONCE_S: Final = 1e-6

#: From here on the original's limit overflowed.
_NO_LIMIT_FROM: Final = 9_223_372_037

_SECONDS: Final = re.compile("[0-9]+")
_INT64_END: Final = 2**63


def script_task(body: TaskBody, *, task_id: str, bin_path: str, now: float) -> Submission:
    """Return the task that runs a program below `bin_path`; for a name that leads out of it, one that runs nothing."""
    args = body.args.split(" ") if body.args else []
    return _task(KINGTASK_SCRIPT, (_program(body.bin_name, bin_path), *args), body, task_id=task_id, now=now)


def rpc_task(body: TaskBody, *, task_id: str, now: float) -> Submission:
    """Return the task that makes a request."""
    args = (body.method, body.url, body.args) if body.args else (body.method, body.url)
    return _task(KINGTASK_RPC, args, body, task_id=task_id, now=now)


def retries(time_interval: str) -> RetryPolicy:
    """Return the waits that a client lists, up to the first that cannot be one."""
    return RetryPolicy(delays_s=tuple(_waits(time_interval)))


def _task(task_type: str, args: tuple[str, ...], body: TaskBody, *, task_id: str, now: float) -> Submission:
    return Submission(
        task_type,
        args,
        id=task_id,
        at_s=min(float(body.start_time), MAX_SECONDS) if body.start_time > now else None,
        timeout_s=_limit(body.max_run_time),
        retry=retries(body.time_interval),
    )


def _limit(max_run_time: int) -> float | None:
    if max_run_time == 0:
        return None
    if max_run_time < 0:
        return _AT_ONCE_S
    return 0 if max_run_time >= _NO_LIMIT_FROM else float(max_run_time)


def _program(bin_name: str, bin_path: str) -> str:
    # An absolute name is taken below the folder too, so it is joined as text.
    path = posixpath.normpath(f"{bin_path}/{bin_name}")
    inside = path == bin_path or path.startswith(f"{bin_path.rstrip('/')}/")
    return path if inside else ""


def _waits(time_interval: str) -> Iterator[float]:
    for word in time_interval.split(" "):
        if not word:
            continue
        if not _SECONDS.fullmatch(word) or int(word.lstrip("0")[:20] or "0") >= _INT64_END:
            return
        yield float(min(int(word.lstrip("0")[:20] or "0"), MAX_DELAY_S))
