"""A connection whose every wait heeds the run's patience, in the shape that the standard library's clients take."""

import errno
import io
import os
import select
import socket
import ssl
from typing import Any, Final

from goophry.runners.patience import Patience
from goophry.urls import Address

#: Seconds that one of several addresses gets; then the next one is tried.
_CONNECT_S: Final = 10.0

_BUFFER: Final = 64 * 1024


def connect(addresses: list[Address], port: int, patience: Patience) -> "Stream":
    """Connect to the first of `addresses` that answers. Raises `OSError` and `RunEnded`."""
    *others, last = addresses
    for address in others:
        try:
            return _connect(address, port, patience, at_most_s=_CONNECT_S)
        except OSError:
            continue
    return _connect(last, port, patience)


def _connect(address: Address, port: int, patience: Patience, **limit: float) -> "Stream":
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 # the version of IP
    patience.doing = f"connecting to {address} port {port}"
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begun = sock.connect_ex((str(address), port))
        if begun == errno.EINPROGRESS:
            answered = patience.wait(sock.fileno(), select.POLLOUT, **limit)
            begun = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if answered else errno.ETIMEDOUT
    except BaseException:
        sock.close()
        raise
    if begun:
        sock.close()
        raise OSError(begun, os.strerror(begun))
    return Stream(sock, patience)


class Stream:
    """A connected socket, plain or under TLS, for one thread.

    To `http.client` and `smtplib` it is the socket. They close it whenever they think that it is
    done with; it is not until whoever made it calls `end`.
    """

    def __init__(self, sock: socket.socket, patience: Patience) -> None:
        self._sock = sock
        self._patience = patience

    def start_tls(self, context: ssl.SSLContext, *, server_hostname: str) -> None:
        """Go on under TLS, with a certificate that holds for `server_hostname`. Raises `OSError` and `RunEnded`."""
        self._sock = sock = context.wrap_socket(
            self._sock, server_hostname=server_hostname, do_handshake_on_connect=False
        )
        self._insist(select.POLLIN, sock.do_handshake)

    def recv_into(self, buffer: memoryview) -> int:
        """Read at least a byte; 0 = the other side has ended. Raises `OSError` and `RunEnded`."""
        count: int = self._insist(select.POLLIN, self._sock.recv_into, buffer)
        return count

    def sendall(self, data: bytes) -> None:
        """Write all of `data`. Raises `OSError` and `RunEnded`."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._insist(select.POLLOUT, self._sock.send, rest[:_BUFFER]) :]

    def makefile(self, *_: Any) -> io.BufferedReader:
        """Return a file to read from."""
        return io.BufferedReader(_Reader(self), _BUFFER)

    def settimeout(self, seconds: float | None) -> None:
        """There is one time limit, that of the run."""

    def close(self) -> None:
        """Wait for `end`: see the class."""

    def end(self) -> None:
        """Close the connection; nothing is waited for."""
        self._sock.close()

    def _insist(self, event: int, act: Any, *args: Any) -> Any:
        """Do `act`, which a plain socket may do at `event`, and TLS when it says so."""
        while True:
            self._patience.left_s()  # also where there is always something to read
            try:
                return act(*args)
            except BlockingIOError:
                self._patience.wait(self._sock.fileno(), event)
            except ssl.SSLWantReadError:
                self._patience.wait(self._sock.fileno(), select.POLLIN)
            except ssl.SSLWantWriteError:
                self._patience.wait(self._sock.fileno(), select.POLLOUT)


class _Reader(io.RawIOBase):
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._stream.recv_into(memoryview(buffer))
