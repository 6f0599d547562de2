"""The `http` kind: a request for each entry, judged by its status, and never to where the type does not allow it."""

import os
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually
from contract import Acts, RunnerContract, job
from http_site import RawServer, Reply, Site, packed

from goophry.config import TaskType
from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Runner
from goophry.runners.build import runner_factory

pytest_plugins = ["http_runners"]

Ask = Callable[..., Outcome]
Make = Callable[..., Runner]
Raw = Callable[..., RawServer]
TlsSite = Callable[..., Site]
Hosts = Callable[..., dict[str, str]]


class TestHttpRunner(RunnerContract):
    """What every runner must do."""

    failure = "status 503\n\nwhy"

    @pytest.fixture
    def acts(self, make: Make, site: Site) -> Acts:
        self.runner, self.site = make, site
        site.replies |= {"/succeed": Reply(200, b"well"), "/fail": Reply(503, b"why\n")}
        return self

    def args(self, deed: str) -> tuple[str, ...]:
        return ("GET", self.site.url(f"/{deed}"))

    def has_begun(self) -> bool:
        return self.site.hanging.is_set()


class TestHttpsRunner(TestHttpRunner):
    """The same under TLS."""

    @pytest.fixture
    def acts(self, make: Make, tls_site: TlsSite, trusted: Path) -> Acts:
        self.runner, self.site = make, tls_site("127.0.0.1")
        self.site.replies |= {"/succeed": Reply(200, b"well"), "/fail": Reply(503, b"why\n")}
        return self


# What is sent


def test_that_the_request_is_plain(ask: Ask, site: Site) -> None:
    site.replies["/a%20b?c=%C3%BC"] = Reply(200, b"body")

    outcome = ask("get", site.url("/x/../a b?c=ü#d"))

    assert (outcome.verdict, outcome.stdout.text()) == (Verdict.SUCCESS, "body")
    (seen,) = site.seen
    assert (seen.method, seen.path, seen.body) == ("GET", "/a%20b?c=%C3%BC", b"")
    assert seen.headers.pop("user-agent").startswith("goophry/")
    assert seen.headers == {"host": f"127.0.0.1:{site.port}", "accept": "*/*", "connection": "close"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "GET", "DELETE", "OPTIONS"])
def test_that_the_body_is_sent_as_it_is(ask: Ask, site: Site, method: str) -> None:
    site.replies["/"] = Reply(200)

    assert ask(method, site.url(), "ü\0\r\n\udcff").ok
    assert ask(method, site.url(), "").ok

    with_body, without = site.seen
    assert (with_body.method, with_body.body) == (method, "ü\0\r\n".encode() + b"\xff")
    assert without.headers.get("content-length") == ("0" if method in {"POST", "PUT", "PATCH"} else None)


def test_that_a_head_request_has_no_body_to_wait_for(ask: Ask, site: Site) -> None:
    site.replies["/"] = Reply(200, b"", {"Content-Length": "1000"})

    assert ask("HEAD", site.url()).ok


def test_that_headers_are_those_of_type_and_entry(ask: Ask, site: Site) -> None:
    site.replies["/"] = Reply(200)
    of_type = {"X-Type": "1", "content-TYPE": "application/json", "User-Agent": "", "Host": "virtual", "Accept": "a/b"}
    of_entry = {"x-type": "2", "X-Entry": "é", "Accept-Encoding": "gzip"}

    assert ask("POST", site.url(), "{}", Headers=of_type, fields={"hEADERS": of_entry}).ok

    assert site.seen[0].headers == {
        "host": "virtual",
        "accept": "a/b",
        "x-type": "1",
        "x-entry": "é",
        "content-type": "application/json",
        "accept-encoding": "gzip",
        "content-length": "2",
        "connection": "close",
    }


