"""The carrier of WebSockets with a door of the test's own: what it listens for, and for how long."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest
from conftest import eventually
from doors.http_client import ask
from websockets.sync.client import ClientConnection, connect

from goophry.doors import websocket
from goophry.doors.base import Push, Reply, Request, Stop
from goophry.doors.http import HttpCarrier
from goophry.doors.websocket import WebSocketCarrier
from goophry.errors import StoreUnavailable
from goophry.web.server import HttpServer
from goophry.web.sockets import Bounds, Socket


class Pushed:
    """What is said of one message; the test says it."""

    def __init__(self, subject: str, watched: "list[Pushed]") -> None:
        self.subject = subject
        self._watched = watched
        self._said: list[str] = []
        self._told: Callable[[], None] = lambda: None
        self.is_over = False

    def watch(self, told: Callable[[], None]) -> Stop:
        self._told = told
        self._watched.append(self)

        def stop() -> None:
            if self in self._watched:
                self._watched.remove(self)

        return stop

    def take(self) -> tuple[Sequence[str], bool]:
        said, self._said = self._said, []
        return said, self.is_over

    def say(self, text: str, *, is_last: bool = False, in_silence: bool = False) -> None:
        self._said.append(text)
        self.is_over = is_last
        if not in_silence:
            self._told()


class Door:
    """Takes each message for the subject of a push, and `away` for a Redis that is away until the next try."""

    name = "test"
    body_limit = 1000
    socket_path = b"/socket"

    def __init__(self) -> None:
        self.pushes: list[Pushed] = []
        self.watched: list[Pushed] = []
        self.tries = 0

    def answer(self, request: Request) -> Reply:
        return Reply(404, request.path)

    def message(self, body: bytes) -> Push | None:
        self.tries += 1
        if body == b"away" and self.tries == 1:
            raise StoreUnavailable("away")
        if body == b"silent":
            return None
        self.pushes.append(Pushed(body.decode(), self.watched))
        return self.pushes[-1]


Site = tuple[Door, str]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(websocket, "AGAIN_S", 0.01)
    door = Door()
    server = HttpServer(
        WebSocketCarrier(door, http=HttpCarrier(door)),
        settings="Doors.Test.",
        interface="127.0.0.1:0",
        websockets=partial(Socket, bounds=Bounds()),
    )
    server.start()
    yield door, server.address
    server.stop()


def open_socket(site: Site) -> ClientConnection:
    return connect(f"ws://{site[1]}/socket", proxy=None)


def sent(client: ClientConnection, door: Door, text: str) -> Pushed:
    """Send a message and return its push, which is listened for by then."""
    count = len(door.pushes) + 1
    client.send(text)
    eventually(lambda: len(door.pushes) == count and door.pushes[-1] in door.watched, what="it is taken")
    return door.pushes[-1]


def test_all_that_is_said_is_sent_until_it_is_over(site: Site) -> None:
    door, _ = site
    with open_socket(site) as client:
        client.send(b"binary")
        client.send("silent")
        first, second = sent(client, door, "a"), sent(client, door, "b")
        second.say("b1", is_last=True)
        assert client.recv(timeout=20) == "b1"
        first.say("a1")
        assert client.recv(timeout=20) == "a1"
        assert door.watched == [first]
        first.say("a2", is_last=True)
        assert client.recv(timeout=20) == "a2"
        eventually(lambda: not door.watched, what="nothing is listened for")


def test_of_one_that_is_replaced_only_what_was_said_is_sent(site: Site) -> None:
    """However often a client sends the same again on one connection, one is listened for."""
    door, _ = site
    with open_socket(site) as client:
        first = sent(client, door, "a")
        first.say("before", in_silence=True)
        second, third = sent(client, door, "a"), sent(client, door, "a")

        assert client.recv(timeout=20) == "before"
        assert door.watched == [third]
        third.say("last", is_last=True)
        assert client.recv(timeout=20) == "last"
        eventually(lambda: not door.watched, what="nothing is listened for")
        assert second not in door.watched


def test_while_redis_is_away_a_message_is_tried_again(site: Site) -> None:
    door, _ = site
    with open_socket(site) as client:
        sent(client, door, "away").say("here", is_last=True)

        assert client.recv(timeout=20) == "here"
        assert door.tries == 2


def test_whoever_leaves_is_listened_for_no_more(site: Site) -> None:
    door, _ = site
    with open_socket(site) as client:
        sent(client, door, "a")
        sent(client, door, "b")

    eventually(lambda: not door.watched, what="nothing is listened for")


def test_another_path_is_answered_as_without_an_upgrade(site: Site) -> None:
    _, address = site
    upgrade = {"Upgrade": "websocket", "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec_WebSocket_Version": "13"}

    answer = ask(address, "GET", "/else", **{"Connection": "Upgrade", **upgrade})

    assert (answer.status, answer.body) == (404, b"/else")
