"""kingtask's HTTP interface: its routes, the form of its answers, and its errors.

Every error of a route is status 403 and a JSON string; everything else is 404, never 405.
"""

import uuid
from collections.abc import Callable
from typing import Any, Final, Protocol
from urllib.parse import unquote_to_bytes

from goophry.clock import Clock
from goophry.doors import gojson
from goophry.doors.base import BODY_LIMIT, Reply, Request
from goophry.doors.kingtask_body import METHODS, BadBody, TaskBody, read_body
from goophry.doors.kingtask_result import Result
from goophry.doors.kingtask_task import rpc_task, script_task
from goophry.errors import GoophryError
from goophry.submission import Submission

_API: Final = "/api/v1/task"
_JSON: Final = {"Content-Type": "application/json; charset=utf-8"}
_NOT_FOUND: Final = Reply(
    404, b"Not Found\n", {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
)
_INVALID: Final = "invalid argument"


class KingtaskDesk(Protocol):
    """What the door needs of goophry. Every method may raise `GoophryError`."""

    def submit(self, submission: Submission) -> None:
        """Take the task in."""
        ...

    def result(self, task_id: str) -> Result | None:
        """Return what became of a task; None while that is open, and when it is forgotten."""
        ...

    def count(self, day: str, *, success: bool) -> int:
        """Return how many tasks ended like this on a day."""
        ...

    def waiting(self) -> int:
        """Return how many tasks wait for a worker."""
        ...


class KingtaskDoor:
    """Answers clients of kingtask."""

    name: Final = "kingtask"
    body_limit: Final = BODY_LIMIT

    def __init__(
        self, desk: KingtaskDesk, *, bin_path: str, clock: Clock, new_id: Callable[[], object] = uuid.uuid4
    ) -> None:
        self._desk = desk
        self._bin_path = bin_path
        self._clock = clock
        self._new_id = new_id

    def answer(self, request: Request) -> Reply:
        """See `HttpDoor.answer`."""
        path = gojson.sound(gojson.text_of(unquote_to_bytes(request.path)))
        try:
            if request.method == "POST":
                return self._posted(path, request)
            if request.method == "GET" and path.startswith(f"{_API}/"):
                return self._asked(path.removeprefix(f"{_API}/"))
        except (BadBody, GoophryError) as error:
            return _error(str(error))
        return _NOT_FOUND

    def _posted(self, path: str, request: Request) -> Reply:
        if path in {_API, f"{_API}/script"}:
            body = _body_of(request)
            task_id = self._new_task_id(named=body.bin_name)
            task = script_task(body, task_id=task_id, bin_path=self._bin_path, now=self._clock.now())
        elif path == f"{_API}/rpc":
            body = _body_of(request)
            task_id = self._new_task_id(named=body.url and body.method in METHODS)
            task = rpc_task(body, task_id=task_id, now=self._clock.now())
        else:
            return _NOT_FOUND
        self._desk.submit(task)
        return _answer(task_id)

    def _asked(self, path: str) -> Reply:
        match path.split("/"):
            case ["count", "undo"]:
                return _answer(self._desk.waiting())
            case ["result", "failure" | "success" as kind, day] if day:
                return _answer(self._desk.count(day, success=kind == "success"))
            case ["result", task_id] if task_id not in {"", "failure", "success"}:
                return self._result(task_id)
        return _NOT_FOUND

    def _result(self, task_id: str) -> Reply:
        result = self._desk.result(task_id)
        if result is None:
            return _error("result not exist")
        message = gojson.text_of(result.message)
        return _answer({"is_result_exist": 1, "is_success": int(result.success), "message": message})

    def _new_task_id(self, *, named: object) -> str:
        """Return an Id for a task that says what to do. Raises `BadBody` for one that does not."""
        if not named:
            raise BadBody(_INVALID)
        return str(self._new_id())


def _body_of(request: Request) -> TaskBody:
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise BadBody("echo ⇒ unsupported media type")
    if request.body is None:
        raise BadBody("http: request body too large")
    return read_body(request.body)


def _answer(value: Any, *, status: int = 200) -> Reply:
    return Reply(status, gojson.dump(value), _JSON)


def _error(text: str) -> Reply:
    return _answer(text, status=403)
