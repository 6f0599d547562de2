"""Real HTTP servers on loopback that do what a test wants."""

import contextlib
import gzip
import http.server
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Seen:
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what these tests are about."""


class Site:
    """A server; `replies` holds what is answered to a path, all else is 404."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.replies: dict[str, Reply] = {}
        self.hanging, self._closing = threading.Event(), threading.Event()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def __getattr__(self, name: str) -> Any:
                if not name.startswith("do_"):
                    raise AttributeError(name)
                return lambda: site.answer(self)

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        if tls is not None:
            # The handshake is the handler's, in its own thread.
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "/", *, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length", 0))
        headers = {name.lower(): text for name, text in handler.headers.items()}
        self.seen.append(Seen(handler.command, handler.path, headers, handler.rfile.read(length)))
        if handler.path == "/hang":
            self.hanging.set()
            self._closing.wait(30)
            handler.close_connection = True
            return
        reply = self.replies.get(handler.path, Reply(404, b"nothing here"))
        handler.send_response(reply.status)
        for name, text in reply.headers.items():
            handler.send_header(name, text)
        if "Content-Length" not in reply.headers:
            handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(reply.body)

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def read_head(client: socket.socket) -> bytes:
    """Read to the blank line, or to the end; what follows may come with it."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(65536)
        if not piece:
            break
        head += piece
    return head


class RawServer:
    """Waits for one request after the other and sends bytes, whatever they are; then it closes, or keeps silent."""

    def __init__(self, reply: bytes, *, stays: bool = False, reads: bool = True) -> None:
        self._reply, self._stays, self._reads = reply, stays, reads
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self.answered = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def _run(self) -> None:
        self._listener.settimeout(0.05)
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            with client, contextlib.suppress(OSError):
                client.settimeout(20)
                if self._reads:
                    read_head(client)
                client.sendall(self._reply)
                self.answered.set()
                if self._stays:
                    self._closing.wait(30)

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self._listener.close()


def packed(body: bytes) -> Reply:
    return Reply(200, gzip.compress(body), {"Content-Encoding": "gzip"})


@contextlib.contextmanager
def raw_servers() -> Iterator[Callable[..., RawServer]]:
    """Start servers that send these bytes; all are gone afterwards."""
    with contextlib.ExitStack() as stack:

        def start(reply: bytes, **keys: bool) -> RawServer:
            server = RawServer(reply, **keys)
            stack.callback(server.close)
            return server

        yield start


class TunnelProxy:
    """Takes one CONNECT, keeps its head, and connects with `port` of this machine whatever was asked for."""

    def __init__(self, port: int) -> None:
        self.head = b""
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        client, _ = self._listener.accept()
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            while not self.head.endswith(b"\r\n\r\n"):
                self.head += client.recv(1)
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            peers = {client: server, server: client}
            while peers:
                for source in select.select(list(peers), [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    peers[source].sendall(data)

    def close(self) -> None:
        self._thread.join()
        self._listener.close()
