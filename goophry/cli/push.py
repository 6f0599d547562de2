"""`goophry push`: tasks given on the command line or line by line, taken in as every other of goophry's own."""

import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

from goophry import exit_codes
from goophry.cli.configuration import path_of, read
from goophry.cli.progress import progress
from goophry.cli.push_lines import Line, submission_of
from goophry.cli.result import OutageSpeaker, print_result, status_of
from goophry.cli.showing import one_json
from goophry.cli.which_types import fleet
from goophry.config import Settings
from goophry.engine.intake import Intake
from goophry.errors import UnreadableEntry
from goophry.log_lines import escaped
from goophry.submission import Accepted, Duplicate, InvalidSubmission, Reception, Submission
from goophry.wiring.outside import Outside

#: Lines that are read and taken in at once.
BATCH: Final = 500

#: Of the lines that were refused, how many are told of one by one.
TOLD: Final = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """What the flags say, for one task or for all of many."""

    id: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    delay_s: float | None = None
    at_s: float | None = None

    def of(self, submission: Submission) -> Submission:
        """Return the submission as the flags say, where it does not say itself."""
        says_when = submission.delay_s is not None or submission.at_s is not None
        return replace(
            submission,
            id=submission.id or self.id,
            env={**self.env, **submission.env},
            timeout_s=self.timeout_s if submission.timeout_s is None else submission.timeout_s,
            delay_s=submission.delay_s if says_when else self.delay_s,
            at_s=submission.at_s if says_when else self.at_s,
        )


def push(
    config: Path | None,
    task_type: str,
    args: Sequence[str],
    *,
    asked: Asked,
    wait: bool,
    within_s: float | None,
    as_json: bool,
) -> int:
    """Take one task in and print its Id; with `wait`, what became of it. Raises `ConfigError` and `StoreError`."""
    settings = read(path_of(config))
    if not _is_configured(settings, task_type):
        return exit_codes.FAILED
    submission = asked.of(Submission(task_type, tuple(args)))
    with Outside(settings, observers=[OutageSpeaker()]) as outside:
        if not wait:
            accepted = _accepted(outside.intake, submission)
            if accepted is None:
                return exit_codes.FAILED
            print(one_json({"Id": accepted.id, "Due": accepted.due_s}) if as_json else escaped(accepted.id))
            return exit_codes.OK
        return _push_and_wait(outside, settings, submission, within_s=within_s, as_json=as_json)


def push_lines(config: Path | None, task_type: str, lines: Iterable[bytes], *, asked: Asked) -> int:
    """Take in a task for each line, in their order, and print how many; FAILED if one was refused."""
    settings = read(path_of(config))
    if not _is_configured(settings, task_type):
        return exit_codes.FAILED
    pushed, refusals = 0, _Refusals()
    with Outside(settings) as outside, progress(None, escaped(task_type)) as advance:
        numbered = enumerate(lines, start=1)
        while batch := [Line(number, raw) for number, raw in islice(numbered, BATCH)]:
            read_ones = list(_readable(batch, task_type, asked, refusals))
            receptions = outside.intake.submit_many([submission for _, submission in read_ones])
            for (line, _), reception in zip(read_ones, receptions, strict=True):
                if isinstance(reception, Accepted):
                    pushed += 1
                else:
                    refusals.add(line, _why(reception))
            advance(len(batch))
    refusals.tell_rest()
    print(f"{escaped(settings.redis_queue_key)}:{escaped(task_type)}: {pushed} pushed, {refusals.count} refused")
    return exit_codes.FAILED if refusals.count or not pushed else exit_codes.OK


class _Refusals:
    """Tells of the first lines that were refused, and counts the others."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, line: Line, why: str) -> None:
        self.count += 1
        if self.count <= TOLD:
            print(f"goophry: line {line.number}: {escaped(why)}", file=sys.stderr)

    def tell_rest(self) -> None:
        if self.count > TOLD:
            print(f"goophry: and {self.count - TOLD} more lines", file=sys.stderr)


def _readable(
    batch: Sequence[Line], task_type: str, asked: Asked, refusals: _Refusals
) -> Iterator[tuple[Line, Submission]]:
    for line in batch:
        if line.is_empty:
            continue
        try:
            yield line, asked.of(submission_of(line, task_type))
        except UnreadableEntry as error:
            refusals.add(line, str(error))


def _push_and_wait(
    outside: Outside,
    settings: Settings,
    submission: Submission,
    *,
    within_s: float | None,
    as_json: bool,
) -> int:
    # Known beforehand, so that the wait begins before the task can end.
    submission = replace(submission, id=submission.id or secrets.token_hex(12))
    with outside.awaiting(str(submission.id)) as wait:
        accepted = _accepted(outside.intake, submission)
        if accepted is None:
            return exit_codes.FAILED
        if sys.stderr.isatty():
            print(f"goophry: waiting for {escaped(accepted.id)}", file=sys.stderr)
        if not any(submission.type in each.types for each in fleet(outside.links, settings).instances()):
            print(f"goophry: no instance serves {escaped(submission.type)} now", file=sys.stderr)
        record = wait(within_s)
    if record is None:
        print(f"goophry: {escaped(accepted.id)} has not ended within {within_s:g} s", file=sys.stderr)
        return exit_codes.NOT_ENDED
    print_result(record, as_json=as_json)
    return status_of(record)


def _accepted(intake: Intake, submission: Submission) -> Accepted | None:
    """Submit; None, and a line on stderr, if the task was not taken in."""
    try:
        reception: Reception | InvalidSubmission | None = intake.submit(submission)
    except InvalidSubmission as error:
        reception = error
    if isinstance(reception, Accepted):
        return reception
    print(f"goophry: not pushed: {escaped(_why(reception), limit=1000)}", file=sys.stderr)
    return None


def _why(reception: Reception | InvalidSubmission | None) -> str:
    if isinstance(reception, Duplicate):
        same = "Id" if reception.why == "id" else "arguments"
        return f"a task of the same {same} is there, or its result is: {reception.id}"
    return str(reception)


def _is_configured(settings: Settings, task_type: str) -> bool:
    types = [task.type for task in settings.tasks]
    if task_type in types:
        return True
    there = ", ".join(map(escaped, types))
    print(f"goophry: {escaped(task_type)!r} is no configured type; there are: {there}", file=sys.stderr)
    return False
