"""Schedules: whatever is due by the clock goes into its queue, once for the whole fleet.

Every instance looks at every schedule. Redis remembers the last moment of each, and a moment is
taken in the same step in which its task is put into the queue: whoever comes second finds it taken.
The time is Redis's, so a host whose clock is wrong fires neither early nor twice.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Final, Literal, Protocol

from goophry.clock import Clock
from goophry.config import Schedule
from goophry.cron import Cron
from goophry.errors import StoreWrongKind
from goophry.events import HelperRepaired, Observer, ScheduleFired, ScheduleSkipped
from goophry.schedule_ids import run_id
from goophry.store.moments import Looked, Moments
from goophry.submission import Accepted, InvalidSubmission, Moment, Reception, Submission, UnknownType

#: Seconds between looks at Redis's clock while nothing is due: it may be set, and another server may take over.
LOOK_S: Final = 30.0

#: Seconds by which a moment may be late without being a missed one, whatever CatchUp says: a busy machine.
LATE_S: Final = 5.0

#: Seconds until the next look at a type that has a key of a wrong kind.
AGAIN_S: Final = 5.0

#: Moments of one schedule that one turn makes up for; there are other schedules, and other things to do.
BATCH: Final = 100

_log = logging.getLogger(__name__)


class TakesIn(Protocol):
    """The intake, as far as schedules need it."""

    def submit(self, submission: Submission, *, moment: Moment | None = None) -> Reception | None:
        """See `Intake.submit`."""
        ...


@dataclass(frozen=True, slots=True)
class _Planned:
    schedule: Schedule
    cron: Cron
    is_new: bool = False
    """Whether its Cron was changed while goophry ran: then it begins when it is first looked at."""


class Schedules:
    """The schedules of one configuration after the other. `turn` belongs to one thread, the rest to any."""

    def __init__(
        self, schedules: Iterable[Schedule], *, intake: TakesIn, moments: Moments, observer: Observer, clock: Clock
    ) -> None:
        self._intake = intake
        self._moments = moments
        self._observer = observer
        self._clock = clock
        # Replaced and never changed, so that it can be read without a lock.
        self._plan = tuple(_Planned(schedule, schedule.moments()) for schedule in schedules)
        # What the thread of the turns knows: of which plan, when it is to look again, and the moments from
        # which on those schedules count that were changed while goophry ran.
        self._looked: tuple[_Planned, ...] = ()
        self._look_at = 0.0
        self._begun_ms: dict[str, int] = {}

    def replace(self, schedules: Iterable[Schedule]) -> None:
        """Follow other schedules from the next turn on.

        One whose Cron, Timezone and Type stay as they are goes on where it was, whatever else changes.
        Any other begins anew: it makes up for nothing that is past.
        """
        known = {planned.schedule.name: planned.schedule for planned in self._plan}
        self._plan = tuple(
            _Planned(schedule, schedule.moments(), is_new=not _goes_on(known.get(schedule.name), schedule))
            for schedule in schedules
        )

    def turn(self) -> float | None:
        """Fire what is due; returns the seconds until the next turn is, None if there are no schedules.

        Raises `StoreError`, after all types have had their turn if one of them has a key of a wrong kind.
        """
        plan = self._plan
        if not plan:
            return None
        if plan is not self._looked:
            self._forget_begun(plan)
        elif self._clock.monotonic() < self._look_at:
            return self._look_at - self._clock.monotonic()
        look_at = self._clock.monotonic() + LOOK_S
        refused = None
        for task_type, planned in groupby(sorted(plan, key=_type), key=_type):
            try:
                look_at = min(look_at, self._fire(task_type, list(planned)))
            except StoreWrongKind as error:
                refused, look_at = error, min(look_at, self._clock.monotonic() + AGAIN_S)
        self._looked, self._look_at = plan, look_at
        if refused is not None:
            raise refused
        return max(0.0, look_at - self._clock.monotonic())

    def _forget_begun(self, plan: tuple[_Planned, ...]) -> None:
        """Keep when changed schedules began, of those that have not changed again."""
        going_on = {planned.schedule.name for planned in plan if not planned.is_new}
        self._begun_ms = {name: moment for name, moment in self._begun_ms.items() if name in going_on}

    def _fire(self, task_type: str, plan: list[_Planned]) -> float:
        """Fire what is due of one type; returns when to look again, on the monotonic clock."""
        looked = self._moments.look(task_type, [planned.schedule.name for planned in plan])
        at = self._clock.monotonic()
        if looked.repaired:
            self._observer.notify(HelperRepaired(task_type, "the memory of its schedules made no sense"))
        next_ms = [self._fire_one(planned, looked) for planned in plan]
        return at + min(moment - looked.now_ms for moment in (*next_ms, looked.now_ms + LOOK_S * 1000)) / 1000

    def _fire_one(self, planned: _Planned, looked: Looked) -> float:
        """Fire what is due of one schedule; returns its next moment, in Unix ms."""
        name, now_s = planned.schedule.name, looked.now_ms / 1000
        if planned.is_new:
            self._begun_ms.setdefault(name, looked.now_ms)
        since_ms = max(looked.last_ms[name], self._begun_ms.get(name, 0))
        since_ms = self._without_missed(planned, since_ms, looked.now_ms)
        due = list(islice(planned.cron.between(since_ms / 1000, now_s), BATCH))
        for moment_s in due:
            if not self._submit(planned.schedule, moment_s, late_s=now_s - moment_s):
                break
        else:
            if len(due) == BATCH:
                return looked.now_ms
        next_s = planned.cron.next_after(now_s)
        return float("inf") if next_s is None else next_s * 1000

    def _without_missed(self, planned: _Planned, since_ms: int, now_ms: int) -> int:
        """Return the moment after which moments are made up for, and tell if there are some before."""
        schedule = planned.schedule
        oldest_ms = now_ms - int(max(schedule.catch_up, LATE_S) * 1000)
        missed_s = planned.cron.next_after(since_ms / 1000) if since_ms < oldest_ms else None
        if missed_s is not None and missed_s * 1000 <= oldest_ms:
            self._leave_out(schedule, missed_s, "missed", until_ms=oldest_ms)
        return max(since_ms, oldest_ms)

    def _submit(self, schedule: Schedule, moment_s: int, *, late_s: float) -> bool:
        """Put the task of this moment into its queue, unless another instance has; returns whether that is settled."""
        moment = Moment(schedule.name, moment_s * 1000, alone=schedule.overlap == "skip")
        try:
            reception = self._intake.submit(submission_of(schedule, moment_s), moment=moment)
        except InvalidSubmission as error:
            self._leave_out(schedule, moment_s, "invalid", reason=str(error))
            return True
        except UnknownType:  # between two steps of a reload
            _log.warning("A schedule waits for its type", extra={"action": "schedule", "schedule": schedule.name})
            return False
        if isinstance(reception, Accepted):
            self._observer.notify(ScheduleFired(schedule.name, schedule.type, reception.id, late_s))
        elif reception is not None and reception.why != "id":
            self._leave_out(schedule, moment_s, reception.why)
        elif reception is not None:  # it was fired, and Redis has lost its memory of that
            self._moments.leave_out(schedule.type, schedule.name, moment_s * 1000)
        return True

    def _leave_out(
        self,
        schedule: Schedule,
        moment_s: int,
        why: Literal["overlap", "unique", "missed", "invalid"],
        *,
        until_ms: int | None = None,
        reason: str = "",
    ) -> None:
        """Let a moment pass, and those after it until `until_ms`; whoever is the first to do so tells of it."""
        if self._moments.leave_out(schedule.type, schedule.name, until_ms or moment_s * 1000):
            self._observer.notify(ScheduleSkipped(schedule.name, schedule.type, moment_s, why, reason))


def run_now(schedule: Schedule, intake: TakesIn, *, now: float) -> Reception:
    """Put the task of a schedule into its queue now, beside its moments; Overlap counts. Raises what `submit` does."""
    alone = schedule.overlap == "skip"
    reception = intake.submit(submission_of(schedule, now), moment=Moment(schedule.name, None, alone=alone))
    if reception is None:
        raise AssertionError("a run out of turn takes no moment")
    return reception


def submission_of(schedule: Schedule, moment_s: float) -> Submission:
    """Return the task that the schedule puts in for this moment."""
    return Submission(
        schedule.type,
        schedule.args,
        id=run_id(schedule.name, moment_s),
        env=schedule.env,
        timeout_s=schedule.timeout,
        retry=schedule.retry,
    )


def _goes_on(known: Schedule | None, schedule: Schedule) -> bool:
    return known is not None and all(
        getattr(known, name) == getattr(schedule, name) for name in ("cron", "timezone", "type")
    )


def _type(planned: _Planned) -> str:
    return planned.schedule.type
