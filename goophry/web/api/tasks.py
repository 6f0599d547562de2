"""Tasks by their Id: put in, told of, waited for, cancelled."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Annotated, Any, Protocol
from urllib.parse import quote

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from goophry.engine.intake import Intake
from goophry.entry import MAX_ID_LENGTH
from goophry.record import TaskRecord
from goophry.submission import Accepted, InvalidSubmission, Submission, UnknownType
from goophry.web import models
from goophry.web.api.answers import JSON, answer, gone, in_thread
from goophry.web.api.problems import Problem, response

#: Longest time that one request waits, in seconds; beyond it proxies lose patience.
MAX_WAIT_S = 300

Wait = Annotated[
    float,
    Query(
        ge=0, le=MAX_WAIT_S, allow_inf_nan=False, description="Seconds to wait for the end of the task.", examples=[0]
    ),
]


class Waiters(Protocol):
    """Tells of the end of tasks; `engine.results`."""

    def watch(self, entry_id: str, ended: Callable[[TaskRecord], None]) -> Callable[[], None]:
        """Have `ended` called, in another thread, when the task has ended; returns what ends the wait."""
        ...


class Tasks:
    """The handlers."""

    def __init__(self, intake: Intake, waiters: Waiters) -> None:
        self._intake = intake
        self._waiters = waiters

    async def submit(self, type: str, task: models.TaskIn, request: Request, wait: Wait = 0) -> Response:
        """Take a task in.

        With an Id the request may be repeated when it is unknown whether it arrived: the second
        time it is answered with 200 and what is known of the task. With `wait` the answer is 200
        and the result if the task ends in time, else 202.
        """
        try:
            found = await in_thread(self._intake.submit, _submission(type, task))
        except UnknownType as error:
            raise Problem(404, str(error)) from error
        except InvalidSubmission as error:
            raise Problem(422, str(error)) from error
        if found is None:  # only schedules name moments
            raise Problem(500, "nothing was taken in")
        if not isinstance(found, Accepted) and found.why == "unique":
            return response(Problem(409, "a task of this type with the same Args is there", Id=found.id))
        record = await self._ended(found.id, request, wait) if wait else None
        location = {"location": f"/api/v1/tasks/{quote(found.id, safe='')}"}
        if isinstance(found, Accepted) and record is None:
            reply = answer(models.AcceptedTask(id=found.id, due=found.due_s), 202)
        else:
            record = record or await in_thread(self._intake.record, found.id)
            reply = _told(record or TaskRecord(found.id, type, "finished"))
        reply.headers.update(location)
        return reply

    async def read(self, id: str, request: Request, wait: Wait = 0) -> Response:
        """Tell of a task; with `wait` not before it has ended, or the time is over."""
        record = await in_thread(self._intake.record, known(id))
        if record is None:
            raise Problem(404, "there is no task of this Id, or its result is not kept any more")
        if wait and not record.is_final:
            record = await self._ended(id, request, wait) or await in_thread(self._intake.record, id) or record
        return _told(record)

    async def cancel(self, id: str) -> Response:
        """Have a task not run, or not go on, wherever it is."""
        result = await in_thread(self._intake.cancel, known(id))
        if result == "unknown":
            raise Problem(404, "there is no task of this Id")
        return answer(models.Cancelled(result=result), 202 if result == "told" else 200)

    async def _ended(self, entry_id: str, request: Request, wait_s: float) -> TaskRecord | None:
        """Return the record of the task once it has ended; None if the time is over or the client has left."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[TaskRecord] = loop.create_future()

        def settle(record: TaskRecord) -> None:
            if not found.done():
                found.set_result(record)

        def note(record: TaskRecord) -> None:
            with contextlib.suppress(RuntimeError):  # the server has stopped
                loop.call_soon_threadsafe(settle, record)

        left = asyncio.create_task(gone(request))
        either: tuple[asyncio.Future[Any], ...] = (found, left)
        stop = self._waiters.watch(entry_id, note)
        try:
            await asyncio.wait(either, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop()
            left.cancel()
        return found.result() if found.done() else None


def known(entry_id: str) -> str:
    """Return an Id that a task may have. Raises `Problem` 404."""
    if not entry_id or len(entry_id) > MAX_ID_LENGTH:
        raise Problem(404, "there is no task of this Id")
    return entry_id


def _submission(task_type: str, task: models.TaskIn) -> Submission:
    return Submission(
        task_type,
        task.args,
        id=task.id,
        env=task.env,
        delay_s=task.delay,
        at_s=task.at,
        timeout_s=task.timeout,
        retry=task.retry,
    )


def _told(record: TaskRecord) -> Response:
    return Response(record.to_json().decode(errors="replace").encode(), media_type=JSON)
