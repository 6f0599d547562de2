"""Coyotes' HTTP interface: its routes, and what each of them does.

Whatever comes of a routed request, its HTTP status is 200; clients look at `status_code` in the body.
"""

import posixpath
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol
from urllib.parse import unquote_to_bytes

from goophry.clock import Clock
from goophry.config_door_types import COYOTES_DELAYED
from goophry.doors.base import BODY_LIMIT, Reply, Request
from goophry.doors.coyotes_form import first, read_form
from goophry.doors.coyotes_replies import NOT_FOUND, Summary, failure, home, moved, success
from goophry.doors.coyotes_task import Channel, CoyotesTask
from goophry.doors.gojson import sound, text_of
from goophry.doors.gonumbers import NotANumber, atoi
from goophry.doors.gotime import rfc3339
from goophry.entry import MAX_SECONDS
from goophry.errors import GoophryError

_NO_SUCH_TASK: Final = "任务不存在"
_NO_SUCH_DELAY_TASK: Final = "Can't find the specified delay task"

#: Most workers of a channel.
MOST_WORKERS: Final = 65_536


class CoyotesDesk(Protocol):
    """What the door needs of goophry. Every method may raise `GoophryError`."""

    def summary(self) -> Summary:
        """Return what the home page tells."""
        ...

    def channels(self) -> Sequence[str]:
        """Return the names of the channels that are served."""
        ...

    def create(self, channel: Channel) -> bool:
        """Serve a channel from now on; returns False if there is one of this name."""
        ...

    def remove(self, channel: str) -> int:
        """Take no more tasks of a channel, and forget it; returns how many tasks wait in it."""
        ...

    def push(self, task: CoyotesTask, *, at_s: float | None) -> bool:
        """Take a task in, for a moment in Unix seconds if given; returns False if it is there, on a distinct channel."""
        ...

    def tasks(self, channel: str) -> Sequence[tuple[CoyotesTask, str]]:
        """Return what waits in a channel, the newest first, then what runs; each with its status."""
        ...

    def cancel(self, channel: str, task_id: str) -> CoyotesTask | None:
        """Take out a task that waits; None if none of this id does."""
        ...

    def failed(self, channel: str) -> Sequence[CoyotesTask]:
        """Return the failed tasks of a channel."""
        ...

    def failed_one(self, channel: str, task_id: str) -> CoyotesTask | None:
        """Return one of them."""
        ...

    def forget_failed(self, channel: str, task_id: str) -> CoyotesTask | None:
        """Remove one of them, and return it."""
        ...

    def retry_failed(self, channel: str, task_id: str) -> str:
        """Put one of them into its channel again; returns why not, or nothing."""
        ...

    def delayed(self) -> Sequence[CoyotesTask]:
        """Return the tasks that wait for their moment, the earliest first."""
        ...

    def cancel_delayed(self, task_id: str) -> CoyotesTask | None:
        """Take out the earliest of this id that waits for its moment."""
        ...


