"""What all WebSockets of a server may hold together, on real sockets."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest
from conftest import eventually
from starlette.types import Receive, Scope, Send
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from goophry.web.server import HttpServer
from goophry.web.sockets import Bounds, Socket

MOST = 1_000_000


class Echo:
    """Answers each message with its length; holds those that begin with `hold` in its hands until told."""

    def __init__(self) -> None:
        self.bounds = Bounds(MOST)
        self.go_on = threading.Event()
        self.server = HttpServer(
            self, settings="Echo", interface="127.0.0.1:0", websockets=partial(Socket, bounds=self.bounds)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] != "websocket.disconnect":
            text = event.get("text") or ""
            if text.startswith("hold"):
                await asyncio.to_thread(self.go_on.wait, 20)
            await send({"type": "websocket.send", "text": str(len(text))})

    def held(self) -> int:
        return self.bounds._total

    def socket(self) -> ClientConnection:
        return connect(f"ws://{self.server.address}/", proxy=None, compression=None)


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    made.server.start()
    yield made
    made.go_on.set()
    made.server.stop()


def begin(client: ClientConnection, size: int) -> None:
    """Send the beginning of a message that never ends."""
    with client.protocol_mutex:
        client.protocol.send_text(b"x" * size, fin=False)
        client.send_data()


def closed(client: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed) as caught:
        client.recv(timeout=10)
    return caught.value.rcvd.code if caught.value.rcvd else None


def test_as_much_as_one_likes_one_after_the_other(echo: Echo) -> None:
    with echo.socket() as client:
        for _ in range(5):
            client.send("x" * 900_000)
            assert client.recv(timeout=10) == "900000"
    eventually(lambda: echo.held() == 0, what="nothing is held")


def test_who_keeps_the_most_is_closed_and_nobody_else_notices(echo: Echo) -> None:
    """What has begun counts, and what it is made of: pieces are not free."""
    with ExitStack() as opened:
        small, large, last = (opened.enter_context(echo.socket()) for _ in range(3))
        begin(small, 100_000)
        begin(large, 700_000)
        eventually(lambda: echo.held() > 800_000, what="both have come")

        last.send("x" * 500_000)

        assert last.recv(timeout=10) == "500000"
        assert closed(large) == 1013
        with small.protocol_mutex:
            small.protocol.send_continuation(b"yy", fin=True)
            small.send_data()
        assert small.recv(timeout=10) == "100002"
        with last.protocol_mutex:
            last.protocol.send_text(b"", fin=False)
            for _ in range(20_000):
                last.protocol.send_continuation(b"", fin=False)
            last.send_data()
        assert closed(last) == 1013
    eventually(lambda: echo.held() == 0, what="nothing is held")


def test_what_is_in_hand_counts_and_is_not_thrown_away(echo: Echo) -> None:
    with ExitStack() as opened:
        first, second = (opened.enter_context(echo.socket()) for _ in range(2))
        first.send("hold" + "x" * 700_000)
        eventually(lambda: echo.held() > 700_000 and not echo.bounds._kept, what="it is in hand")

        second.send("x" * 400_000)

        assert closed(second) == 1013
        echo.go_on.set()
        assert first.recv(timeout=10) == "700004"
    eventually(lambda: echo.held() == 0, what="nothing is held")


def test_who_leaves_in_the_middle_holds_nothing(echo: Echo) -> None:
    client = echo.socket()
    begin(client, 300_000)
    eventually(lambda: echo.held() > 300_000, what="it has begun")

    client.socket.close()

    eventually(lambda: echo.held() == 0, what="nothing is held")
