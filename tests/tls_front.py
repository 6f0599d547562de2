"""TLS in front of a Redis that may have none: it asks for certificates, and passes on what comes."""

import contextlib
import socket
import ssl
import threading
import time
from typing import Self

from tls_files import TlsFiles


class TlsFront:
    """A context manager; `address` is where it listens."""

    def __init__(self, target: str, files: TlsFiles) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=files.authority)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(files.server)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.handshakes = 0
        self.frozen = threading.Event()
        """While it is set, nothing is passed on."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.frozen.clear()
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(10)

    def _begin(self, act: object, *args: object) -> None:
        thread = threading.Thread(target=act, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._begin(self._serve, self._listener.accept()[0])

    def _serve(self, plain: socket.socket) -> None:
        self._sockets.append(plain)
        try:
            client = self._context.wrap_socket(plain, server_side=True)
        except (OSError, ValueError):
            plain.close()
            return
        self.handshakes += 1
        server = socket.create_connection(self._target)
        self._sockets += (client, server)
        self._begin(self._carry, client, server)
        self._carry(server, client)

    def _carry(self, source: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(65_536):
                while self.frozen.is_set():
                    time.sleep(0.01)
                to.sendall(data)
        for end in (source, to):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