class CoyotesDoor:
    """Answers clients of Coyotes."""

    name: Final = "coyotes"
    body_limit: Final = BODY_LIMIT

    def __init__(
        self,
        desk: CoyotesDesk,
        *,
        workers: int,
        delay_in_channel: bool,
        clock: Clock,
        new_id: Callable[[], object] = uuid.uuid4,
    ) -> None:
        """A channel has `workers` workers if nobody says how many; delayed tasks go to `delayed`, or stay in theirs."""
        self._desk = desk
        self._workers = workers
        self._delay_in_channel = delay_in_channel
        self._clock = clock
        self._new_id = new_id

    def answer(self, request: Request) -> Reply:
        """See `HttpDoor.answer`."""
        path = text_of(unquote_to_bytes(request.path))
        clean = _cleaned(path)
        if clean != path:
            return moved(clean, request.query, with_page=request.method in {"GET", "HEAD"})
        segments = sound(path).split("/")[1:]
        if segments == [""] and request.method == "GET":
            return home(self._desk.summary())
        return self._routed(request, segments) if all(segments) else NOT_FOUND

    def _routed(self, request: Request, segments: Sequence[str]) -> Reply:
        match segments:
            case ["channels"]:
                return self._channels(request)
            case ["channels", channel, *rest]:
                return self._in_channel(request, channel, rest) if rest else self._channel(request, channel)
            case ["delay-tasks", *rest]:
                return self._delayed(request, rest)
        return NOT_FOUND

    def _channels(self, request: Request) -> Reply:
        if request.method == "POST":
            return self._create(request)
        if request.method != "GET":
            return NOT_FOUND
        return _told("error: {}", lambda: _by_key({name: self._status(name) for name in self._desk.channels()}))

    def _channel(self, request: Request, channel: str) -> Reply:
        match request.method:
            case "GET":
                return _told("error: {}", lambda: self._status(channel))
            case "POST":  # the path of the beta
                return self._push(request, channel)
            case "DELETE":
                return self._remove(channel)
        return NOT_FOUND

    def _in_channel(self, request: Request, channel: str, rest: list[str]) -> Reply:
        desk, (kind, *ids) = self._desk, rest
        task_id = ids[0] if ids else ""
        routes: Mapping[tuple[str, str, int], Callable[[], Reply]] = {
            ("POST", "tasks", 0): lambda: self._push(request, channel),
            ("DELETE", "tasks", 1): lambda: _one(_NO_SUCH_TASK, lambda: desk.cancel(channel, task_id)),
            ("GET", "failed-tasks", 0): lambda: _told("查询失败:{}", lambda: _by_id(desk.failed(channel))),
            ("GET", "failed-tasks", 1): lambda: _one(_NO_SUCH_TASK, lambda: desk.failed_one(channel, task_id)),
            ("POST", "failed-tasks", 1): lambda: self._retry(channel, task_id),
            ("DELETE", "failed-tasks", 1): lambda: _one(_NO_SUCH_TASK, lambda: desk.forget_failed(channel, task_id)),
        }
        return routes.get((request.method, kind, len(ids)), lambda: NOT_FOUND)()

    def _delayed(self, request: Request, rest: list[str]) -> Reply:
        match request.method, rest:
            case "GET", []:
                return _told("查询失败", lambda: _by_id(self._desk.delayed()))
            case "GET", [task_id]:
                return _one(_NO_SUCH_DELAY_TASK, lambda: _first_of(self._desk.delayed(), task_id), trouble="{}")
            case "DELETE", [task_id]:
                return _one(_NO_SUCH_DELAY_TASK, lambda: self._desk.cancel_delayed(task_id), trouble="{}")
        return NOT_FOUND

    def _create(self, request: Request) -> Reply:
        form = read_form(request.headers.get("content-type", ""), request.body)
        try:
            workers = atoi(first(form, "worker"), least=0, most=MOST_WORKERS)
        except NotANumber as error:
            return failure(f"字段workerCount不合法: {error}")
        name = sound(first(form, "name"))
        if not name:
            return failure("channel name required")
        channel = Channel(name, workers or self._workers, distinct=first(form, "distinct") == "true")
        try:
            created = self._desk.create(channel)
        except GoophryError as error:
            return failure(f"error: {error}")
        return success() if created else failure(f"channel {name} has existed")

    def _remove(self, channel: str) -> Reply:
        try:
            waiting = self._desk.remove(channel)
        except GoophryError as error:
            return failure(f"删除失败：{error}")
        if not waiting:
            return success()
        return success(message=f"ok, {waiting} waiting tasks stay until a channel of this name is created")

    def _push(self, request: Request, channel: str) -> Reply:
        form = read_form(request.headers.get("content-type", ""), request.body)
        name = first(form, "task")
        if not name:
            return failure("任务名称不能为空")
        task = CoyotesTask(
            first(form, "id") or str(self._new_id()),
            name,
            channel,
            first(form, "command"),
            tuple(value for key in ("args", "args[]") for value in form.get(key, [])),
        )
        try:
            if channel not in self._desk.channels():
                return failure("channel不存在")
            pushed = self._pushed(task, _delay(first(form, "delay")))
        except GoophryError as error:
            return failure(f"failed push task [{name}] to redis queue [{channel}]: {error}")
        return success({"task_id": task.task_id, "task_name": name, "result": pushed})

    def _pushed(self, task: CoyotesTask, delay_s: int) -> bool:
        if not delay_s:
            return self._desk.push(task, at_s=None)
        at_s = min(max(self._clock.now() + delay_s, 0.0), float(MAX_SECONDS))
        return self._desk.push(put_off(task, at_s, in_channel=self._delay_in_channel), at_s=at_s)

    def _retry(self, channel: str, task_id: str) -> Reply:
        try:
            problem = self._desk.retry_failed(channel, task_id)
        except GoophryError as error:
            return failure(f"{_NO_SUCH_TASK}: {error}")
        return failure(problem) if problem else success()

    def _status(self, channel: str) -> dict[str, Any]:
        tasks = [task.shown(status) for task, status in self._desk.tasks(channel)]
        return {"tasks": tasks, "count": len(tasks)}


def put_off(task: CoyotesTask, at_s: float, *, in_channel: bool, shown: str = "") -> CoyotesTask:
    """Return the task as it waits for a moment: in the channel of delayed tasks, or in the one that was asked for."""
    return replace(task, channel=task.channel if in_channel else COYOTES_DELAYED, execute_at=shown or rfc3339(at_s))


def _delay(text: str) -> int:
    try:
        return atoi(text)
    except NotANumber:
        return 0


def _told(trouble: str, ask: Callable[[], Any]) -> Reply:
    try:
        return success(ask())
    except GoophryError as error:
        return failure(trouble.format(error))


def _one(missing: str, ask: Callable[[], CoyotesTask | None], *, trouble: str = "") -> Reply:
    try:
        task = ask()
    except GoophryError as error:
        return failure(trouble.format(error) if trouble else f"{missing}: {error}")
    return failure(missing) if task is None else success(task.shown())


def _first_of(tasks: Iterable[CoyotesTask], task_id: str) -> CoyotesTask | None:
    return next((task for task in tasks if task.task_id == task_id), None)


def _by_id(tasks: Iterable[CoyotesTask]) -> dict[str, Any]:
    """Return the tasks by id; of two with one id the later."""
    return _by_key({task.task_id: task.shown() for task in tasks})


def _by_key(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: values[key] for key in sorted(values, key=lambda key: key.encode(errors="surrogateescape"))}


def _cleaned(path: str) -> str:
    """Take `.`, `..` and doubled slashes out of a path; a slash at its end stays."""
    clean = "/" + posixpath.normpath("/" + path).lstrip("/")
    return f"{clean}/" if path.endswith("/") and clean != "/" else clean
