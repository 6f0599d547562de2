"""The carrier of HTTP: an ASGI application that feeds one door.

It knows bodies, lengths and time; what they mean is the door's affair. Whatever a client sends, the
process keeps to its bounds: one body is at most the door's limit, all bodies together at most
`MOST_HELD`, and who stops in the middle is dropped.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar

from starlette.types import Receive, Scope, Send

from goophry.doors.base import HttpDoor, Later, Reply, Request

#: Bytes of bodies that are held at a time, by all requests of one door.
MOST_HELD: Final = 256 * 1024 * 1024

#: Bytes of a body too long that are read and thrown away, for the client to hear the answer; then it is cut off.
MOST_DRAINED: Final = 1024 * 1024 * 1024

#: Seconds without a byte in the middle of a body.
BODY_WAIT_S: Final = 30.0

_log: Final = logging.getLogger(__name__)
_R = TypeVar("_R")


class _Gone(Exception):
    """The client has left, or is to be left."""


class HttpCarrier:
    """Hands requests to a door and sends what it says."""

    def __init__(self, door: HttpDoor) -> None:
        self._door = door
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        held = _Held(self)
        try:
            body = await self._body(receive, held)
            reply = await asyncio.to_thread(self._answer, request_of(scope, body))
            del body
            if not isinstance(reply, Reply):
                held.release()
                reply = await self._awaited(reply, receive)
        except _Gone:
            return
        finally:
            held.release()
        await send_reply(reply, send)

    async def _awaited(self, later: Later, receive: Receive) -> Reply:
        """Wait for a reply, its time to be over, or the client to leave. Raises `_Gone`."""
        loop = asyncio.get_running_loop()
        news = asyncio.Event()
        gone = asyncio.ensure_future(_left(receive))
        deadline = loop.time() + later.wait_s
        stop = later.watch(lambda: _set(loop, news))
        try:
            while await _happens(news, gone, until=deadline):
                if gone.done():
                    raise _Gone
                news.clear()
                reply = await asyncio.to_thread(self._tried, later.look)
                if reply is not None and gone.done():
                    await asyncio.to_thread(later.put_back)
                    raise _Gone
                if reply is not None:
                    return reply
            return later.late()
        finally:
            stop()
            gone.cancel()

    def _answer(self, request: Request) -> Reply | Later:
        return self._tried(lambda: self._door.answer(request))

    def _tried(self, call: Callable[[], _R]) -> _R | Reply:
        try:
            return call()
        except Exception:
            # A fault of the door's own; what clients and Redis do wrong, doors answer themselves.
            _log.exception("A request failed", extra={"action": "door", "door": self._door.name})
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            return Reply(status, status.phrase.encode() + b"\n", {"Content-Type": "text/plain; charset=utf-8"})

    async def _body(self, receive: Receive, held: "_Held") -> bytes | None:
        """Read the body; None if it is too long. Raises `_Gone`."""
        parts: list[bytes] = []
        size = 0
        fits = True
        while True:
            message = await _next(receive)
            part: bytes = message.get("body", b"")
            size += len(part)
            fits = fits and size <= self._door.body_limit and held.take(len(part))
            if fits:
                parts.append(part)
            elif parts:
                parts.clear()
                held.release()
            if not message.get("more_body", False):
                return b"".join(parts) if fits else None
            if size > MOST_DRAINED:
                raise _Gone

    def hold(self, size: int) -> bool:
        """Count bytes in, or out if negative; returns False, and counts nothing, when there are too many."""
        if self._held + size > MOST_HELD:
            return False
        self._held += size
        return True


class _Held:
    """The bytes that one request holds."""

    def __init__(self, carrier: HttpCarrier) -> None:
        self._carrier = carrier
        self._size = 0

    def take(self, size: int) -> bool:
        taken = self._carrier.hold(size)
        self._size += size if taken else 0
        return taken

    def release(self) -> None:
        self._carrier.hold(-self._size)
        self._size = 0


async def _next(receive: Receive) -> Mapping[str, Any]:
    try:
        message = await asyncio.wait_for(receive(), BODY_WAIT_S)
    except TimeoutError as error:
        raise _Gone from error
    if message["type"] == "http.disconnect":
        raise _Gone
    return message


def _set(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(news.set)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _happens(news: asyncio.Event, gone: "asyncio.Future[None]", *, until: float) -> bool:
    """Wait for either; returns False when the time is over before."""
    hears: asyncio.Future[Any] = asyncio.ensure_future(news.wait())
    either: set[asyncio.Future[Any]] = {hears, gone}
    try:
        left_s = max(0.0, until - asyncio.get_running_loop().time())
        done, _ = await asyncio.wait(either, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hears.cancel()
    return bool(done)


def request_of(scope: Scope, body: bytes | None) -> Request:
    """Return the request of an HTTP connection, or the one that asks for a WebSocket."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return Request(scope.get("method", "GET"), path_of(scope["raw_path"]), scope["query_string"], headers, body)


def path_of(raw: bytes) -> bytes:
    """Return the path of a request line, also of one that holds the whole URL."""
    scheme, found, rest = raw.partition(b"://")
    if found and scheme.lower() in {b"http", b"https"}:  # a proxy may send the whole URL
        return b"/" + rest.partition(b"/")[2]
    return raw


async def send_reply(reply: Reply, send: Send) -> None:
    """Send the whole reply."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    headers.append((b"Content-Length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
