"""`goophry result`: what is known of a task, and waiting for its end."""

import json
import sys
import time
from pathlib import Path

from goophry import exit_codes
from goophry.cli.configuration import path_of, read
from goophry.cli.showing import block, one_json, span
from goophry.events import Event, StoreBack, StoreLost
from goophry.log_lines import escaped
from goophry.outcome import Verdict
from goophry.record import TaskRecord
from goophry.wiring.outside import Outside


class OutageSpeaker:
    """An Observer that tells whoever waits why nothing comes."""

    def notify(self, event: Event) -> None:
        """See `Observer.notify`."""
        if isinstance(event, StoreLost):
            print(f"goophry: Redis is out of reach, trying again: {escaped(event.reason)}", file=sys.stderr)
        elif isinstance(event, StoreBack):
            print("goophry: Redis is back", file=sys.stderr)


def result(
    config: Path | None, entry_id: str, *, wait: bool, within_s: float | None, output: bool, as_json: bool
) -> int:
    """Print what is known of the task; the status is that of `status_of`, FAILED if nothing is known."""
    settings = read(path_of(config))
    with Outside(settings, observers=[OutageSpeaker()]) as outside:
        record = outside.intake.record(entry_id)
        if record is not None and not record.is_final and wait:
            with outside.awaiting(entry_id) as ended:
                # Now that an end would be heard: is it still to come?
                record = outside.intake.record(entry_id)
                if record is not None and not record.is_final:
                    record = ended(within_s) or record
    if record is None:
        print(f"goophry: nothing is known of a task {escaped(entry_id)}", file=sys.stderr)
        return exit_codes.FAILED
    if output:
        _write(record.output)
    else:
        print_result(record, as_json=as_json)
    return status_of(record)


def status_of(record: TaskRecord) -> int:
    """Return OK for a task that succeeded, FAILED for one that did not, NOT_ENDED for any other."""
    if not record.is_final:
        return exit_codes.NOT_ENDED
    return exit_codes.OK if record.outcome == Verdict.SUCCESS else exit_codes.FAILED


def print_result(record: TaskRecord, *, as_json: bool) -> None:
    """Print a record."""
    if as_json:
        print(one_json(json.loads(record.to_json().decode(errors="surrogateescape"))))
    else:
        print(_page(record))


def _page(record: TaskRecord) -> str:
    now = time.time()
    rows = [("Id", escaped(record.id)), ("Type", escaped(record.type)), ("Status", record.status)]
    if record.outcome is not None:
        rows.append(("Outcome", escaped(record.outcome)))
    if record.attempt > 1:
        rows.append(("Attempt", str(record.attempt)))
    for label, moment in (("Enqueued", record.enqueued), ("Due", record.due), ("Started", record.started)):
        if moment is not None:
            ago = now - moment
            rows.append((label, f"{span(ago)} ago" if ago >= 0 else f"in {span(-ago)}"))
    if record.is_final and record.started is not None and record.finished is not None:
        rows.append(("Took", span(record.finished - record.started)))
    for label, text in (("Error", record.error), ("Output", record.output), ("Stderr", record.stderr)):
        if text:
            rows.append((label, block(text.rstrip("\n"))))
    indent = "\n" + 10 * " "
    return "\n".join(f"{label + ':':<9} {text.replace(chr(10), indent)}" for label, text in rows)


def _write(text: str) -> None:
    """Write what a task wrote; to a terminal only what does not command it."""
    if sys.stdout.isatty():
        print(block(text.removesuffix("\n")))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode(errors="surrogateescape"))
