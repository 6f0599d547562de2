"""Publishing, and one connection that is subscribed to any number of channels."""

import contextlib
import json
import select
from collections.abc import Iterable, Mapping
from typing import Any, Final

from goophry.errors import StoreUnavailable
from goophry.store.client import Link, LinkPool

#: Seconds of silence after which the connection is asked whether it still is one, and until the answer must be there.
PING_S: Final = 4.0

#: Channels that one command names at most.
_MOST_AT_ONCE: Final = 500


def publish(links: LinkPool, channel: str, value: Mapping[str, Any] | bytes) -> None:
    """Send a message to whoever listens now. Raises `StoreError`."""
    payload = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":"))
    links.call("PUBLISH", channel, payload)


class Subscription:
    """Channels over one link, for one thread. Raises `StoreError`; after that, `close` and begin anew."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._silent_s = 0.0

    def subscribe(self, channels: Iterable[str]) -> None:
        """Ask for the messages of these channels; `receive` tells when that is in force."""
        self._name("SUBSCRIBE", channels)

    def unsubscribe(self, channels: Iterable[str]) -> None:
        """Ask for no more messages of these channels."""
        self._name("UNSUBSCRIBE", channels)

    def receive(self, *, timeout_s: float, wake_fd: int) -> list[tuple[str, bytes | None]]:
        """Wait for messages, for `timeout_s` or until `wake_fd` is readable; return channel and payload of each.

        None as payload: the subscription of that channel is in force from now on.
        """
        poll = select.poll()
        poll.register(wake_fd, select.POLLIN)
        with contextlib.suppress(ValueError):  # not connected: nothing has been subscribed to
            poll.register(self._link.fileno(), select.POLLIN)
        wait_s = min(timeout_s, PING_S)
        ready = poll.poll(int(wait_s * 1000) + 1)
        if not ready:
            self._note_silence(wait_s)
        if not any(fd != wake_fd for fd, _ in ready):
            return []
        self._silent_s = 0.0
        return [found for push in self._link.pushed() if (found := _understood(push)) is not None]

    def close(self) -> None:
        """End the connection; whoever subscribes next opens another."""
        self._silent_s = 0.0
        self._link.close()

    def _name(self, command: str, channels: Iterable[str]) -> None:
        names = list(channels)
        for start in range(0, len(names), _MOST_AT_ONCE):
            self._link.send((command, *names[start : start + _MOST_AT_ONCE]))

    def _note_silence(self, seconds: float) -> None:
        if not self._link.is_open:
            return
        before, self._silent_s = self._silent_s, self._silent_s + seconds
        if self._silent_s >= 2 * PING_S:
            raise StoreUnavailable(f"timed out: no answer for {PING_S:g} s")
        if before < PING_S <= self._silent_s:
            self._link.send(("PING",))


def _understood(push: Any) -> tuple[str, bytes | None] | None:
    """Return channel and payload of a message, or of the word that a subscription is in force; None for all else."""
    if not isinstance(push, list) or len(push) != 3:  # noqa: PLR2004 - kind, channel, payload
        return None
    kind, channel, payload = push
    if kind == b"message":
        return channel.decode(errors="replace"), payload
    return (channel.decode(errors="replace"), None) if kind == b"subscribe" else None
