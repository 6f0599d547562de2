"""When a cron expression fires: the maths, in any time zone, whatever dialect it was written in.

Two kinds of job meet a clock that is put forward or back, as in Debian's cron:

- One for fixed times of the day must run once for each of them. A time that does not exist is made
  up for in the first moment after the gap; one that exists twice counts the first time.
- One whose hours or minutes are open (`*`, `*/5`) goes by intervals. It fires whenever the clock
  shows a time that matches: not at all inside a gap, in both passes of a repeated hour.

`next_after` looks at no more clock times than one and asks the zone about two or three: a yearly
job costs no more than one a minute.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from math import floor
from typing import Final

from goophry.cron_calendar import Calendar

_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression in a time zone. Moments are Unix seconds, whole ones."""

    text: str
    calendar: Calendar
    zone: tzinfo
    by_intervals: bool
    """Whether the job goes by intervals rather than by fixed times of the day."""

    def next_after(self, moment_s: float) -> int | None:
        """Return the first moment after `moment_s`; None when there is none, ever (only years can run out)."""
        after_s = floor(moment_s)
        return self._next_by_intervals(after_s) if self.by_intervals else self._next_by_clock(after_s)

    def between(self, since_s: float, until_s: float) -> Iterator[int]:
        """Yield the moments after `since_s` up to and including `until_s`, in order."""
        moment = self.next_after(since_s)
        while moment is not None and moment <= until_s:
            yield moment
            moment = self.next_after(moment)

    def _next_by_clock(self, after_s: int) -> int | None:
        """Give each time of the clock one moment: the first at which the clock has come as far."""
        local = datetime.fromtimestamp(after_s, self.zone)
        start = _plain(local) + _SECOND
        if local.fold:  # the second pass: the clock had come to the end of the repeated time before
            start = max(start, self._end_of_repeated(local, after_s - _overlap_s(local), after_s))
        time = self.calendar.first_from(start)
        if time is None:
            return None
        moment = self._moment(time, fold=0)
        if self._clock_at(moment) == time:
            return moment
        return self._change_between(self._moment(time, fold=1), moment)

    def _next_by_intervals(self, after_s: int) -> int | None:
        local = datetime.fromtimestamp(after_s, self.zone)
        start = _plain(local) + _SECOND
        time = self.calendar.first_from(start)
        overlap_s = _overlap_s(local)
        if overlap_s and not local.fold:  # the first pass: once it ends, the clock goes back
            end = self._end_of_repeated(local, after_s, after_s + overlap_s)
            if time is None or time >= end:
                time = self.calendar.first_from(end - timedelta(seconds=overlap_s))
        while time is not None:
            for fold in (0, 1):
                moment = self._moment(time, fold=fold)
                if moment > after_s and self._clock_at(moment) == time:
                    return moment
            # Inside a gap: go on behind it.
            end_s = self._change_between(self._moment(time, fold=1), self._moment(time, fold=0))
            time = self.calendar.first_from(self._clock_at(end_s))
        return None

    def _end_of_repeated(self, local: datetime, before_s: int, behind_s: int) -> datetime:
        """Return the time at which the clock was put back, given a moment before and one behind that."""
        first_pass = local.replace(fold=0).utcoffset() or timedelta()
        change_s = self._change_between(before_s, behind_s)
        return datetime.fromtimestamp(change_s, UTC).replace(tzinfo=None) + first_pass

    def _change_between(self, before_s: int, behind_s: int) -> int:
        """Return the first moment after a change of the zone's offset that lies between the two."""
        offset = datetime.fromtimestamp(before_s, self.zone).utcoffset()
        while behind_s - before_s > 1:
            middle_s = (before_s + behind_s) // 2
            if datetime.fromtimestamp(middle_s, self.zone).utcoffset() == offset:
                before_s = middle_s
            else:
                behind_s = middle_s
        return behind_s

    def _clock_at(self, moment_s: int) -> datetime:
        """Return what the clock shows."""
        return _plain(datetime.fromtimestamp(moment_s, self.zone))

    def _moment(self, time: datetime, *, fold: int) -> int:
        """Return when the clock shows `time`; of a time that it never shows, a moment beside the gap."""
        return int(time.replace(tzinfo=self.zone, fold=fold).timestamp())


def _plain(local: datetime) -> datetime:
    return local.replace(tzinfo=None, fold=0)


def _overlap_s(local: datetime) -> int:
    """Return by how much the clock goes back, for a time that it shows twice; 0 for others."""
    passes = [local.replace(fold=fold).utcoffset() or timedelta() for fold in (0, 1)]
    return int((passes[0] - passes[1]).total_seconds())
