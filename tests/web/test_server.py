"""The HTTP server as a service: starting, stopping, and clients that mean no good."""

import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from conftest import eventually
from cryptography.hazmat.primitives import serialization
from engine.service_contract import stress
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web.site import Site, exchange, received

from goophry.errors import StartError
from goophry.web import connections, server
from goophry.web.listen import TlsFiles

pytest_plugins = ("web.fixtures",)

Start = Callable[..., Site]


def test_it_keeps_the_contract_of_a_service() -> None:
    stress(lambda: Site().server, rounds=3)


def test_it_keeps_the_contract_over_tls(tls_files: TlsFiles) -> None:
    stress(lambda: Site(tls=tls_files).server, rounds=1)


def test_it_can_start_again_on_the_same_port_at_once(site: Start) -> None:
    made = site()
    again = Site(interface=made.server.address)
    with made.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        made.server.stop()
        again.server.start()

    assert again.get().status == 200
    again.server.stop()


def test_signal_handlers_stay_as_they_are(site: Start) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    site().get()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("interface", ["127.0.0.1:0", "localhost:0", ":0", "0.0.0.0:0"])
def test_these_interfaces_are_listened_on(site: Start, interface: str) -> None:
    made = site(interface=interface)
    assert made.get().status == 200


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
@pytest.mark.parametrize("interface", ["[::1]:0", ":0"])
def test_ipv6_is_listened_on(site: Start, interface: str) -> None:
    made = site(interface=interface)
    try:
        client = socket.create_connection(("::1", made.port), 20)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with client:
        assert exchange(client, b"GET / HTTP/1.0\r\n\r\n").status == 200


def test_a_busy_port_is_one_sentence_and_leaves_nothing(site: Start) -> None:
    taken = site().server.address
    before = threading.active_count()

    with pytest.raises(StartError, match=rf"^StatsInterface: cannot listen on {taken}: address already in use$"):
        Site(interface=taken).server.start()

    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("interface", "sentence"),
    [
        ("8080", "expected host:port, :port or \\[address\\]:port, found '8080'"),
        ("localhost", "expected host:port"),
        ("::1:80", "expected host:port"),
        ("127.0.0.1:http", "expected host:port"),
        ("127.0.0.1:65536", "expected host:port"),
        ("127.0.0.1:-1", "expected host:port"),
        ("", "expected host:port"),
        ("192.0.2.1:0", "cannot listen on 192.0.2.1:0: cannot assign requested address"),
        ("no.such.host.invalid:0", "cannot listen on no.such.host.invalid:0: "),
        ("a..b:0", "cannot listen on a..b:0: "),
    ],
)
def test_a_bad_address_is_one_sentence(interface: str, sentence: str) -> None:
    with pytest.raises(StartError, match=f"^StatsInterface: {sentence}"):
        Site(interface=interface).server.start()


