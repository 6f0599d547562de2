"""One connection to Redis.

All goes through links: redis-py's client costs four times as much for a round trip (98 µs against
22 µs for LREM + LMOVE on loopback), and what it does beyond that, goophry does not need.
"""

import contextlib
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import hiredis
from redis.exceptions import RedisError, ResponseError

from goophry.errors import StoreRefused, StoreUnavailable
from goophry.store.refusals import error_of, translate

#: Most that is taken from a socket at once. The first time less: a loop that waits holds a buffer of that size.
RECEIVE_BYTES: Final = 16_384
_FIRST_BYTES: Final = 1024

#: What connecting, sending and reading may raise.
_BREAKS: Final = (RedisError, OSError, ValueError, hiredis.HiredisError)

Command = Sequence[str | bytes | int | float]
Reply = Any
"""What a command answers: bytes, int, None, a list of those, or (in a pipeline) an error."""


class Link:
    """One connection; connects when first used and after every trouble. Not for two threads at a time.

    redis-py connects, logs in and chooses the database. What then goes over the socket is packed
    and parsed by hiredis without redis-py's layers in between: they are made for more than a few
    plain commands, and took 25 µs of each task.
    """

    __slots__ = ("_new_connection", "_reader", "_socket", "_timeout_s", "client_id", "server")

    def __init__(self, connect: Callable[[], tuple[Any, Any]], *, timeout_s: float) -> None:
        """`connect` returns a new connection of redis-py, and the server; an answer may take `timeout_s`."""
        self._new_connection = connect
        self._timeout_s = timeout_s
        self._socket: Any = None
        self._reader: Any = None
        self.client_id: int | None = None
        """Redis's number of this connection, once `identify` was called."""
        self.server: Any = None
        """Which server answers here, None while there is no connection. What one was told another may lack."""

    def __del__(self) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection; there is none before the first use and after every trouble."""
        return self._socket is not None

    def open(self, near: str = "") -> None:
        """Connect, unless it is: what is sent next then goes to the server that is known now, or fails.

        In a cluster that is the server that has the key `near`.
        """
        del near
        if self._socket is not None:
            return
        try:
            self._connect()
        except _BREAKS as error:
            self._fail(error)

    def identify(self) -> int:
        """Connect if need be and return `client_id`, by which another connection can unblock this one.

        0 when this Redis user may not know it.
        """
        if self.client_id is None:
            try:
                self.client_id = int(self.call("CLIENT", "ID"))
            except StoreRefused:
                self.client_id = 0
        return self.client_id

    def call(self, *command: str | bytes | float) -> Reply:
        """Send one command and return its answer. Raises `StoreError`."""
        (reply,) = self.pipeline((command,))
        if isinstance(reply, RedisError):
            raise translate(reply) from reply
        return reply

    def near(self, key: str) -> "Link":
        """Return the link to the server that has this key: this one; in a cluster one of its nodes."""
        del key
        return self

    def parts(self) -> "Sequence[Link]":
        """Return a link to each server: this one; in a cluster one to each master."""
        return (self,)

    def pipeline(self, commands: Sequence[Command]) -> list[Reply]:
        """Send all commands at once and return all answers; the answer of a refused one is the error itself.

        Raises `StoreUnavailable` if the connection broke: then any number of them may have been carried out.
        """
        if self._socket is None:
            self.open()
        try:
            packed = [hiredis.pack_command(tuple(command)) for command in commands]  # type: ignore[arg-type] # its stub takes one argument only
            self._socket.sendall(b"".join(packed))
            replies = self._read(len(commands))
        except _BREAKS as error:
            self._fail(error)
        for reply in replies:
            if isinstance(reply, ResponseError) and isinstance(translate(reply), StoreUnavailable):
                self._fail(reply)
        return replies

    def send(self, command: Command) -> None:
        """Send one command without waiting for an answer; for a subscribed connection. Raises `StoreError`."""
        try:
            if self._socket is None:
                self._connect()
            self._socket.sendall(hiredis.pack_command(tuple(command)))  # type: ignore[arg-type] # as in `pipeline`
        except _BREAKS as error:
            self._fail(error)

    def pushed(self) -> list[Reply]:
        """Take what has arrived on a subscribed connection, which has something. Raises `StoreError`."""
        replies: list[Reply] = []
        try:
            self._reader.feed(self._receive())
            # What TLS has taken from the socket and not handed out is not waited for: nobody would see it.
            while hasattr(self._socket, "pending") and self._socket.pending():
                self._reader.feed(self._receive())
            while (reply := self._reader.gets()) is not _INCOMPLETE:
                replies.append(reply)
        except _BREAKS as error:
            self._fail(error)
        return replies

    def fileno(self) -> int:
        """Return the descriptor of the connection. Raises `ValueError` while there is none."""
        if self._socket is None:
            raise ValueError("not connected")
        return int(self._socket.fileno())

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it may be broken
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
        self._socket = self._reader = None
        self.client_id = self.server = None

    def _connect(self) -> None:
        connection, self.server = self._new_connection()
        # Its part is done: kept, it would take 15 KB for each idle type.
        self._socket, connection._sock = connection._sock, None  # noqa: SLF001 - redis-py has no other way to its socket
        self._limit_waiting()
        self._reader = hiredis.Reader(replyError=error_of, notEnoughData=_INCOMPLETE)

    def _limit_waiting(self) -> None:
        if hasattr(self._socket, "pending"):
            # TLS, whose library waits on when the kernel says that the time is over.
            self._socket.settimeout(self._timeout_s)
            return
        # The kernel watches over the time: with Python's time-out each recv would be two system calls.
        self._socket.settimeout(None)
        seconds, rest = divmod(self._timeout_s, 1)
        limit = struct.pack("ll", int(seconds), int(rest * 1e6))
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, direction, limit)

    def _read(self, count: int) -> list[Reply]:
        replies: list[Reply] = []
        most = _FIRST_BYTES
        while len(replies) < count:
            reply = self._reader.gets()
            if reply is _INCOMPLETE:
                self._reader.feed(self._receive(most))
                most = RECEIVE_BYTES
            else:
                replies.append(reply)
        return replies

    def _receive(self, most: int = RECEIVE_BYTES) -> bytes:
        try:
            data: bytes = self._socket.recv(most)
        except (BlockingIOError, TimeoutError) as error:
            raise TimeoutError(f"timed out: no answer for {self._timeout_s:g} s") from error
        if not data:
            raise ConnectionResetError("the connection was closed by the server")
        return data

    def _fail(self, error: Exception) -> NoReturn:
        # Always a fresh connection: after a failover the old server answers READONLY for ever.
        self.close()
        raise translate(error) from error


_INCOMPLETE: Final = object()
