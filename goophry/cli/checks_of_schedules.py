"""When schedules fire, as a person reads it."""

import time
from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Final

from goophry.config import Schedule
from goophry.config_schedule import zone_of

#: Runs that `goophry check` foretells.
FORETOLD: Final = 5


def told(moment_s: float, zone: tzinfo) -> str:
    """Write a moment as the clock of the zone shows it, with its difference to UTC."""
    return datetime.fromtimestamp(moment_s, zone).strftime("%a %Y-%m-%d %H:%M:%S %z")


def preview(schedule: Schedule) -> str:
    """Describe a schedule and its next runs, one a line."""
    title = f"Schedule {schedule.name}: {schedule.cron} {schedule.timezone}, Type {schedule.type}; next runs:"
    zone = zone_of(schedule.timezone)
    return "\n".join([title, *(f"          {told(moment_s, zone)}" for moment_s in _next(schedule))])


def _next(schedule: Schedule) -> Iterator[int]:
    cron = schedule.moments()
    moment_s = cron.next_after(time.time())
    for _ in range(FORETOLD):
        if moment_s is None:
            return
        yield moment_s
        moment_s = cron.next_after(moment_s)
