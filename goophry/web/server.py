"""The HTTP server as a Service: uvicorn in a thread of its own, hardened.

What is ours: the socket is bound, and the certificate read, before `start` returns; signal
handlers stay as they are; clients that are slow, silent or many cannot keep others from an answer
(see `connections`; when there are too many, the one that has been silent longest is dropped);
and `stop` does not wait for anybody longer than `STOP_WAIT_S`.
"""

import asyncio
import contextlib
import logging
import resource
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from goophry.errors import StartError
from goophry.web.connections import REQUEST_WAIT_S, Connection, on_loop_error
from goophry.web.listen import TlsFiles, bound_socket, tls_context

#: Connections at a time; fewer where the process may open few files, as workers need some too.
MAX_CONNECTIONS: Final = 1000

#: What a request's line and headers may take together.
MAX_HEADER_BYTES: Final = 16384

#: Longest message of a WebSocket.
MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024

#: How long a stop waits for answers that are being made.
STOP_WAIT_S: Final = 0.5

_TICK_S: Final = 1.0
_RETRY_ACCEPT_S: Final = 0.1

_log: Final = logging.getLogger(__name__)


class HttpServer:
    """Serves an ASGI application on one interface. A Service; after a stop it can start again.

    `settings` is how the settings begin that its error sentences name: `Stats` for
    StatsInterface, StatsTLSCertFile and StatsTLSKeyFile.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: str,
        interface: str,
        tls: TlsFiles | None = None,
        max_connections: int = MAX_CONNECTIONS,
        connection: type[Connection] = Connection,
        websockets: Callable[..., asyncio.Protocol] | None = None,
    ) -> None:
        """`websockets` makes the protocol of one, as `sockets.Socket`; None = there are none."""
        self._app, self._settings, self._interface, self._tls = app, settings, interface, tls
        self._max_connections, self._connection, self._websockets = max_connections, connection, websockets
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._server: _Server | None = None
        self.address = interface
        """Where it listens; from `start` on with the real port, should that have been 0."""

    def start(self) -> None:
        """Listen; raises `StartError` for a taken port, a bad address or a bad certificate."""
        with self._lock:
            if self._thread is not None:
                return
            tls = self._tls_context()
            listener = bound_socket(self._interface, setting=f"{self._settings}Interface")
            listener.setblocking(False)
            self.address = _shown(listener)
            most = _possible(self._max_connections)
            self._server = _Server(self._config(), listener=listener, tls=tls, max_connections=most)
            name = f"goophry-{self._settings.lower()}-server"
            self._thread = threading.Thread(target=self._serve, args=(self._server, name), name=name, daemon=True)
            self._thread.start()
            self._server.settled.wait()
            if not self._server.started:
                self._end()
                raise StartError(
                    f"{self._settings}Interface: the server on {self._interface} ended at once, see the log"
                )

    def stop(self) -> None:
        """Stop listening, give answers in the making `STOP_WAIT_S`, close every connection.

        An answer that waits for Redis holds it up for as long as that may take.
        """
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._thread is None or self._server is None:
            return
        self._server.request_stop()
        self._thread.join()
        self._thread = self._server = None

    def _serve(self, server: "_Server", name: str) -> None:
        try:
            with ThreadPoolExecutor(max_workers=16, thread_name_prefix=name) as threads:
                asyncio.run(server.serve_with(threads))
        except Exception:
            _log.exception("HTTP server died", extra={"action": "serve", "interface": self._interface})
        finally:
            server.listener.close()
            server.settled.set()

    def _tls_context(self) -> ssl.SSLContext | None:
        if self._tls is None:
            return None
        cert_setting, key_setting = f"{self._settings}TLSCertFile", f"{self._settings}TLSKeyFile"
        return tls_context(self._tls, cert_setting=cert_setting, key_setting=key_setting)

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._app,
            http=self._connection,
            ws=self._websockets or "none",  # type: ignore[arg-type] # it is called, and nothing else
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_per_message_deflate=False,  # a few bytes could become gigabytes
            loop="asyncio",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            # Its lines are about clients' mistakes; our applications log their own errors.
            log_level=logging.CRITICAL,
            access_log=False,
            workers=1,  # given, so that WEB_CONCURRENCY is not read
            proxy_headers=False,
            forwarded_allow_ips="",
            server_header=False,
            timeout_keep_alive=5,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        )


class _Server(uvicorn.Server):
    """uvicorn's server with another way to accept, to wait and to stop."""

    def __init__(
        self, config: uvicorn.Config, *, listener: socket.socket, tls: ssl.SSLContext | None, max_connections: int
    ) -> None:
        super().__init__(config)
        self.listener, self._tls = listener, tls
        self.settled = threading.Event()
        """Set when the server has started, or has failed to."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._retry: asyncio.TimerHandle | None = None
        self._adopting: dict[asyncio.Task[None], None] = {}  # TLS handshakes, the oldest first
        self._max_connections = max_connections

    def request_stop(self) -> None:
        """Make `serve` return soon; from any thread, as often as one likes."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._wake.set)

    async def serve_with(self, threads: ThreadPoolExecutor) -> None:
        """Serve until stopped; the application's blocking work runs in `threads`."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(threads)
        self._loop.set_exception_handler(on_loop_error)
        await self.serve()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 uvicorn's signature
        """Begin to accept."""
        self._accept_again()
        self.started = True
        self.settled.set()

    async def main_loop(self) -> None:
        """Once a second: renew the Date header, drop connections that are overdue."""
        while not await self.on_tick(0):
            now = asyncio.get_running_loop().time()
            for connection in self._connections():
                if connection.overdue(now):
                    connection.transport.abort()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _TICK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 uvicorn's signature
        """Close everything; answers in the making have `STOP_WAIT_S`."""
        self._pause_accepting()
        self.listener.close()
        for handshake in (handshakes := list(self._adopting)):
            handshake.cancel()
        if handshakes:
            await asyncio.wait(handshakes)
        for connection in list(self.server_state.connections):
            connection.shutdown()  # WebSockets too: they are told that the server goes
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=STOP_WAIT_S)
        await asyncio.sleep(0)  # one turn of the loop, in which closed connections go
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def _accept_again(self) -> None:
        self._retry = None
        asyncio.get_running_loop().add_reader(self.listener, self._accept)

    def _pause_accepting(self) -> None:
        asyncio.get_running_loop().remove_reader(self.listener)
        if self._retry is not None:
            self._retry.cancel()

    def _accept(self) -> None:
        """Take one client from the listener, which has one."""
        try:
            client, _ = self.listener.accept()
        except BlockingIOError:  # the client has gone again
            return
        except OSError:  # no file descriptor left
            self._make_room()
            self._pause_accepting()
            self._retry = asyncio.get_running_loop().call_later(_RETRY_ACCEPT_S, self._accept_again)
            return
        client.setblocking(False)
        if len(self.server_state.connections) + len(self._adopting) >= self._max_connections:
            self._make_room()
        task = asyncio.create_task(self._adopt(client))
        self._adopting[task] = None
        task.add_done_callback(partial(self._adopted, client))

    async def _adopt(self, client: socket.socket) -> None:
        limits = {"ssl_handshake_timeout": REQUEST_WAIT_S, "ssl_shutdown_timeout": 1.0} if self._tls else {}
        with contextlib.suppress(OSError):  # a handshake that failed is the client's affair
            await asyncio.get_running_loop().connect_accepted_socket(
                self._new_connection, client, ssl=self._tls, **limits
            )

    def _adopted(self, client: socket.socket, task: asyncio.Task[None]) -> None:
        del self._adopting[task]
        if task.cancelled():  # perhaps before it could hand the socket to a transport
            client.close()

    def _new_connection(self) -> Connection:
        kind = self.config.http_protocol_class
        return kind(config=self.config, server_state=self.server_state, app_state={})  # type: ignore[call-arg,return-value] # what `_config` gave

    def _make_room(self) -> None:
        """Drop the connection that has been silent longest, else the oldest handshake."""
        silent = [found for found in self._connections() if found.waiting_since is not None]
        if silent:
            min(silent, key=lambda found: found.waiting_since or 0.0).transport.abort()
        elif self._adopting:
            next(iter(self._adopting)).cancel()

    def _connections(self) -> list[Connection]:
        return [found for found in self.server_state.connections if isinstance(found, Connection)]


def _possible(wanted: int) -> int:
    """Return how many connections there may be where workers need file descriptors too."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if files == resource.RLIM_INFINITY else max(8, min(wanted, files // 2))


def _shown(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
