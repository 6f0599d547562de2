"""How a task that has ended looks to a client of kingtask: success or not, and a message."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from goophry.config_door_types import KINGTASK_RPC
from goophry.outcome import Captured, Outcome, Verdict

#: The first line of an ErrorMessage that tells of an answer which is no success; its body is the message then.
_STATUS: Final = re.compile(r"status [0-9]{3}(\n|$)")

_NOT_MADE: Final = "stopped after 9 redirects"
_NOT_MADE_HERE: Final = "stopped after 10 redirects"


@dataclass(frozen=True, slots=True)
class Result:
    """What is kept of a task."""

    success: bool
    message: bytes

    def to_bytes(self) -> bytes:
        """Return the form that `from_bytes` reads."""
        return (b"1" if self.success else b"0") + self.message

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Result":
        """Read what was kept."""
        return cls(raw[:1] == b"1", raw[1:])


def result_of(task_type: str, args: Sequence[str], outcome: Outcome, *, is_missing: Callable[[str], bool]) -> Result:
    """Return what a client is told; `is_missing` says whether there is nothing at a path."""
    if outcome.verdict in {Verdict.CANCELLED, Verdict.LOST, Verdict.INVALID}:
        return Result(success=False, message=outcome.message.encode(errors="replace"))
    if task_type == KINGTASK_RPC:
        return _of_request(args, outcome)
    return _of_program(args, outcome, is_missing)


def _of_program(args: Sequence[str], outcome: Outcome, is_missing: Callable[[str], bool]) -> Result:
    if outcome.verdict is Verdict.START_FAILED:
        return _failure("file not exist" if not args or is_missing(args[0]) else "exec: not started")
    if outcome.verdict is Verdict.TIMEOUT:
        return _failure("exec time out")
    if outcome.exit_code != 0:
        return _failure(outcome.message.partition("\n")[0])
    if outcome.stderr:
        return Result(success=False, message=_bytes(outcome.stderr).rstrip(b"\n"))
    return Result(success=True, message=_bytes(outcome.stdout).rstrip(b"\n"))


def _of_request(args: Sequence[str], outcome: Outcome) -> Result:
    if outcome.ok or _STATUS.match(outcome.message):
        return Result(success=outcome.ok, message=_bytes(outcome.stdout))
    method, url = args[:2]
    reason = outcome.message.replace(_NOT_MADE, _NOT_MADE_HERE)
    if outcome.verdict is Verdict.TIMEOUT:
        doing = "while reading body" if "reading the answer" in reason else "exceeded while awaiting headers"
        reason = f"net/http: request canceled (Client.Timeout {doing})"
    return _failure(f'{method.capitalize()} "{url}": {reason}')


def _failure(message: str) -> Result:
    return Result(success=False, message=message.encode(errors="replace"))


def _bytes(stream: Captured) -> bytes:
    if not stream.dropped:
        return stream.head + stream.tail
    return b"%b\n[... %d bytes dropped ...]\n%b" % (stream.head, stream.dropped, stream.tail)