def test_that_user_and_password_of_the_url_become_a_header_and_are_not_shown(ask: Ask, site: Site) -> None:
    url = site.url("/fail").replace("//", "//me:s%40cret@")

    outcome = ask("GET", url)
    refused = ask("GET", url, AllowUrls=["http://h/"])
    own = ask("GET", url, Headers={"Authorization": "mine"})

    assert [seen.headers["authorization"] for seen in site.seen] == ["Basic bWU6c0BjcmV0", "mine"]
    assert "cret" not in outcome.message + refused.message + own.message


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_that_the_environment_names_no_proxy(
    ask: Ask, site: Site, raw: Raw, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    proxy = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy")
    monkeypatch.setenv(variable, proxy.url())
    site.replies["/"] = Reply(200, b"direct")

    assert ask("GET", site.url()).stdout.text() == "direct"


@pytest.mark.parametrize(
    ("args", "fields", "message"),
    [
        ((), {}, "expected Args of a method, a URL and perhaps a body, found 0 of them"),
        (("GET",), {}, "expected Args of a method, a URL and perhaps a body, found 1 of them"),
        (("GET", "u", "b", "x"), {}, "expected Args of a method, a URL and perhaps a body, found 4 of them"),
        (("", "http://127.0.0.1/"), {}, "expected a method as GET or POST in Args[0]"),
        (("GET / HTTP/1.1\r\nX:", "http://127.0.0.1/"), {}, "expected a method as GET or POST in Args[0]"),
        (("connect", "http://127.0.0.1/"), {}, "expected a method as GET or POST in Args[0]"),
        (("GET", "127.0.0.1"), {}, "expected a URL that begins with http:// or https://"),
        (("GET", "http://127.0.0.1/\r\nX: y"), {}, "the URL holds control characters"),
        (("GET", "http://h/"), {"Headers": []}, 'Headers: expected an object of strings, as {"Accept":"text/plain"}'),
        (
            ("GET", "http://h/"),
            {"Headers": {"A": 1}},
            'Headers: expected an object of strings, as {"Accept":"text/plain"}',
        ),
        (
            ("GET", "http://h/"),
            {"Headers": {"Host": "other"}},
            "Headers: expected other headers than Host, which nobody may set here",
        ),
        (
            ("GET", "http://h/"),
            {"Headers": {"transfer-Encoding": "chunked"}},
            "Headers: expected other headers than transfer-Encoding, which nobody may set here",
        ),
        (
            ("GET", "http://h/"),
            {"Headers": {"A": "x\r\nHost: y"}},
            "Headers: expected one line of Latin-1 text as the value of A",
        ),
        (
            ("GET", "http://h/"),
            {"Headers": {"A\r\nB": "x"}},
            "Headers: expected names of headers, of letters, digits and dashes",
        ),
        (
            ("GET", "http://h/"),
            {"Headers": {"A": "x", "a": "y"}},
            "Headers: expected each header once, in whatever case",
        ),
    ],
)
def test_that_what_is_no_request_is_told(ask: Ask, args: tuple[str, ...], fields: Any, message: str) -> None:
    outcome = ask(*args, fields=fields)

    assert (outcome.verdict, outcome.message) == (Verdict.START_FAILED, message)


# What comes back


@pytest.mark.parametrize(
    ("success", "good", "bad"),
    [
        (None, [200, 201, 204, 299], [301, 404, 500]),
        (["200"], [200], [201, 302, 500]),
        (["200", "4xx"], [200, 404], [201, 302, 500]),
    ],
)
def test_that_the_status_decides(ask: Ask, site: Site, success: Any, good: list[int], bad: list[int]) -> None:
    site.replies = {f"/{status}": Reply(status) for status in good + bad}
    keys = {} if success is None else {"Success": success}

    outcomes = {status: ask("GET", site.url(f"/{status}"), **keys) for status in good + bad}

    assert [status for status in good if not outcomes[status].ok] == []
    assert {outcomes[status].message for status in bad} == {f"status {status}" for status in bad}


def test_that_the_body_is_kept_and_its_end_told(ask: Ask, site: Site) -> None:
    body = b"".join(b"%07d\n" % number for number in range(10_000))
    site.replies |= {"/": Reply(200, body), "/bad": Reply(500, body)}

    good, bad = ask("GET", site.url(), OutputLimit=1024), ask("GET", site.url("/bad"), OutputLimit=1024)

    assert (good.stdout.head, good.stdout.tail, good.stdout.size) == (body[:512], body[-512:], len(body))
    assert bad.message == f"status 500\n\n{body[-512:].decode().rstrip()}"
    assert bad.stdout == good.stdout


def test_that_packed_bodies_are_unpacked(ask: Ask, site: Site, raw: Raw) -> None:
    site.replies["/"] = packed(b"plain text")
    broken = raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain")

    assert ask("GET", site.url()).stdout.text() == "plain text"
    assert ask("GET", broken.url()).message == f"GET {broken.url()}: the body of the answer cannot be unpacked"


def test_that_chunks_are_put_together(ask: Ask, raw: Raw) -> None:
    server = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX: y\r\n\r\n")

    assert ask("GET", server.url()).stdout.text() == "abcde"


def test_that_a_gigabyte_does_not_grow_memory(ask: Ask, site: Site) -> None:
    """Also not one that was packed small."""
    site.replies["/"] = packed(bytes(100_000_000))

    outcome = ask("GET", site.url(), OutputLimit=4096)

    assert (outcome.stdout.size, len(outcome.stdout.head + outcome.stdout.tail)) == (100_000_000, 4096)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"", "the server closed the connection without an answer"),
        (b"SSH-2.0-server\r\n", "the answer is not HTTP as it should be: SSH-2.0-server"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "the answer is not HTTP as it should be: HTTP/1.1 abc OK"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "the answer broke off in the middle"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "the answer broke off in the middle"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "the answer broke off in the middle"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "the answer is not HTTP as it should be"),
        (
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
            "the answer is not HTTP as it should be: got more than 65536 bytes",
        ),
        (
            b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200,
            "the answer is not HTTP as it should be: got more than 100 headers",
        ),
    ],
)
def test_that_a_broken_answer_is_told(ask: Ask, raw: Raw, reply: bytes, reason: str) -> None:
    server = raw(reply)

    outcome = ask("GET", server.url(), Timeout=20)

    assert outcome.verdict is Verdict.FAILED
    assert outcome.message.startswith(f"GET {server.url()}: {reason}")


