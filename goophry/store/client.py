"""Where Redis is, and the links to it, lent to whoever needs one."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NamedTuple

from redis.exceptions import RedisError

from goophry.config import Settings
from goophry.config_address import cluster_address
from goophry.errors import StoreError
from goophry.store.connecting import Connector, connector_for
from goophry.store.link import Command, Link, Reply
from goophry.store.refusals import translate

__all__ = [
    "ANSWER_TIMEOUT_S",
    "Command",
    "Link",
    "LinkPool",
    "LinkSource",
    "RedisServer",
    "Reply",
    "eval_script",
    "unblock",
]

#: Seconds that each answer which needs no waiting may take.
ANSWER_TIMEOUT_S: Final = 5.0


class LinkSource(NamedTuple):
    """What is to be known of a way to Redis."""

    make: Callable[[float, str], Link]
    """Makes a link, by time-out and near key."""
    on_change: Callable[[Callable[[str], None]], None]
    """Registers for changes of the server behind the links."""
    is_stale: Callable[[Link], bool]
    """Whether an open link leads to another server than the last one that was made."""
    is_outdated: Callable[[], bool]
    """Whether a link that is made now would lead to another place than the last one."""


class RedisServer:
    """Where Redis is and how to log in; makes links."""

    def __init__(self, settings: Settings, *, address: str | None = None) -> None:
        """Use `address` instead of the configured one, for an embedded server."""
        nodes = cluster_address(address or settings.redis_address) if settings.redis_network == "tcp" else None
        if nodes is not None:
            from goophry.store.cluster_link import cluster_links  # noqa: PLC0415 - it imports this module, and few need it

            source = cluster_links(nodes, settings)
        else:
            source = _single_links(connector_for(settings, address=address))
        self._make, self.on_change, self.is_stale, self._is_outdated = source
        """`on_change(call)`: have `call(where)` called whenever another server is reached than before."""

    def link(self, *, timeout_s: float = ANSWER_TIMEOUT_S, near: str = "") -> Link:
        """Return a link, not yet connected, whose answers may take `timeout_s` seconds.

        In a cluster commands go to the nodes that have their keys; those without one to that of `near`, if given.
        """
        return self._make(timeout_s, near)

    def look(self) -> None:
        """Notice that another server has taken over while the one before still answers; `on_change` then tells.

        While it does, nothing else would: sentinels leave a master that they have replaced on request as it is for
        some seconds, and what it is told is forgotten.
        """
        if self._is_outdated():
            with contextlib.suppress(StoreError):
                link = self.link()
                link.open()
                link.close()


class LinkPool:
    """Links for short exchanges, lent to one thread at a time; as many as there are exchanges at once."""

    def __init__(self, server: RedisServer, *, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._free: deque[Link] = deque()

    def take(self) -> Link:
        """Return a link that nobody else uses; hand it back with `give`."""
        try:
            link = self._free.pop()
        except IndexError:
            return self._server.link(timeout_s=self._timeout_s)
        # A master that was replaced may answer on for a while; what it is told then is forgotten.
        if link.is_open and self._server.is_stale(link):
            link.close()
        return link

    @contextmanager
    def lent(self) -> Iterator[Link]:
        """Take a link for as long as the context lasts."""
        link = self.take()
        try:
            yield link
        finally:
            self.give(link)

    def give(self, link: Link) -> None:
        """Take the link back. The one used last is lent first, so few stay warm."""
        if not link.is_open:
            # What broke one has most likely broken all: each of the others would fail once more,
            # at a time when Redis can be reached again.
            self.close()
        self._free.append(link)

    def call(self, *command: str | bytes | float) -> Reply:
        """Send one command over any link."""
        link = self.take()
        try:
            return link.call(*command)
        finally:
            self.give(link)

    def pipeline(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands over any link; raises `StoreError` for the first one refused."""
        replies = self.answers(commands)
        for reply in replies:
            if isinstance(reply, RedisError):
                raise translate(reply) from reply
        return replies

    def answers(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands over any link, if there are any; what is refused is answered with its error, a `RedisError`."""
        if not commands:
            return []
        link = self.take()
        try:
            return link.pipeline(commands)
        finally:
            self.give(link)

    def found(self, commands: Sequence[Command]) -> list[Any]:
        """As `answers`; None for what is refused, as where a key holds something else."""
        return [None if isinstance(reply, RedisError) else reply for reply in self.answers(commands)]

    def close(self) -> None:
        """Close all links that are not lent."""
        # Other threads take and give meanwhile.
        with contextlib.suppress(IndexError):
            while True:
                self._free.pop().close()


def unblock(links: LinkPool, client_id: int, *, near: str) -> None:
    """End the blocking pop from the list `near` of another connection, if it is in one."""
    with links.lent() as link:
        link.near(near).call("CLIENT", "UNBLOCK", client_id)


def _single_links(connector: Connector) -> LinkSource:
    def make(timeout_s: float, near: str) -> Link:
        del near
        return Link(partial(connector.connect, timeout_s=timeout_s), timeout_s=timeout_s)

    return LinkSource(
        make, connector.on_change, lambda link: link.server != connector.known, lambda: connector.outdated
    )


def eval_script(link: Link | LinkPool, source: str, keys: Sequence[str], args: Command) -> Reply:
    """Run a Lua script; by its text, for it runs rarely and Redis may have forgotten its hash."""
    return link.call("EVAL", source, len(keys), *keys, *args)
