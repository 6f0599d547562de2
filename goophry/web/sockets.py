"""One WebSocket, and how much all of them may hold together.

uvicorn's protocol bounds one message, and reads the next when the application has asked for it; how
much many clients send at a time it does not bound. Here all WebSockets of a server share a number of
bytes. When more have come, the one that keeps the most is closed with 1013 (try again later): so
somebody's large messages cost nobody else their small ones.
"""

import asyncio
from collections import deque
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

#: Bytes of messages that all WebSockets of one server hold at a time: of those that come, wait or are in hand.
MOST_HELD: Final = 256 * 1024 * 1024

#: What a piece of a message takes beside its bytes.
_PIECE: Final = 64


class Bounds:
    """What the WebSockets of one server hold. Belongs to the server's thread."""

    def __init__(self, most: int = MOST_HELD) -> None:
        self._most = most
        self._total = 0
        self._kept: dict[Socket, int] = {}

    def note(self, socket: "Socket", *, kept: int, before: int, total: int) -> None:
        """Note that a socket has `kept` bytes that can be thrown away, and `total` in all instead of `before`."""
        self._total += total - before
        if kept:
            self._kept[socket] = kept
        else:
            self._kept.pop(socket, None)
        while self._total > self._most and self._kept:
            max(self._kept, key=self._kept.__getitem__).give_up()


class Socket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol that counts what it holds."""

    def __init__(self, *, bounds: Bounds, **options: Any) -> None:
        super().__init__(**options)
        self._bounds = bounds
        self._coming = 0
        """Bytes of the pieces of a message that is not complete."""
        self._waiting: deque[int] = deque()
        """Bytes of the complete messages that the application has not asked for."""
        self._in_hand = 0
        """Bytes of the message that the application works on."""
        self._noted = 0

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        super().data_received(data)
        self._note()

    def handle_text(self, event: Frame) -> None:
        """Begin a message."""
        self._coming = len(event.data) + _PIECE
        super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        """Begin a message."""
        self._coming = len(event.data) + _PIECE
        super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        """Go on with a message."""
        self._coming += len(event.data) + _PIECE
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Take note of a complete message."""
        size, self._coming = self._coming, 0
        before = self.queue.qsize()
        super().send_receive_event_to_app()
        if self.queue.qsize() > before:
            self._waiting.append(size)

    async def receive(self) -> Any:
        """Give the application the next message: it is done with the one before."""
        self._in_hand = 0
        self._note()
        event = await super().receive()
        if event["type"] == "websocket.receive" and self._waiting:
            self._in_hand = self._waiting.popleft()
            self._note()
        return event

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        """Take note that the application has ended."""
        self._in_hand = 0
        self._throw_away()
        super().on_task_complete(task)

    def give_up(self) -> None:
        """Close, and throw away what has come and is not in the application's hands."""
        if not self.close_sent:
            self.close_sent = True
            self.conn.fail(CloseCode.TRY_AGAIN_LATER, "too much at a time")
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()
        self._throw_away()

    def _throw_away(self) -> None:
        self.conn.reader.buffer.clear()
        self.frames = []
        self._coming = 0
        self._waiting.clear()
        for event in [self.queue.get_nowait() for _ in range(self.queue.qsize())]:
            if event["type"] != "websocket.receive":
                self.queue.put_nowait(event)
        self._note()

    def _note(self) -> None:
        kept = len(self.conn.reader.buffer) + self._coming + sum(self._waiting)
        before, self._noted = self._noted, kept + self._in_hand
        self._bounds.note(self, kept=kept, before=before, total=self._noted)
