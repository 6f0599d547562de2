"""What comes later: tasks that are put off, and schedules."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Annotated, Any, Protocol

from fastapi import Query
from starlette.responses import Response

from goophry.clock import Clock
from goophry.config import Schedule, TaskType
from goophry.entry import TaskEntry
from goophry.errors import AmbiguousKey, BadCursor
from goophry.submission import Accepted, InvalidSubmission, Reception, UnknownType
from goophry.web import models
from goophry.web.api.answers import answer, in_thread, shown
from goophry.web.api.failed import Cursor, Limit
from goophry.web.api.problems import Problem, response
from goophry.web.board import Board

#: Moments that a schedule tells in advance.
NEXT = 5

OfType = Annotated[str | None, Query(max_length=1000, description="Only of this type.")]


class Entry(Protocol):
    """An entry that is put off; `store.delayed`."""

    @property
    def type(self) -> str: ...  # noqa: D102
    @property
    def due_ms(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> str: ...  # noqa: D102
    def entry(self) -> TaskEntry: ...  # noqa: D102


class Page(Protocol):
    """A part of what is put off."""

    @property
    def entries(self) -> Sequence[Entry]: ...  # noqa: D102
    @property
    def cursor(self) -> str | None: ...  # noqa: D102


class DelayedEntries(Protocol):
    """What is put off; `store.delayed`, where the contract is told."""

    def page(self, types: Sequence[str], *, cursor: str | None = None, limit: int = 50) -> Page: ...  # noqa: D102
    def run_now(self, task_type: str, key: str) -> Entry | None: ...  # noqa: D102
    def remove(self, task_type: str, key: str) -> Entry | None: ...  # noqa: D102


class Delayed:
    """The handlers."""

    def __init__(self, entries: DelayedEntries, types: Callable[[], Mapping[str, TaskType]], *, board: Board) -> None:
        self._entries = entries
        self._types = types
        self._board = board

    async def page(self, cursor: Cursor = None, limit: Limit = 50, type: OfType = None) -> Response:
        """List what is put off, the next due first: of all types, or of one."""
        if type is not None and type not in self._types():
            raise Problem(404, f"there is no task type {shown(type)!r}")
        types = list(self._types()) if type is None else [type]
        try:
            page = await in_thread(partial(self._entries.page, types, cursor=cursor, limit=limit))
        except BadCursor as error:
            raise Problem(422, str(error)) from error
        return answer(models.DelayedPage(entries=[_delayed(each) for each in page.entries], cursor=page.cursor))

    async def run_now(self, type: str, key: str) -> Response:
        """Have a task that is put off run now."""
        return await self._one(self._entries.run_now, type, key)

    async def remove(self, type: str, key: str) -> Response:
        """Take out a task that is put off."""
        return await self._one(self._entries.remove, type, key)

    async def _one(self, call: Callable[[str, str], Entry | None], type: str, key: str) -> Response:
        try:
            found = await in_thread(call, type, key) if type in self._types() else None
        except AmbiguousKey as error:
            raise Problem(404, str(error)) from error
        if found is None:
            raise Problem(404, "there is no such entry (any more)")
        self._board.look_again()
        return answer(_delayed(found))


class Plan(Protocol):
    """The schedules; `engine.schedules`."""

    def run_now(self, name: str) -> Reception:
        """Put the task of a schedule into its queue now."""
        ...


class Schedules:
    """The handlers. `schedules` returns those in force, `last` the last moment of each."""

    def __init__(
        self,
        schedules: Callable[[], Sequence[Schedule]],
        plan: Plan,
        *,
        last: Callable[[Sequence[Schedule]], Mapping[str, float]],
        clock: Clock,
    ) -> None:
        self._schedules = schedules
        self._plan = plan
        self._last = last
        self._clock = clock

    async def all(self) -> Response:
        """List the schedules with their next moments."""
        return answer(await in_thread(self._all))

    async def run_now(self, name: str) -> Response:
        """Put the task of a schedule into its queue now, beside its moments."""
        try:
            found = await in_thread(self._plan.run_now, name)
        except KeyError as error:
            raise Problem(404, f"there is no schedule {shown(name)!r}") from error
        except (UnknownType, InvalidSubmission) as error:
            raise Problem(409, str(error)) from error
        if isinstance(found, Accepted):
            return answer(models.AcceptedTask(id=found.id, due=found.due_s), 202)
        return response(Problem(409, "the run before it is still there", Id=found.id))

    def _all(self) -> list[models.Schedule]:
        schedules = list(self._schedules())
        last = self._last(schedules)
        return [self._told(schedule, last.get(schedule.name)) for schedule in schedules]

    def _told(self, schedule: Schedule, last: float | None) -> models.Schedule:
        now = self._clock.now()
        moments = schedule.moments().between(now, now + 366 * 86_400)
        return models.Schedule(
            name=schedule.name,
            cron=schedule.cron,
            timezone=schedule.timezone,
            type=schedule.type,
            args=list(schedule.args),
            overlap=schedule.overlap,
            last=last,
            next=[float(moment) for moment in islice(moments, NEXT)],
        )


def _delayed(found: Entry) -> models.DelayedTask:
    entry: Any = found.entry()
    return models.DelayedTask(
        type=found.type,
        due=found.due_ms / 1000,
        id=None if entry.id is None else shown(entry.id),
        args=[shown(arg) for arg in entry.args],
        attempt=entry.attempt,
        key=found.key,
    )
