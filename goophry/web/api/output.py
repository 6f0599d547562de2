"""What a task writes, as it comes, wherever it runs; and what it wrote, once it has ended."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Protocol

from starlette.responses import Response

from goophry.engine.intake import Intake
from goophry.errors import StoreError
from goophry.record import TaskRecord
from goophry.web import models
from goophry.web.api.answers import answer, in_thread, shown
from goophry.web.api.events import BEAT, Streams, event
from goophry.web.api.problems import Problem
from goophry.web.api.tasks import known
from goophry.web.board import Board

#: Seconds after which the wish to be told is repeated, and after which nobody is there who could hear it.
ASK_S: Final = 4.0
SILENT_S: Final = 10.0

#: Seconds between looks at a task that does not run (yet, or any more).
LOOK_S: Final = 0.5

#: Seconds that a run's end may take to be told of in the record.
SETTLED_S: Final = 5.0

#: Messages that wait for a slow reader; beyond them it misses some, and is told how many bytes.
MOST_WAITING: Final = 1000


class Outputs(Protocol):
    """The way to the instance that runs it."""

    def listen(self, run_id: str, hear: Callable[[bytes | None], None]) -> Callable[[], None]:
        """Have `hear` called, in another thread, with what is told of the run; returns what ends that."""
        ...

    def ask(self, run_id: str, *, fresh: bool) -> None:
        """Wish to be told; with `fresh` from the beginning. Raises `StoreError`."""
        ...

    def cancel(self, run_id: str) -> None:
        """Have the run ended. Raises `StoreError`."""
        ...


class Output:
    """The handlers."""

    def __init__(self, intake: Intake, outputs: Outputs, board: Board, streams: Streams) -> None:
        self._intake = intake
        self._outputs = outputs
        self._board = board
        self._streams = streams

    async def of_task(self, id: str) -> Response:
        """Tell what a task writes, from the beginning, until it has ended.

        Server-sent events: `output` with Stream (`stdout`, `stderr`), Text, and Dropped, the bytes before it that are
        not kept; `waiting` while it does not run; `end` with Outcome. A task that has ended is told of as it is kept.
        """
        record = await in_thread(self._intake.record, known(id))
        if record is None:
            raise Problem(404, "there is no task of this Id, or its result is not kept any more")
        return self._streams.answer(self._task(record))

    async def of_run(self, run: str) -> Response:
        """Tell what a run writes, from the beginning, until it has ended; events as for a task."""
        await self._of_board(run)
        return self._streams.answer(self._run(run))

    async def cancel(self, run: str) -> Response:
        """End a run, with all its processes. For tasks without an Id; with one, DELETE /tasks/{id} does more."""
        await self._of_board(run)
        await in_thread(self._outputs.cancel, run)
        return answer(models.Cancelled(result="told"), 202)

    async def _of_board(self, run: str) -> None:
        runs = await in_thread(self._board.runs)
        if not any(each.run == run for each in runs):
            raise Problem(404, "there is no such run (any more)")

    async def _run(self, run: str) -> AsyncIterator[bytes]:
        async for part in self._live(run):
            yield part
        yield event("end", {"Outcome": None})

    async def _task(self, record: TaskRecord) -> AsyncIterator[bytes]:
        told: set[str] = set()
        found: TaskRecord | None = record
        while found is not None and not found.is_final:
            if found.status == "running" and found.run not in told:
                told.add(found.run)
                async for part in self._live(found.run):
                    yield part
                found = await self._after(found)
                continue
            yield event("waiting", {"Due": found.due})
            await asyncio.sleep(LOOK_S)
            found = await in_thread(self._intake.record, record.id)
        if found is not None and found.run not in told:
            for stream, text in (("stdout", found.output), ("stderr", found.stderr)):
                if text:
                    yield event("output", {"Stream": stream, "Text": shown(text), "Dropped": 0})
        yield event("end", {"Outcome": found.outcome if found else None})

    async def _after(self, before: TaskRecord) -> TaskRecord | None:
        """Return the record once it tells of the end of the run `before` tells of."""
        end = asyncio.get_running_loop().time() + SETTLED_S
        while True:
            found = await in_thread(self._intake.record, before.id)
            if found is None or found.status != "running" or found.run != before.run:
                return found
            if asyncio.get_running_loop().time() > end:
                return found
            await asyncio.sleep(0.1)

    async def _live(self, run: str) -> AsyncIterator[bytes]:
        """Yield what the run writes, until it ends or nobody tells of it any more."""
        heard = _Heard(asyncio.get_running_loop())
        stop = self._outputs.listen(run, heard.hear)
        places = {"stdout": 0, "stderr": 0}
        try:
            last = asyncio.get_running_loop().time()
            while asyncio.get_running_loop().time() - last < SILENT_S:
                message = await heard.next(ASK_S)
                if message is None:
                    with contextlib.suppress(StoreError):  # the silence ends it, if that goes on
                        await in_thread(lambda: self._outputs.ask(run, fresh=heard.began_anew()))
                    yield BEAT
                    continue
                last = asyncio.get_running_loop().time()
                if message.get("End"):
                    return
                part = _news(message, places)
                if part is not None:
                    yield event("output", part)
        finally:
            stop()


class _Heard:
    """Messages on their way from the listener's thread to the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._anew = False

    def hear(self, payload: bytes | None) -> None:
        """Hear in the listener's thread."""
        with contextlib.suppress(RuntimeError):  # the server has stopped
            self._loop.call_soon_threadsafe(self._put, payload)

    def _put(self, payload: bytes | None) -> None:
        if payload is None:
            self._anew = True
        if self._queue.qsize() < MOST_WAITING:
            self._queue.put_nowait(payload)

    def began_anew(self) -> bool:
        """Whether something may have been missed since this was asked last."""
        anew, self._anew = self._anew, False
        return anew

    async def next(self, timeout_s: float) -> dict[str, Any] | None:
        """Return the next message; None when it is time to ask: after a while, or when the subscription begins."""
        try:
            payload = await asyncio.wait_for(self._queue.get(), timeout_s)
        except TimeoutError:
            return None
        if payload is None:
            return None
        try:
            found = json.loads(payload)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def _news(message: dict[str, Any], places: dict[str, int]) -> dict[str, Any] | None:
    """Return what of a message was not told yet; None if there is nothing."""
    stream, at, after, text = (message.get(key) for key in ("Stream", "At", "Next", "Text"))
    if stream not in places or not isinstance(at, int) or not isinstance(after, int) or not isinstance(text, str):
        return None
    if after <= places[stream]:
        return None
    missed = max(0, at - places[stream])
    places[stream] = after
    dropped = message.get("Dropped")
    return {
        "Stream": stream,
        "Text": shown(text),
        "Dropped": missed + (dropped if isinstance(dropped, int) else 0),
    }