def test_that_a_server_that_is_not_there_is_told(ask: Ask) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"

        outcome = ask("GET", url)

    assert (outcome.verdict, outcome.message) == (Verdict.FAILED, f"GET {url}: connection refused")


def test_that_an_answer_before_the_end_of_the_request_counts(ask: Ask, raw: Raw) -> None:
    """The server closes with most of the body unread, so the connection is reset."""
    server = raw(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", reads=False)

    outcome = ask("POST", server.url(), "x" * 30_000_000)

    assert outcome.message in {"status 413", f"POST {server.url()}: connection reset by peer"}


# Time


@pytest.mark.parametrize(
    ("reply", "doing"),
    [
        (b"", "waiting for the answer"),
        (b"HTTP/1.1 200 OK\r\n", "waiting for the answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "waiting for the answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "reading the answer"),
    ],
)
def test_that_a_server_that_stalls_is_given_up(ask: Ask, raw: Raw, reply: bytes, doing: str) -> None:
    server = raw(reply, stays=True)

    outcome = ask("GET", server.url(), Timeout=0.3)

    assert outcome.verdict is Verdict.TIMEOUT
    assert outcome.message == f"timed out after 0.3 s\n\nGET {server.url()}: {doing}"


def test_that_the_time_is_for_all_of_it_and_not_for_each_read(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def drip() -> None:
            client, _ = listener.accept()
            with client:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while not stop.wait(0.02):
                    try:
                        client.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        outcome = ask("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/", Timeout=0.5)
        stop.set()
        thread.join()

    assert outcome.verdict is Verdict.TIMEOUT


def test_that_a_server_that_never_stops_is_given_up(ask: Ask) -> None:
    """There is always something to read, and never a wait."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def flood() -> None:
            client, _ = listener.accept()
            with client:
                try:
                    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    while True:
                        client.sendall(bytes(1 << 20))
                except OSError:
                    return

        thread = threading.Thread(target=flood)
        thread.start()
        outcome = ask("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/", Timeout=0.5)
        thread.join()

    assert outcome.verdict is Verdict.TIMEOUT


def test_that_a_connection_that_is_not_taken_is_given_up(ask: Ask) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):  # more than the backlog holds; the next ones get no answer
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(full.getsockname())
        port = full.getsockname()[1]

        outcome = ask("GET", f"http://127.0.0.1:{port}/", Timeout=0.3)

        for each in waiting:
            each.close()
    assert outcome.message.endswith(f"connecting to 127.0.0.1 port {port}")


def test_that_a_body_that_is_not_read_is_given_up(ask: Ask, raw: Raw) -> None:
    server = raw(b"", stays=True, reads=False)

    outcome = ask("POST", server.url(), "x" * 30_000_000, Timeout=0.5)

    assert outcome.message == f"timed out after 0.5 s\n\nPOST {server.url()}: sending the request"


# What is left


def test_that_nothing_is_left_of_many_requests(make: Make, site: Site) -> None:
    site.replies["/"] = Reply(200, b"x")
    runner = make(AllowUrls=["http://localhost:", "http://127.0.0.1:"], Timeout=20)
    runner.run(job("GET", site.url(host="localhost")))
    before, threads = os.listdir("/proc/self/fd"), threading.active_count()  # noqa: PTH208

    for host in ("127.0.0.1", "localhost") * 20:
        assert runner.run(job("GET", site.url(host=host))).ok
        assert runner.run(job("GET", site.url("/none", host=host))).message.startswith("status 404")
    runner.run(job("GET", site.url("/hang"), timeout_s=0.1))

    eventually(lambda: threading.active_count() <= threads + 1)
    assert len(os.listdir("/proc/self/fd")) <= len(before) + 1  # noqa: PTH208 - the server's end of the one that hangs


def test_that_the_store_is_read_once_for_all_workers(trusted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ssl.SSLContext] = []
    original = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda: made.append(original()) or made[-1])
    factory = runner_factory(TaskType(Type="h", Kind="http", AllowUrls=["https://127.0.0.1:1/"]), instance_id="here")

    runners = [factory() for _ in range(3)]
    for runner in runners:
        runner.run(job("GET", "https://127.0.0.1:1/"))
        runner.close()

    assert len(made) <= 1
