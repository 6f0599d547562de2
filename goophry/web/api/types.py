"""Everything at a glance, each type by itself, and whether it is paused."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from starlette.responses import Response

from goophry.config import TaskType
from goophry.config_fields import keys_of, secret_keys
from goophry.config_section import Section
from goophry.retry import RetryPolicy
from goophry.web import models
from goophry.web.api.answers import answer, dumped, in_thread, shown
from goophry.web.api.problems import Problem
from goophry.web.board import Board

#: What stands in place of a value that nobody is to see.
HIDDEN = "(hidden)"


class Pauses(Protocol):
    """Pauses types on all instances; `store.pauses`."""

    def pause(self, task_type: str) -> bool:
        """Pause."""
        ...

    def resume(self, task_type: str) -> bool:
        """Go on."""
        ...


class Types:
    """The handlers. `types` returns the task types in force."""

    def __init__(self, board: Board, types: Callable[[], Mapping[str, TaskType]], *, pauses: Pauses) -> None:
        self._board = board
        self._types = types
        self._pauses = pauses

    async def overview(self) -> Response:
        """Tell of everything at a glance: what is wrong, all types, all instances."""
        return answer(await in_thread(self._board.overview))

    async def plots(self) -> Response:
        """Return the last hour of every type, for small plots."""
        names = list(self._types())
        plots = await in_thread(lambda: {shown(name): self._board.plot(name) for name in names})
        body = {name: plot.model_dump(mode="json", by_alias=True) for name, plot in plots.items()}
        return Response(dumped(body), media_type="application/json")

    async def all(self) -> Response:
        """List all types with their numbers."""
        return answer((await in_thread(self._board.overview)).types)

    async def one(self, type: str) -> Response:
        """Tell of one type: its numbers, its last hour, its configuration as goophry understood it."""
        definition = self._types().get(type)
        overview = await in_thread(self._board.overview)
        row = next((each for each in overview.types if each.type == type), None)
        if definition is None and row is None:
            raise Problem(404, f"there is no task type {shown(type)!r}")
        config = None if definition is None else configuration(definition)
        return answer(
            models.TypeDetail(row=row or models.TypeRow(type=type), plot=self._board.plot(type), config=config)
        )

    async def pause(self, type: str) -> Response:
        """Have no instance take anything more of this type; what runs goes on."""
        return await self._set(type, self._pauses.pause)

    async def resume(self, type: str) -> Response:
        """Have the type taken again."""
        return await self._set(type, self._pauses.resume)

    async def _set(self, type: str, change: Callable[[str], bool]) -> Response:
        if type not in self._types():
            raise Problem(404, f"there is no task type {shown(type)!r}")
        changed = await in_thread(change, type)
        self._board.look_again()
        return answer(models.Changed(changed=changed))

    async def running(self) -> Response:
        """List the runs in progress, the oldest first: of each instance the 100 oldest."""
        return answer(await in_thread(self._board.runs))

    async def instances(self) -> Response:
        """List all instances, those included that went away within a day without a word."""
        return answer((await in_thread(self._board.overview)).instances)


def configuration(definition: Section) -> dict[str, Any]:
    """Return the keys of a type with their values; secrets, and every value of Env, are hidden."""
    hidden = set(secret_keys(TaskType))
    values = ((key, getattr(definition, name)) for key, name in _keys(definition))
    return {key: _hidden(value) if key in hidden else _plain(value) for key, value in values}


def _keys(section: Section) -> Iterable[tuple[str, str]]:
    kind = type(section)
    return zip(keys_of(kind), kind.model_fields, strict=True)


def _hidden(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {shown(str(name)): HIDDEN for name in value}
    return HIDDEN if value else None


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Section):
        return configuration(value)
    if isinstance(value, RetryPolicy):
        return value.as_json()
    if isinstance(value, Mapping):
        return {shown(str(key)): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else shown(str(value))
