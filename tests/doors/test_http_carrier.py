"""The carrier of HTTP: bodies, bounds, and doors that fail."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from doors.http_client import Answer, ask, read_answer, send

from goophry.doors import http
from goophry.doors.base import Reply, Request
from goophry.doors.http import HttpCarrier
from goophry.web.server import HttpServer


class Echo:
    """A door that tells what it was handed."""

    name = "echo"

    def __init__(self, *, body_limit: int = 1000) -> None:
        self.body_limit = body_limit
        self.requests: list[Request] = []

    def answer(self, request: Request) -> Reply:
        self.requests.append(request)
        if request.path == b"/fault":
            raise RuntimeError("a fault")
        return Reply(200, b"None" if request.body is None else request.body, {"X-Kind": "echo"})


Serve = Callable[..., tuple[Echo, str]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[HttpServer] = []

    def start(**options: Any) -> tuple[Echo, str]:
        door = Echo(**options)
        servers.append(HttpServer(HttpCarrier(door), settings="Doors.Echo.", interface="127.0.0.1:0"))
        servers[-1].start()
        return door, servers[-1].address

    yield start
    for server in servers:
        server.stop()


def test_a_request_is_handed_over_whole_and_the_reply_sent_as_it_is(serve: Serve) -> None:
    door, address = serve()

    answer = ask(address, "PUT", "/a%2Fb//c?x=1&y", b"body\0\xff", content_type="text/x", X_First="1")

    assert (answer.status, answer.body) == (200, b"body\0\xff")
    assert answer.headers["X-Kind"] == "echo"
    (request,) = door.requests
    assert (request.method, request.path, request.query) == ("PUT", b"/a%2Fb//c", b"x=1&y")
    assert request.headers["content-type"] == "text/x"


def test_of_headers_that_come_twice_the_first_counts(serve: Serve) -> None:
    door, address = serve()

    send(address, b"GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nX-A: 2\r\n\r\n")

    assert door.requests[0].headers["x-a"] == "1"


def test_a_whole_url_is_as_good_as_its_path(serve: Serve) -> None:
    door, address = serve()

    send(address, b"GET http://elsewhere/p?q HTTP/1.1\r\nHost: x\r\n\r\n")

    assert door.requests[0].path == b"/p"


def test_chunks_make_one_body_and_the_client_is_told_to_go_on(serve: Serve) -> None:
    _, address = serve()
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

        assert read_answer(client).body == b"abcde"


def test_a_body_too_long_is_read_to_its_end_and_not_kept(serve: Serve) -> None:
    _, address = serve(body_limit=10)

    answers = [ask(address, "POST", "/", b"x" * size) for size in (10, 11, 5_000_000)]

    assert [answer.body for answer in answers] == [b"x" * 10, b"None", b"None"]


def test_all_bodies_together_have_a_limit(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_HELD", 100)
    _, address = serve()

    answers = [ask(address, "POST", "/", b"x" * size).body for size in (101, 100, 100)]

    assert answers == [b"None", b"x" * 100, b"x" * 100], "what was held is given back"


def test_who_never_ends_is_cut_off(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_DRAINED", 1000)
    door, address = serve(body_limit=10)
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        with pytest.raises(OSError):
            _send_for_ever(client)

    assert not door.requests


def test_who_stops_in_the_middle_is_dropped(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_WAIT_S", 0.05)
    door, address = serve()
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        assert not _rest_of(client).startswith(b"HTTP/1.1 200")

    assert not door.requests


def test_a_fault_of_the_door_is_an_answer_without_details(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    _, address = serve()

    answer = ask(address, "GET", "/fault")

    assert (answer.status, answer.text) == (500, "Internal Server Error\n")
    assert "a fault" in caplog.text
    assert isinstance(ask(address, "GET", "/"), Answer)


def _send_for_ever(client: socket.socket) -> None:
    while True:
        client.sendall(b"x" * 100_000)


def _rest_of(client: socket.socket) -> bytes:
    received = b""
    while some := client.recv(1000):
        received += some
    return received
