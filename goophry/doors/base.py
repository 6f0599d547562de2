"""What a door is: a translator between a foreign wire format and tasks.

A door has no socket, no thread and no Redis. A carrier hands it requests and sends its replies; what
it needs of goophry, it is handed as a narrow protocol of its own. So each exchange is a pair of
values, and a table of them tests the door. It may wait for Redis, so carriers call it in a thread
that may wait.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

#: Bodies up to this size are handed to a door that says nothing else.
BODY_LIMIT: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, read whole."""

    method: str
    path: bytes
    """As it stood in the request line, without the query; percent-encoded."""
    query: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case names; the first of each counts."""
    body: bytes | None = b""
    """None = it was longer than the door takes, and is gone."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the client gets. The carrier adds Content-Length and Date, and nothing else."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Stop = Callable[[], None]
"""Ends a watch; may be called twice."""


class Later(Protocol):
    """A reply that is not there yet. The carrier keeps the client waiting, without a thread."""

    wait_s: float
    """How long it is worth waiting."""

    def watch(self, told: Callable[[], None]) -> Stop:
        """Have `told` called, in any thread, whenever there may be a reply; also at once. Does not wait."""
        ...

    def look(self) -> Reply | None:
        """Take the reply, if it is there; whatever it was made of is used up then."""
        ...

    def put_back(self) -> None:
        """Undo the `look` that found a reply: the client has gone and did not get it."""
        ...

    def late(self) -> Reply:
        """Return the reply that says that there was none in time."""
        ...


class HttpDoor(Protocol):
    """A door whose clients speak HTTP."""

    @property
    def name(self) -> str:
        """Whose clients it serves, for the log."""
        ...

    @property
    def body_limit(self) -> int:
        """Bytes of the longest body that is handed over."""
        ...

    def answer(self, request: Request) -> Reply | Later:
        """Return the reply, whatever the request is; called by several threads at a time."""
        ...


class Push(Protocol):
    """What will be sent to a client some time after its message."""

    subject: str
    """What it is about: short, and the same for a later one that replaces it, of which alone there will be news then."""

    def watch(self, told: Callable[[], None]) -> Stop:
        """Have `told` called, in any thread, whenever there may be something; also at once. Does not wait."""
        ...

    def take(self) -> tuple[Sequence[str], bool]:
        """Return the texts that are to be sent now, and whether there will be no more. Raises `GoophryError`."""
        ...


class MessageDoor(HttpDoor, Protocol):
    """A door whose clients may also open a WebSocket and send messages through it."""

    @property
    def socket_path(self) -> bytes:
        """Where the WebSocket is."""
        ...

    def message(self, body: bytes) -> Push | None:
        """Take one message in. Raises `GoophryError` when it is to be tried again."""
        ...
