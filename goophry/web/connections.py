"""One HTTP connection, and how long it may keep us waiting.

uvicorn's protocol trusts its clients: it waits for ever for the rest of a request and for ever for
a reader that does not read. Here both have a limit, kept by `Connection.overdue` and a server
that asks for it every second.
"""

import asyncio
import logging
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

#: Longest time from the connection, or from the answer before, to a complete request header.
REQUEST_WAIT_S: Final = 10.0

#: Longest time for the client to take what we have written.
READ_WAIT_S: Final = 30.0

_log: Final = logging.getLogger(__name__)


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 protocol with a look at the clock."""

    waiting_since: float | None = None
    """When we began to wait for a request; None while one is answered."""
    _stuck_since: float | None = None

    def overdue(self, now: float) -> bool:
        """Whether the client has kept us waiting for too long at `now` (the loop's time)."""
        if self._stuck_since is not None:
            return now - self._stuck_since > READ_WAIT_S
        return self.waiting_since is not None and now - self.waiting_since > REQUEST_WAIT_S

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self.waiting_since = self.loop.time()

    def handle_events(self) -> None:
        """Take note whether the bytes that came made a request."""
        try:
            super().handle_events()
        except h11.LocalProtocolError:  # rubbish behind a good request that is still being answered
            self.transport.abort()
        if self._answering():
            self.waiting_since = None

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self.waiting_since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Take note that the client does not read."""
        self._stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Take note that the client reads again."""
        self._stuck_since = None
        super().resume_writing()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Finish the answer for a client that has closed its half, as `nc -N` does."""
        if self.scheme == "https" or not self._answering():
            return False
        self.cycle.keep_alive = False
        return True

    def shutdown(self) -> None:
        """Close now, or after the answer that is being made."""
        if self._answering():
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete


class WholeConnection(Connection):
    """One whose client is gone once it has closed its half: for answers that take minutes, and for those who leave."""

    def eof_received(self) -> bool:  # type: ignore[override]
        """Close."""
        return False


def on_loop_error(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Log what no coroutine caught; a client's broken connection is not worth a line."""
    error = context.get("exception")
    if isinstance(error, OSError):
        return
    _log.error(
        "error in the HTTP server",
        exc_info=error if isinstance(error, BaseException) else None,
        extra={"action": "serve", "what": str(context.get("message"))},
    )
