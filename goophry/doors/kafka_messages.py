"""Messages from Kafka, whom they are for, and where results come from: what its carrier is handed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One message. Where it stood tells it from all others."""

    topic: str
    partition: int
    offset: int
    sent_ms: int
    value: bytes

    @property
    def place(self) -> str:
        """Where it stood, and when it was sent: a topic that was made anew begins from 0 again."""
        return f"{self.topic}.{self.partition}.{self.offset}.{self.sent_ms}"


class TakesMessages(Protocol):
    """Whom messages are for. Called in a thread that may wait."""

    def take(self, messages: Sequence[Message]) -> int:
        """Take messages in; returns how many were passed over. Raises `GoophryError` when it is to be tried again."""
        ...


class Outbox(Protocol):
    """Results that are to be sent. Called in a thread that may wait; both raise `GoophryError`."""

    def waiting(self) -> Sequence[bytes]:
        """Return the oldest."""
        ...

    def sent(self, messages: Sequence[bytes]) -> None:
        """Forget those."""
        ...


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the messages are."""

    servers: str
    topics: tuple[str, ...]
    group: str
    response_topic: str = ""
