"""What the log says about each event: a constant message and fields for programs, a text for people.

Arguments are told, the environment of an entry never is: that is where secrets belong.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from goophry.events import (
    BrokerBack,
    BrokerLost,
    ClockDiffers,
    EntriesRecovered,
    EntryUnreadable,
    ErrorScriptFinished,
    HelperRepaired,
    OwnershipLost,
    ScheduleFired,
    ScheduleSkipped,
    StoreBack,
    StoreChanged,
    StoreLost,
    TaskDeferred,
    TaskFinished,
    TaskPopped,
    TaskRefused,
    TasksTaken,
    TaskStarted,
    TypeChanged,
)
from goophry.log_lines import LogLine, escaped, first_line, quoted, shortened
from goophry.outcome import Outcome, Verdict

_ENDS: Final = {
    Verdict.SUCCESS: "done in",
    Verdict.TIMEOUT: "timed out after",
    Verdict.CANCELLED: "cancelled after",
    Verdict.INTERRUPTED: "interrupted after",
}

_WHY_SKIPPED: Final = {
    "overlap": "the one before is still there",
    "unique": "a task with the same arguments is there",
    "missed": "missed for longer than CatchUp, as are those that followed it",
    "invalid": "it would be no task: ",
}


def descriptions(*, verbose: bool) -> Mapping[type, Callable[[Any], LogLine]]:
    """Return the function that describes each event which has a line; more of them when `verbose`."""
    # StoreFailed has none: an outage is told when it begins and when it ends.
    told: dict[type, Callable[[Any], LogLine]] = {
        TaskFinished: _finished,
        TaskRefused: _refused,
        ScheduleSkipped: _skipped,
        EntryUnreadable: _unreadable,
        EntriesRecovered: _recovered,
        OwnershipLost: _ownership_lost,
        TasksTaken: _tasks_taken,
        HelperRepaired: _repaired,
        StoreLost: _store_lost,
        StoreBack: _store_back,
        StoreChanged: _store_changed,
        ClockDiffers: _clock_differs,
        BrokerLost: _broker_lost,
        BrokerBack: _broker_back,
        TypeChanged: _type_changed,
        ErrorScriptFinished: _error_script,
    }
    return (
        told | {TaskPopped: _popped, TaskStarted: _started, TaskDeferred: _deferred, ScheduleFired: _fired}
        if verbose
        else told
    )


def _finished(event: TaskFinished) -> LogLine:
    outcome = event.outcome
    verdict = outcome.verdict
    ok = verdict is Verdict.SUCCESS or verdict is Verdict.INTERRUPTED
    text = f"{_ENDS.get(verdict, 'failed after')} {_duration(outcome.duration_s)}"
    fields: dict[str, Any] = {
        "type": event.type,
        "run": event.run_id,
        "args": shortened(event.args),
        "outcome": verdict,
        "duration_s": round(outcome.duration_s, 6),
    }
    if not ok:
        text += _why(outcome, fields)
    if not event.final:
        fields["final"] = False
        text += _what_then(event, fields)
    if event.args:
        text += f"  args={quoted(event.args)}"
    if event.entry_id is not None:
        fields["id"] = event.entry_id
        text += f"  id={escaped(event.entry_id)}"
    return LogLine(logging.INFO if ok else logging.WARNING, "task.finished", event.type, "task finished", text, fields)


def _what_then(event: TaskFinished, fields: dict[str, Any]) -> str:
    if event.retry_in_s is None:
        return ", goes back to the queue"
    fields["retry_in_s"] = round(event.retry_in_s, 3)
    return f", tried again in {event.retry_in_s:.4g} s"


def _deferred(event: TaskDeferred) -> LogLine:
    fields: dict[str, Any] = {"type": event.type, "due_s": round(event.due_s, 3)}
    text = f"put off until {datetime.fromtimestamp(event.due_s, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if event.entry_id is not None:
        fields["id"] = event.entry_id
        text += f"  id={escaped(event.entry_id)}"
    return LogLine(logging.DEBUG, "task.deferred", event.type, "task put off", text, fields)


def _refused(event: TaskRefused) -> LogLine:
    fields = {"type": event.type, "why": event.why}
    text = f"a submission was refused: {'its Id is taken' if event.why == 'id' else 'its like is there already'}"
    return LogLine(logging.INFO, "task.refused", event.type, "submission refused", text, fields)


def _fired(event: ScheduleFired) -> LogLine:
    fields = {
        "schedule": event.schedule,
        "type": event.type,
        "id": event.entry_id,
        "late_s": round(event.late_s, 3),
    }
    text = f"the schedule {escaped(event.schedule)} fired, {_duration(event.late_s)} late  id={escaped(event.entry_id)}"
    return LogLine(logging.DEBUG, "schedule.fired", event.type, "schedule fired", text, fields)


def _skipped(event: ScheduleSkipped) -> LogLine:
    fields: dict[str, Any] = {
        "schedule": event.schedule,
        "type": event.type,
        "moment_s": event.moment_s,
        "why": event.why,
    }
    if event.reason:
        fields["reason"] = event.reason
    moment = f"{datetime.fromtimestamp(event.moment_s, UTC):%Y-%m-%d %H:%M:%S} UTC"
    text = f"the schedule {escaped(event.schedule)} left out its run of {moment}: {_WHY_SKIPPED[event.why]}"
    level = logging.INFO if event.why in {"overlap", "unique"} else logging.WARNING
    text += f"{escaped(event.reason)}"
    return LogLine(level, "schedule.skipped", event.type, "schedule skipped", text, fields)


def _why(outcome: Outcome, fields: dict[str, Any]) -> str:
    fields["error"] = error = first_line(outcome.message)
    if outcome.exit_code is not None:
        fields["exit_code"] = outcome.exit_code
    if outcome.signal is not None:
        fields["signal"] = outcome.signal
    return f": wrote to stdout: {error}" if outcome.verdict is Verdict.OUTPUT else f": {error}"


def _popped(event: TaskPopped) -> LogLine:
    # Not the text of the entry: its Env may hold secrets.
    fields = {"type": event.type, "bytes": len(event.raw)}
    return LogLine(
        logging.DEBUG, "task.popped", event.type, "entry popped", f"popped an entry of {len(event.raw)} bytes", fields
    )


def _started(event: TaskStarted) -> LogLine:
    fields: dict[str, Any] = {
        "type": event.type,
        "run": event.run_id,
        "args": shortened(event.args),
        "attempt": event.attempt,
        "recovered": event.recovered,
    }
    text = "started"
    if event.args:
        text += f"  args={quoted(event.args)}"
    if event.entry_id is not None:
        fields["id"] = event.entry_id
        text += f"  id={escaped(event.entry_id)}"
    if event.attempt > 1:
        text += f"  attempt={event.attempt}"
    if event.recovered:
        text += f"  recovered={event.recovered}"
    return LogLine(logging.DEBUG, "task.started", event.type, "task started", text, fields)


def _unreadable(event: EntryUnreadable) -> LogLine:
    fields = {"type": event.type, "reason": event.reason, "bytes": len(event.raw)}
    text = f"unreadable entry, kept in the failed list: {escaped(event.reason)}"
    return LogLine(logging.WARNING, "entry.unreadable", event.type, "unreadable entry", text, fields)


def _recovered(event: EntriesRecovered) -> LogLine:
    fields = {"type": event.type, "owner": event.owner, "count": event.entries}
    noun = "entry" if event.entries == 1 else "entries"
    text = f"{event.entries} {noun} of the dead instance {escaped(event.owner)} went back to the queue"
    return LogLine(logging.WARNING, "entries.recovered", event.type, "entries recovered", text, fields)


def _ownership_lost(event: OwnershipLost) -> LogLine:
    fields = {"instance": event.instance, "silent_s": round(event.silent_s, 3)}
    text = f"silent for {_duration(event.silent_s)}: other instances may have taken what this one held"
    return LogLine(logging.ERROR, "ownership.lost", "goophry", "ownership lost", text, fields)


def _tasks_taken(event: TasksTaken) -> LogLine:
    fields = {"type": event.type, "tasks": event.tasks}
    noun = "task" if event.tasks == 1 else "tasks"
    text = f"{event.tasks} {noun} taken over by another instance; their runs here are ended and not settled"
    return LogLine(logging.ERROR, "tasks.taken", event.type, "tasks taken over", text, fields)


def _repaired(event: HelperRepaired) -> LogLine:
    fields = {"key": event.key, "what": event.what}
    text = f"repaired the key {escaped(event.key)}: {escaped(event.what)}"
    return LogLine(logging.WARNING, "helper.repaired", "goophry", "helper key repaired", text, fields)


def _store_lost(event: StoreLost) -> LogLine:
    fields = {"who": event.who, "reason": event.reason}
    text = f"Redis is out of reach, trying again: {escaped(event.reason)}"
    return LogLine(logging.ERROR, "store.lost", event.who, "Redis lost", text, fields)


def _store_back(event: StoreBack) -> LogLine:
    fields = {"who": event.who, "outage_s": round(event.outage_s, 3)}
    text = f"Redis is back after {_duration(event.outage_s)}"
    return LogLine(logging.WARNING, "store.back", event.who, "Redis back", text, fields)


def _broker_lost(event: BrokerLost) -> LogLine:
    fields = {"who": event.who, "reason": event.reason}
    text = f"Kafka is out of reach, trying again: {escaped(event.reason)}"
    return LogLine(logging.ERROR, "kafka.lost", event.who, "Kafka lost", text, fields)


def _broker_back(event: BrokerBack) -> LogLine:
    fields = {"who": event.who, "outage_s": round(event.outage_s, 3)}
    text = f"Kafka is back after {_duration(event.outage_s)}" if event.outage_s else "Kafka is in reach"
    return LogLine(logging.WARNING, "kafka.back", event.who, "Kafka back", text, fields)


def _store_changed(event: StoreChanged) -> LogLine:
    text = f"another Redis server answers than before, at {escaped(event.where)}: comparing what it knows"
    return LogLine(logging.WARNING, "store.changed", "goophry", "Redis server changed", text, {"where": event.where})


def _clock_differs(event: ClockDiffers) -> LogLine:
    fields = {"ahead_s": round(event.ahead_s, 3)}
    if not event.ahead_s:
        return LogLine(
            logging.WARNING, "clock.right", "goophry", "clock right", "the clock here is right again", fields
        )
    text = f"the clock here is {abs(event.ahead_s):.4g} s {'ahead of' if event.ahead_s > 0 else 'behind'} Redis's, which counts"
    return LogLine(logging.WARNING, "clock.wrong", "goophry", "clock wrong", text, fields)


_CHANGES: Final = {
    "added": "served from now on",
    "changed": "changed: what begins from now on follows the new definition",
    "removed": "removed: nothing more is taken, what runs is finished",
    "drained": "removed: nothing of it runs any more",
    "paused": "paused: nothing more is taken, what runs is finished",
    "resumed": "resumed",
}


def _type_changed(event: TypeChanged) -> LogLine:
    fields = {"type": event.type}
    return LogLine(
        logging.INFO, f"type.{event.change}", event.type, f"type {event.change}", _CHANGES[event.change], fields
    )


def _error_script(event: ErrorScriptFinished) -> LogLine:
    fields = {"type": event.type, "outcome": event.verdict}
    if not event.problem:
        return LogLine(
            logging.DEBUG, "error_script.finished", event.type, "ErrorScript done", "ErrorScript done", fields
        )
    fields["problem"] = event.problem[:4096]
    created = " (created output)" if event.verdict == Verdict.OUTPUT else ""
    text = f"Error calling ErrorScript{created}: {first_line(event.problem)}"
    return LogLine(logging.WARNING, "error_script.finished", event.type, "ErrorScript failed", text, fields)


def _duration(seconds: float) -> str:
    if seconds < 0.1:  # noqa: PLR2004 # below it, hundredths say nothing
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.2f} s"
