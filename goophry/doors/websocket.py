"""The carrier of WebSockets: an ASGI application that feeds a door's messages, beside its HTTP.

Text goes to the door, one message after the other; what comes back does so whenever it is there. A
client that does not read keeps its own results waiting in Redis, and nobody else's.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from goophry.doors.base import MessageDoor, Push, Reply, Stop
from goophry.doors.http import path_of, request_of
from goophry.errors import GoophryError

#: Seconds between two tries while Redis is away.
AGAIN_S: Final = 1.0

_log: Final = logging.getLogger(__name__)
_R = TypeVar("_R")


class WebSocketCarrier:
    """Hands messages to a door and sends what it pushes; all that is no WebSocket goes on to `http`."""

    def __init__(self, door: MessageDoor, *, http: ASGIApp) -> None:
        self._door = door
        self._http = http

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one WebSocket from its beginning to its end."""
        if scope["type"] != "websocket":
            await self._http(scope, receive, send)
            return
        await receive()
        if path_of(scope["raw_path"]) != self._door.socket_path:
            await self._refuse(scope, send)
            return
        await send({"type": "websocket.accept"})
        with contextlib.suppress(OSError):  # the client has gone
            await _Socket(self._door, receive, send).serve()

    async def _refuse(self, scope: Scope, send: Send) -> None:
        """Answer as if no WebSocket had been asked for."""
        reply = await asyncio.to_thread(self._door.answer, request_of(scope, b""))
        reply = reply if isinstance(reply, Reply) else Reply(400)
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        headers.append((b"Content-Length", b"%d" % len(reply.body)))
        await send({"type": "websocket.http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": reply.body})


class _Socket:
    """One connection."""

    def __init__(self, door: MessageDoor, receive: Receive, send: Send) -> None:
        self._door = door
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._watches: dict[Push, Stop] = {}
        self._newest: dict[str, Push] = {}
        """By subject: those that are watched."""
        self._told: dict[Push, None] = {}
        self._news = asyncio.Event()

    async def serve(self) -> None:
        """Take messages and send results until the client leaves."""
        sender = asyncio.create_task(self._send_results())
        reader = asyncio.create_task(self._read_messages())
        try:
            done, _ = await asyncio.wait({sender, reader}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (sender, reader):
                task.cancel()
            await asyncio.gather(sender, reader, return_exceptions=True)
            for stop in self._watches.values():
                stop()

    async def _read_messages(self) -> None:
        while await self._read_one():
            pass

    async def _read_one(self) -> bool:
        """Take one message; returns False when the client has left. What was read is gone when this returns."""
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            return False
        text = event.get("text")
        if text is not None:
            push = await self._insist(partial(self._door.message, text.encode(errors="replace")))
            if push is not None:
                self._watch(push)
        return True

    def _watch(self, push: Push) -> None:
        """Listen for it; of one that it replaces only what is there is still to be sent."""
        before = self._newest.get(push.subject)
        if before is not None:
            self._forget(before)
            self._note(before)
        self._newest[push.subject] = push
        self._watches[push] = push.watch(partial(self._tell, push))

    def _forget(self, push: Push) -> None:
        stop = self._watches.pop(push, None)
        if stop is not None:
            del self._newest[push.subject]
            stop()

    def _tell(self, push: Push) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._note, push)

    def _note(self, push: Push) -> None:
        self._told[push] = None
        self._news.set()

    async def _send_results(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._told:
                push = next(iter(self._told))
                del self._told[push]
                texts, is_over = await self._insist(push.take)
                for text in texts:
                    await self._send({"type": "websocket.send", "text": text})
                if is_over:
                    self._forget(push)

    async def _insist(self, call: Callable[[], _R]) -> _R:
        """Call in a thread that may wait, again and again while Redis is away."""
        while True:
            try:
                return await asyncio.to_thread(call)
            except GoophryError as error:
                _log.debug("Again in a moment: %s", error, extra={"action": "door", "door": self._door.name})
                await asyncio.sleep(AGAIN_S)
