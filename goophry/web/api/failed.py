"""The failed lists: looked through, put back, deleted; one entry or many."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Protocol

from fastapi import Query
from starlette.responses import Response

from goophry.errors import AmbiguousKey, BadCursor, UnreadableEntry
from goophry.failed_entry import OUTCOMES, FailedEntry, FailedFilter
from goophry.web import models
from goophry.web.api.answers import answer, in_thread, shown
from goophry.web.api.problems import Problem

Limit = Annotated[int, Query(ge=1, le=500, description="Most entries of one answer.")]
Cursor = Annotated[str | None, Query(max_length=100, description="From the page before.")]
Text = Annotated[str, Query(max_length=1000, description="Stands in an argument, the Id, or the message.")]
Outcome = Annotated[str | None, Query(description=f"One of {', '.join(OUTCOMES)}.")]

_NOT_THERE = "there is no such entry (any more)"


class Page(Protocol):
    """A part of a failed list."""

    @property
    def entries(self) -> tuple[FailedEntry, ...]:
        """The newest failures first."""
        ...

    @property
    def cursor(self) -> str | None:
        """Where to go on."""
        ...


class Swept(Protocol):
    """What became of many entries."""

    @property
    def done(self) -> int:
        """Put back, or deleted."""
        ...

    @property
    def refused(self) -> int:
        """Cannot be put back as they are."""
        ...


class FailedList(Protocol):
    """The failed entries of one type; `store.failed`, where the contract is told."""

    def search(self, wanted: FailedFilter, *, cursor: str | None = None, limit: int = 50) -> Page:
        """Return some of the entries meant."""
        ...

    def find(self, key: str) -> FailedEntry | None:
        """Return one entry."""
        ...

    def retry_one(self, key: str) -> FailedEntry | None:
        """Put one entry back."""
        ...

    def delete_one(self, key: str) -> FailedEntry | None:
        """Delete one entry."""
        ...

    def retry_all(self, wanted: FailedFilter) -> Swept:
        """Put back those meant."""
        ...

    def delete_all(self, wanted: FailedFilter) -> Swept:
        """Delete those meant."""
        ...


class Failed:
    """The handlers. `lists` returns the failed list of a type, `known` whether there is such a type."""

    def __init__(self, lists: Callable[[str], FailedList], *, known: Callable[[str], bool]) -> None:
        self._lists = lists
        self._known = known

    async def page(
        self,
        type: str,
        cursor: Cursor = None,
        limit: Limit = 50,
        text: Text = "",
        outcome: Outcome = None,
    ) -> Response:
        """Look through a failed list, the newest failures first.

        With `text` or `outcome` an answer may have few entries, or none, and a Cursor all the same: go on with it.
        """
        wanted = _wanted(text, outcome)
        try:
            page = await in_thread(partial(self._list(type).search, wanted, cursor=cursor, limit=limit))
        except BadCursor as error:
            raise Problem(422, str(error)) from error
        return answer(models.FailedPage(entries=[_told(entry) for entry in page.entries], cursor=page.cursor))

    async def one(self, type: str, key: str) -> Response:
        """Tell of one failed entry."""
        found = await self._call(self._list(type).find, key)
        return answer(_told(found))

    async def retry_one(self, type: str, key: str) -> Response:
        """Put one failed entry back to its queue."""
        return answer(_told(await self._call(self._list(type).retry_one, key)))

    async def delete_one(self, type: str, key: str) -> Response:
        """Delete one failed entry."""
        return answer(_told(await self._call(self._list(type).delete_one, key)))

    async def retry(self, type: str, choice: models.FailedChoice) -> Response:
        """Put back many failed entries, the oldest first; what cannot be run as it is stays."""
        return await self._many(choice, self._list(type).retry_all)

    async def delete(self, type: str, choice: models.FailedChoice) -> Response:
        """Delete many failed entries."""
        return await self._many(choice, self._list(type).delete_all)

    def _list(self, task_type: str) -> FailedList:
        if not self._known(task_type):
            raise Problem(404, f"there is no task type {shown(task_type)!r}")
        return self._lists(task_type)

    async def _call(self, call: Callable[[str], FailedEntry | None], key: str) -> FailedEntry:
        try:
            found = await in_thread(call, key)
        except AmbiguousKey as error:
            raise Problem(404, str(error)) from error
        except UnreadableEntry as error:
            raise Problem(409, f"it cannot be put back as it is: {error}") from error
        if found is None:
            raise Problem(404, _NOT_THERE)
        return found

    async def _many(self, choice: models.FailedChoice, sweep: Callable[[FailedFilter], Swept]) -> Response:
        wanted = _wanted(choice.text, choice.outcome)
        if choice.keys is None:
            swept = await in_thread(sweep, wanted)
            return answer(models.Swept(done=swept.done, left=swept.refused))
        named = frozenset(choice.keys)
        swept = await in_thread(sweep, replace(wanted, further=lambda entry: entry.key in named))
        return answer(models.Swept(done=swept.done, left=max(0, len(named) - swept.done)))


def _wanted(text: str, outcome: str | None) -> FailedFilter:
    if outcome is not None and outcome not in OUTCOMES:
        raise Problem(422, f"outcome: expected one of {', '.join(OUTCOMES)}")
    return FailedFilter(text=text, outcomes=frozenset() if outcome is None else frozenset({outcome}))


def _told(entry: FailedEntry) -> models.FailedTask:
    return models.FailedTask(
        key=entry.key,
        outcome=entry.outcome,
        error=shown(entry.message),
        args=[shown(arg) for arg in entry.args],
        id=None if entry.id is None else shown(entry.id),
        entry=entry.original.decode(errors="replace"),
        problem=shown(entry.problem),
    )
