"""Server-sent events: a long answer that tells of news as they come."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from goophry.web import models
from goophry.web.api.answers import dumped, in_thread
from goophry.web.api.problems import Problem
from goophry.web.board import Board

MEDIA_TYPE: Final = "text/event-stream"

#: Streams at a time; each costs a connection and some memory.
MOST_STREAMS: Final = 200

#: Seconds of silence after which a remark is sent, so that proxies and we notice that the client has gone.
BEAT_S: Final = 15.0

BEAT: Final = b": \n\n"


def event(name: str, value: Any) -> bytes:
    """Write one event."""
    return b"event: " + name.encode() + b"\ndata: " + dumped(value) + b"\n\n"


class Streams:
    """How many there are. Used by the server's thread alone."""

    def __init__(self) -> None:
        self._open = 0

    def answer(self, parts: AsyncIterator[bytes]) -> Response:
        """Return the answer that sends `parts`. Raises `Problem` 503."""
        if self._open >= MOST_STREAMS:
            raise Problem(503, f"{MOST_STREAMS} streams are open", headers={"retry-after": "30"})
        return StreamingResponse(self._counted(parts), media_type=MEDIA_TYPE, headers={"x-accel-buffering": "no"})

    async def _counted(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._open += 1
        try:
            async for part in parts:
                yield part
        finally:
            self._open -= 1


class Events:
    """The handlers."""

    def __init__(self, board: Board, streams: Streams) -> None:
        self._board = board
        self._streams = streams

    async def live(self, request: Request) -> Response:
        """Tell of everything as it changes.

        Server-sent events: `overview` first, as GET /overview; then `change`, the same without the types that have
        not changed since, and with `Gone`, the names of those that are there no more.
        """
        return self._streams.answer(self._live(request))

    async def _live(self, _request: Request) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        news: asyncio.Queue[models.Overview] = asyncio.Queue(maxsize=1)

        def put(overview: models.Overview) -> None:
            if news.full():  # the client is slow: it gets the newest
                news.get_nowait()
            news.put_nowait(overview)

        def tell(overview: models.Overview) -> None:
            with contextlib.suppress(RuntimeError):  # the server has stopped
                loop.call_soon_threadsafe(put, overview)

        stop = self._board.watch(tell)
        try:
            last = await in_thread(self._board.overview)
            yield event("overview", last.model_dump(mode="json", by_alias=True))
            while True:
                try:
                    found = await asyncio.wait_for(news.get(), BEAT_S)
                except TimeoutError:
                    yield BEAT
                    continue
                yield event("change", change(last, found))
                last = found
        finally:
            stop()


def change(before: models.Overview, now: models.Overview) -> dict[str, Any]:
    """Return `now` with only those types that differ from `before`."""
    known = {row.type: row for row in before.types}
    told = now.model_copy(update={"types": [row for row in now.types if known.get(row.type) != row]})
    gone = known.keys() - {row.type for row in now.types}
    return told.model_dump(mode="json", by_alias=True) | {"Gone": sorted(gone)}
