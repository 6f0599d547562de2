"""From how a process ended to what is told about it; the sentences are the original's."""

import errno
import os
import signal
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from goophry.outcome import Captured, Outcome, Verdict
from goophry.runners.execution import End

#: How much of stderr, else stdout, goes into the message of a failed run.
TAIL_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Rules:
    """When the end of a program is a success, beside its exit status."""

    fail_on_output: bool = False
    fail_on_stderr: bool = False
    success: Collection[int] = (0,)
    """The exit statuses that mean success."""


def outcome_of(end: End, *, timeout_s: float, rules: Rules) -> Outcome:
    """Return what the end of a run means."""
    forced = end.forced_by is not None
    done = not forced and os.WIFEXITED(end.status) and os.WEXITSTATUS(end.status) in rules.success
    if done and not ((end.stdout and rules.fail_on_output) or (end.stderr and rules.fail_on_stderr)):
        code = os.WEXITSTATUS(end.status)
        return Outcome(Verdict.SUCCESS, "", end.duration_s, code, None, end.stdout, end.stderr)
    verdict, message = _judged(end, timeout_s=timeout_s, rules=rules)
    return Outcome(
        verdict=verdict,
        message=message,
        duration_s=end.duration_s,
        exit_code=os.WEXITSTATUS(end.status) if not forced and os.WIFEXITED(end.status) else None,
        signal=os.WTERMSIG(end.status) if not forced and os.WIFSIGNALED(end.status) else None,
        stdout=end.stdout,
        stderr=end.stderr,
    )


def start_failed(path: str, error: OSError, *, work_dir: Path | None = None) -> Outcome:
    """Return the outcome of a run whose process could not be started."""
    if work_dir is not None and not work_dir.is_dir():
        problem = "not a directory" if work_dir.exists() else "no such file or directory"
        return Outcome(Verdict.START_FAILED, f"chdir {work_dir}: {problem}")
    if error.errno is None:
        return Outcome(Verdict.START_FAILED, f"fork/exec {path}: {error}")
    reason = os.strerror(error.errno)
    if error.errno == errno.ENOENT and Path(path).exists():
        reason += " (its interpreter, or its loader)"
    return Outcome(Verdict.START_FAILED, f"fork/exec {path}: {reason[:1].lower()}{reason[1:]}")


def _judged(end: End, *, timeout_s: float, rules: Rules) -> tuple[Verdict, str]:
    if end.forced_by is Verdict.TIMEOUT:
        return Verdict.TIMEOUT, _with_tail(f"timed out after {timeout_s:g} s", end)
    if end.forced_by is not None:
        return end.forced_by, str(end.forced_by)
    if os.WIFSIGNALED(end.status):
        return Verdict.SIGNALLED, _with_tail(_signal_line(end.status), end)
    if os.WEXITSTATUS(end.status) not in rules.success:
        return Verdict.FAILED, _with_tail(f"exit status {os.WEXITSTATUS(end.status)}", end)
    if end.stdout and rules.fail_on_output:
        return Verdict.OUTPUT, end.stdout.text()
    return Verdict.FAILED, _with_tail("wrote to stderr", end)


def _signal_line(status: int) -> str:
    number = os.WTERMSIG(status)
    name = (signal.strsignal(number) or f"signal {number}").lower()
    return f"signal: {name}{' (core dumped)' if os.WCOREDUMP(status) else ''}"


def _with_tail(line: str, end: End) -> str:
    tail = _tail(end.stderr) or _tail(end.stdout)
    return f"{line}\n\n{tail}" if tail else line


def _tail(stream: Captured) -> str:
    return stream.last(TAIL_BYTES).rstrip("\r\n") if stream else ""