def test_a_certificate_that_cannot_be_used_is_one_sentence(
    tls_files: TlsFiles, authority: trustme.CA, tmp_path: Path
) -> None:
    def refusal(cert: Path, key: Path) -> str:
        with pytest.raises(StartError) as caught:
            Site(tls=TlsFiles(cert, key)).server.start()
        return str(caught.value)

    cert, key, absent, empty = tls_files.cert, tls_files.key, tmp_path / "absent", tmp_path / "empty"
    empty.write_text("")
    assert refusal(absent, key) == f"StatsTLSCertFile: {absent}: cannot be read: no such file or directory"
    assert refusal(cert, absent) == f"StatsTLSKeyFile: {absent}: cannot be read: no such file or directory"
    assert refusal(cert, tmp_path) == f"StatsTLSKeyFile: {tmp_path}: cannot be read: is a directory"
    assert refusal(empty, key) == f"StatsTLSCertFile: {empty}: expected a certificate in PEM form, found none"
    assert refusal(key, key) == f"StatsTLSCertFile: {key}: expected a certificate in PEM form, found none"
    assert refusal(cert, cert) == f"StatsTLSKeyFile: {cert}: expected a private key in PEM form, found none"

    other = tmp_path / "other.pem"
    authority.issue_cert("localhost").private_key_pem.write_to_path(other)
    assert refusal(cert, other) == f"StatsTLSKeyFile: {other}: the key does not belong to the certificate {cert}"

    torn = tmp_path / "torn.pem"
    torn.write_bytes(key.read_bytes()[:-60] + b"\n-----END EC PRIVATE KEY-----\n")
    assert refusal(cert, torn).startswith(f"StatsTLSCertFile, StatsTLSKeyFile: {cert} and {torn} cannot be used: ")

    locked = tmp_path / "locked.pem"
    opened = serialization.load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(
        opened.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert refusal(cert, locked) == f"StatsTLSKeyFile: {locked}: the key is encrypted; expected one without a password"


def test_five_hundred_slow_clients_do_not_keep_a_scraper_out(site: Start) -> None:
    made = site()
    slow = [made.connect() for _ in range(500)]
    for number, client in enumerate(slow):
        client.sendall((b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"\0")[number % 4])

    assert made.get("/?format=json").status == 200
    assert made.get().status == 200
    assert made.get("/healthz").status == 200
    for client in slow:
        client.close()
    assert made.get("/healthz").status == 200


def test_five_hundred_scrapes_at_once_are_all_answered(site: Start) -> None:
    made = site()
    clients = [made.connect() for _ in range(500)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    for client in clients:
        with client:
            assert received(client).startswith(b"HTTP/1.1 200 ")


def test_one_connection_too_many_drops_the_one_silent_longest(site: Start) -> None:
    made = site(max_connections=8)
    clients = [made.connect() for _ in range(8)]
    eventually(lambda: made.get("/healthz").status == 200)

    assert received(clients[0]) == b""

    clients[-1].sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert received(clients[-1]).endswith(b"ok\n")
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: ",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
    ],
)
def test_a_request_that_never_ends_is_cut_off(site: Start, monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(connections, "REQUEST_WAIT_S", 0.2)
    with site().connect() as client:
        client.sendall(begun)
        received(client)  # returns when the server has closed, else the socket's timeout fails the test


def test_a_handshake_that_never_ends_is_cut_off(
    site: Start, monkeypatch: pytest.MonkeyPatch, tls_files: TlsFiles
) -> None:
    monkeypatch.setattr(server, "REQUEST_WAIT_S", 0.2)
    with site(tls=tls_files).connect() as client:
        client.sendall(b"\x16\x03\x01")
        received(client)


def test_a_client_that_does_not_read_is_cut_off(site: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READ_WAIT_S", 0.2)
    made = site(types=[f"type{number}" for number in range(500)])
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(20)
        client.connect(("127.0.0.1", made.port))
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        eventually(lambda: _is_cut_off(client), what="the server closes")


def _is_cut_off(client: socket.socket) -> bool:
    try:
        client.send(b"x")
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\0" * 5000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\0\0\0rubbish behind it\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 10_000_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 10_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + b"a" * 10_000_000,
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAccept: " + b"a/b;q=0.1," * 1500 + b"\r\n\r\n",
        b"GET /?" + b"format=json&" * 1000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=range(19),
)
def test_rubbish_gets_an_error_or_an_end_and_harms_nobody(
    site: Start, caplog: pytest.LogCaptureFixture, rubbish: bytes
) -> None:
    made = site()
    with made.connect() as client:
        try:
            client.sendall(rubbish)
            client.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass
        answer = received(client)

    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200"))
    assert made.get("/?format=json").status == 200
    assert not caplog.records


CHUNKED = b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_body_that_turns_to_rubbish_after_the_answer_ends_the_connection(
    site: Start, caplog: pytest.LogCaptureFixture
) -> None:
    made = site()
    with made.connect() as client:
        client.sendall(b"GET /healthz" + CHUNKED)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        client.sendall(b"zz\r\n")
        received(client)

    assert not caplog.records


def test_a_body_that_turns_to_rubbish_before_the_answer_is_a_400(site: Start, caplog: pytest.LogCaptureFixture) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow() -> list[str]:
        asked.set()
        go_on.wait(20)
        return []

    made = site(ready=slow)
    with made.connect() as client:
        client.sendall(b"GET /readyz" + CHUNKED)
        assert asked.wait(20)
        client.sendall(b"zz\r\n")
        assert received(client).startswith(b"HTTP/1.1 400 ")
        go_on.set()
    made.server.stop()

    assert not caplog.records


def test_a_client_that_goes_before_its_answer_is_no_matter(site: Start, caplog: pytest.LogCaptureFixture) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow() -> list[str]:
        asked.set()
        go_on.wait(20)
        return []

    made = site(ready=slow)
    with made.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close means reset
        client.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert asked.wait(20)
    go_on.set()

    assert made.get("/healthz").status == 200
    made.server.stop()
    assert not caplog.records


PIECES = (
    *(b"GET ", b"HEAD ", b"POST ", b"/", b"/healthz", b"http://[x", b"?format=", b"json", b" HTTP/1.1", b" HTTP/1.0"),
    *(b"\r\n", b"\r\n", b"\r\n\r\n", b"\n", b"\0", b": ", b"Host: x", b"Content-Length: ", b"5", b"Accept: a;q=,"),
    *(b"Transfer-Encoding: chunked", b"Connection: close", b"Expect: 100-continue", b"Upgrade: h2c", b"\xff"),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=12).map(b"".join))
