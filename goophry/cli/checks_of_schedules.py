"""When schedules fire, as a person reads it, and whether what they put in would be a task."""

import time
from collections.abc import Iterator
from datetime import datetime, tzinfo
from itertools import islice
from math import inf
from typing import Final

from goophry.cli.finding import Finding
from goophry.config import Schedule, Settings, TaskType
from goophry.config_schedule import zone_of
from goophry.engine.prepared import prepare
from goophry.engine.schedules import submission_of
from goophry.submission import InvalidSubmission

#: Runs that `goophry check` foretells.
FORETOLD: Final = 5


def findings_of_schedules(settings: Settings) -> Iterator[Finding]:
    """Look at each schedule: its next runs, or why there will be none."""
    types = {task.type: task for task in settings.tasks}
    now_s = time.time()
    for schedule in settings.schedules:
        problem = _problem(schedule, types[schedule.type], now_s=now_s, max_entry_bytes=settings.max_entry_bytes)
        if problem:
            yield Finding("problem", f"Schedule {schedule.name}: its task would be refused: {problem}")
        else:
            yield Finding("ok", _preview(schedule, now_s=now_s))


def told(moment_s: float, zone: tzinfo) -> str:
    """Write a moment as the clock of the zone shows it, with its difference to UTC."""
    return datetime.fromtimestamp(moment_s, zone).strftime("%a %Y-%m-%d %H:%M:%S %z")


def _problem(schedule: Schedule, task_type: TaskType, *, now_s: float, max_entry_bytes: int) -> str:
    submission = submission_of(schedule, now_s)
    try:
        prepare(submission, task_type, entry_id=str(submission.id), now_s=now_s, max_entry_bytes=max_entry_bytes)
    except InvalidSubmission as error:
        return str(error)
    return ""


def _preview(schedule: Schedule, *, now_s: float) -> str:
    """Describe a schedule and its next runs, one a line."""
    title = f"Schedule {schedule.name}: {schedule.cron} {schedule.timezone}, Type {schedule.type}; next runs:"
    zone = zone_of(schedule.timezone)
    coming = islice(schedule.moments().between(now_s, inf), FORETOLD)
    return "\n".join([title, *(f"          {told(moment_s, zone)}" for moment_s in coming)])
