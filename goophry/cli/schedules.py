"""`goophry schedules`: when each has fired and will fire, and a run out of turn."""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from goophry import exit_codes
from goophry.cli.checks_of_schedules import told
from goophry.cli.configuration import path_of, read
from goophry.cli.showing import one_json
from goophry.clock import SystemClock
from goophry.config import Schedule, Settings
from goophry.config_schedule import zone_of
from goophry.engine.schedules import run_now
from goophry.errors import GoophryError
from goophry.log_lines import escaped
from goophry.record import TaskRecord
from goophry.schedule_ids import moment_of
from goophry.store.console import Console
from goophry.store.moments import Moments
from goophry.store.records import Records
from goophry.submission import Accepted
from goophry.wiring.outside import Outside

_TITLES: Final = ("NAME", "CRON", "TIMEZONE", "TYPE", "LAST", "RESULT", "NEXT")

#: What is not known, or does not come.
_NONE: Final = "–"


class NoSuchSchedule(GoophryError):
    """A name is no schedule, and no pattern of one."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A schedule, and what is known of it."""

    schedule: Schedule
    last_id: str | None
    record: TaskRecord | None
    """Of its newest run, as long as its result is kept."""
    next_s: int | None

    @property
    def last_s(self) -> float | None:
        """The moment of its newest run."""
        return moment_of(self.last_id) if self.last_id is not None else None

    @property
    def result(self) -> str:
        """How its newest run ended, or how far it is."""
        if self.record is None:
            return ""
        return (self.record.outcome or "") if self.record.is_final else self.record.status


def schedules(config: Path | None, names: Sequence[str], *, as_json: bool) -> int:
    """Print one line for each schedule; FAILED if there is none. Raises `ConfigError`, `StoreError`, `NoSuchSchedule`."""
    settings = read(path_of(config))
    wanted = _meant(settings, names)
    with Console(settings) as console:
        known = list(_look(console, settings, wanted))
    if as_json:
        for each in known:
            print(one_json(_fields(each)))
    else:
        _print_table([_TITLES, *(_cells(each) for each in known)])
    return exit_codes.OK


def run(config: Path | None, name: str) -> int:
    """Put the task of a schedule into its queue now, and print its Id; FAILED if Overlap or Unique forbids it."""
    settings = read(path_of(config))
    (schedule,) = _meant(settings, [name], patterns=False)
    with Outside(settings) as outside:
        reception = run_now(schedule, outside.intake, now=SystemClock().now())
    if isinstance(reception, Accepted):
        print(escaped(reception.id))
        return exit_codes.OK
    why = "its run before is still there" if reception.why == "overlap" else "a task like it is there"
    print(f"goophry: {escaped(name)} was not run, {why}: {escaped(reception.id)}", file=sys.stderr)
    return exit_codes.FAILED


def _meant(settings: Settings, names: Sequence[str], *, patterns: bool = True) -> list[Schedule]:
    """Return the schedules that `names` name, all if there are none."""
    if not settings.schedules:
        raise NoSuchSchedule("no schedules are configured")
    found: dict[str, Schedule] = {}
    for name in names or ["*"]:
        matching = [
            schedule
            for schedule in settings.schedules
            if schedule.name == name or (patterns and fnmatchcase(schedule.name, name))
        ]
        if not matching:
            there = ", ".join(escaped(schedule.name) for schedule in settings.schedules)
            raise NoSuchSchedule(f"{escaped(name)!r} is no schedule; there are: {there}")
        found |= {schedule.name: schedule for schedule in matching}
    return list(found.values())


def _look(console: Console, settings: Settings, wanted: Sequence[Schedule]) -> Iterable[_Known]:
    moments = Moments(console.links, queue_key=settings.redis_queue_key)
    records = Records(console.links, queue_key=settings.redis_queue_key)
    ids = moments.newest([(schedule.type, schedule.name) for schedule in wanted])
    now = time.time()
    for schedule, last_id in zip(wanted, ids, strict=True):
        record = records.read(last_id) if last_id is not None else None
        yield _Known(schedule, last_id, record, schedule.moments().next_after(now))


def _fields(known: _Known) -> Mapping[str, Any]:
    schedule = known.schedule
    return {
        "Name": schedule.name,
        "Cron": schedule.cron,
        "Timezone": schedule.timezone,
        "Type": schedule.type,
        "Args": schedule.args,
        "CatchUp": schedule.catch_up,
        "Overlap": schedule.overlap,
        "Last": known.last_s,
        "LastId": known.last_id,
        "LastResult": known.result or None,
        "Next": known.next_s,
    }


def _cells(known: _Known) -> tuple[str, ...]:
    schedule = known.schedule
    zone = zone_of(schedule.timezone)
    last, next_ = (_NONE if moment is None else told(moment, zone) for moment in (known.last_s, known.next_s))
    texts = (schedule.name, schedule.cron, schedule.timezone, schedule.type, last, known.result or _NONE, next_)
    return tuple(map(escaped, texts))


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip())