def test_whatever_is_sent_gets_an_http_answer_or_an_end(shared_site: Site, sent: bytes) -> None:
    with shared_site.connect() as client:
        try:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass
        answer = received(client)

    assert answer == b"" or answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4", b"HTTP/1.1 100"))


@pytest.fixture
def shared_site(site: Start, caplog: pytest.LogCaptureFixture) -> Iterator[Site]:
    """One site for all examples of a property; at the end it still serves and has logged nothing."""
    made = site()
    yield made
    assert made.get("/?format=json").status == 200
    assert not caplog.records


def test_pipelined_requests_are_answered_in_order(site: Start) -> None:
    with site().connect() as client:
        client.sendall(
            b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        raw = received(client)

    assert raw.index(b" 200 OK") < raw.index(b" 404 Not Found")


def test_it_stops_with_connections_of_every_kind_open(site: Start, tls_files: TlsFiles) -> None:
    for tls in (None, tls_files):
        made = site(tls=tls)
        clients = [made.connect() for _ in range(30)]
        for number, client in enumerate(clients):
            client.sendall((b"", b"GET / HT", b"\x16\x03\x01", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")[number % 4])

        began = time.monotonic()
        made.server.stop()

        assert time.monotonic() - began < 10  # 0.1 s when nothing else runs
        for client in clients:
            with client:
                received(client)
        with pytest.raises(ConnectionRefusedError):
            made.connect()


def test_an_answer_in_the_making_is_given_before_the_end(site: Start) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow() -> list[str]:
        asked.set()
        go_on.wait(20)
        return []

    made = site(ready=slow)
    with made.connect() as client:
        client.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert asked.wait(20)
        stopping = threading.Thread(target=made.server.stop)
        stopping.start()
        eventually(lambda: _refused(made))
        go_on.set()
        stopping.join(20)

        assert received(client).endswith(b"ok\n")


def _refused(made: Site) -> bool:
    try:
        made.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_an_idle_server_sleeps(site: Start) -> None:
    made = site()
    with made.connect():
        made.get()
        thread = next(found for found in threading.enumerate() if found.name == "goophry-stats-server")
        clock = time.pthread_getcpuclockid(thread.ident or 0)
        before = time.clock_gettime(clock)
        threading.Event().wait(1.5)  # the span that is measured, not a hope

        assert time.clock_gettime(clock) - before < 0.1


def test_when_file_descriptors_run_out_it_recovers(site: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    made = site()
    real, fails = socket.socket.accept, iter(range(3))

    def scarce(listener: socket.socket) -> tuple[socket.socket, object]:
        if next(fails, None) is not None:
            raise OSError(24, "Too many open files")
        return real(listener)

    monkeypatch.setattr(socket.socket, "accept", scarce)

    assert made.get("/healthz").status == 200
