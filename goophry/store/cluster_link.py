"""A link to a whole cluster: each command goes to the node that has its key.

To whoever uses it, it is a `Link`; a single server's links know nothing of it, so they pay nothing
for it. A pipeline that changes something is cut where the slot changes, and sent piece after piece
in its order. What belongs to one task type has one slot, so most are one piece. A piece is a
transaction: while a slot is on its way to another node, each of its keys is here or there, and of
commands that are carried out one by one a later one may be, and an earlier one not. A pipeline
that only reads is sent to each node once.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from redis.exceptions import RedisError, ResponseError

from goophry.config import Settings
from goophry.config_address import ClusterNodes
from goophry.errors import StoreFull, StoreUnavailable
from goophry.store.client import LinkSource
from goophry.store.cluster import Cluster, slot_of
from goophry.store.cluster_commands import READING, key_of
from goophry.store.connecting import Endpoint
from goophry.store.link import Command, Link, Reply
from goophry.store.refusals import translate

_ASKING: Final[Command] = ("ASKING",)
_MULTI: Final[Command] = ("MULTI",)
_EXEC: Final[Command] = ("EXEC",)

#: How often a command may be sent on before that counts as a fault of the cluster.
MOST_TURNS: Final = 8

#: Seconds for which a command is repeated whose keys are just on their way to another node, and between tries.
MOVING_S: Final = 1.0
MOVING_PAUSE_S: Final = 0.02


def cluster_links(nodes: ClusterNodes, settings: Settings) -> LinkSource:
    """Return what makes links to a cluster."""
    cluster = Cluster(nodes, settings)

    def make(timeout_s: float, near: str) -> Link:
        return ClusterLink(cluster, timeout_s=timeout_s, near=near)

    return LinkSource(make, cluster.on_change, lambda _: False, lambda: False)


class ClusterLink(Link):
    """Connections to the nodes, made when first used. Not for two threads at a time."""

    __slots__ = ("_cluster", "_home", "_links", "_near", "_opened_at")

    def __init__(self, cluster: Cluster, *, timeout_s: float, near: str = "") -> None:
        """What has no key goes to the node that has the key `near`, if that is given."""
        self._cluster = cluster
        self._timeout_s = timeout_s
        self._near = near.encode()
        self._links: dict[str, Link] = {}
        self._home: Endpoint | None = None
        self._opened_at: int | None = None

    @property
    def is_open(self) -> bool:
        """See `Link.is_open`: whether there is a connection to any node."""
        return any(link.is_open for link in self._links.values())

    @property
    def client_id(self) -> int | None:  # type: ignore[override] # it depends on the node
        """The number of the connection to the node that has the key `near`."""
        home = self._home
        return None if home is None or home.name not in self._links else self._links[home.name].client_id

    @property
    def server(self) -> int:
        """See `Link.server`: another value whenever a server has taken the place of another one."""
        return self._cluster.changes

    def open(self, near: str = "") -> None:
        """Connect to the node that has the key `near`; if another one has it by the next `pipeline`, that fails."""
        with self._guarded():
            self._link(self._place(near.encode())).open()
        self._opened_at = self._cluster.changes

    def identify(self) -> int:
        """See `Link.identify`; for the node that has the key `near`."""
        with self._guarded():
            return self._link(self._settle()).identify()

    def pipeline(self, commands: Sequence[Command]) -> list[Reply]:
        """See `Link.pipeline`; the pieces for different nodes are sent one after the other."""
        opened_at, self._opened_at = self._opened_at, None
        if opened_at is not None and opened_at != self._cluster.changes:
            raise StoreUnavailable("another server has taken over a part of the cluster")
        replies: list[Reply] = [None] * len(commands)
        with self._guarded():
            for piece in self._pieces(commands):
                self._send(piece, commands, replies)
        return replies

    def near(self, key: str) -> Link:
        """See `Link.near`."""
        with self._guarded():
            return self._link(self._place(key.encode()))

    def parts(self) -> Sequence[Link]:
        """See `Link.parts`."""
        with self._guarded():
            return [self._link(endpoint) for endpoint in self._cluster.masters()]

    def send(self, command: Command) -> None:
        """See `Link.send`: messages reach all nodes, so any one will do."""
        with self._guarded():
            self._link(self._home or self._settle()).send(command)

    def pushed(self) -> list[Reply]:
        """See `Link.pushed`."""
        with self._guarded():
            return self._link(self._home or self._settle()).pushed()

    def fileno(self) -> int:
        """See `Link.fileno`."""
        if self._home is None:
            raise ValueError("not connected")
        return self._link(self._home).fileno()

    def close(self) -> None:
        """Close all connections; the next use opens others, to wherever everything is by then."""
        self._cluster.doubt()
        for link in self._links.values():
            link.close()
        self._links.clear()
        self._home = None

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """After any trouble begin with fresh connections."""
        try:
            yield
        except StoreUnavailable:
            self.close()
            raise

    def _settle(self) -> Endpoint:
        """Choose the node for what has no key: the one that has `near` now, else any, for as long as it serves."""
        if self._near:
            self._home = self._place(self._near)
        elif self._home is None:
            self._home = self._cluster.any_node()
        return self._home

    def _place(self, key: bytes) -> Endpoint:
        return self._cluster.node_of(slot_of(key)) if key else self._settle()

    def _link(self, endpoint: Endpoint) -> Link:
        link = self._links.get(endpoint.name)
        if link is None:
            connect = self._cluster.connector(endpoint).connect
            link = self._links[endpoint.name] = Link(
                partial(connect, timeout_s=self._timeout_s), timeout_s=self._timeout_s
            )
        return link

    def _pieces(self, commands: Sequence[Command]) -> Sequence["_Piece"]:
        """Return what is sent together, and whereto."""
        if all(command[0] in READING for command in commands):
            by_node: dict[str, _Piece] = {}
            endpoint = None
            for index, command in enumerate(commands):
                key = key_of(command)
                endpoint = endpoint if key is None and endpoint is not None else self._place(key or b"")
                by_node.setdefault(endpoint.name, _Piece(endpoint, [])).indexes.append(index)
            return list(by_node.values())
        pieces: list[_Piece] = []
        before = None
        for index, command in enumerate(commands):
            key = key_of(command)
            slot = None if key is None else slot_of(key)
            if pieces and slot == before:
                pieces[-1].indexes.append(index)
            else:
                pieces.append(_Piece(self._settle() if slot is None else self._cluster.node_of(slot), [index]))
            before = slot
        for piece in pieces:
            piece.whole = len(piece.indexes) > 1
        return pieces

    def _send(self, piece: "_Piece", commands: Sequence[Command], replies: list[Reply]) -> None:
        """Send one piece, and on to wherever nodes say, until each command has its answer."""
        changes = self._cluster.changes
        left = [piece]
        for _ in range(MOST_TURNS):
            further: list[_Piece] = []
            for part in left:
                answers = self._patiently(part, [commands[index] for index in part.indexes])
                for index, answer in zip(part.indexes, answers, strict=True):
                    replies[index] = answer
                    if (to := self._sent_on(answer, by=part.endpoint)) is not None:
                        _add(further, *to, index=index, whole=piece.whole)
            if not further:
                return
            if changes != self._cluster.changes:
                # To be carried out there only after everybody has looked what is missing.
                raise StoreUnavailable("another server has taken over a part of the cluster")
            left = further
        raise StoreUnavailable(f"the nodes of the cluster send a command in circles: {replies[piece.indexes[0]]}")

    def _patiently(self, piece: "_Piece", commands: Sequence[Command]) -> Sequence[Reply]:
        """Send to one node; what has its keys between two nodes was not carried out, and is repeated for a while."""
        give_up = time.monotonic() + MOVING_S
        while True:
            try:
                return self._exchange(piece, commands)
            except StoreUnavailable as error:
                if not str(error).startswith("TRYAGAIN") or time.monotonic() > give_up:
                    raise
            time.sleep(MOVING_PAUSE_S)

    def _exchange(self, piece: "_Piece", commands: Sequence[Command]) -> Sequence[Reply]:
        if not piece.whole:
            return self._one_by_one(piece, commands)
        first = [_ASKING] if piece.asking else []
        *answers, done = self._link(piece.endpoint).pipeline([*first, _MULTI, *commands, _EXEC])[len(first) + 1 :]
        if isinstance(done, list):
            return done
        # Nothing was carried out. A node that does not have the slot says so of every command.
        refusals = [answer for answer in (*answers, done) if isinstance(answer, RedisError)]
        elsewhere = [answer for answer in refusals if str(answer).startswith(("MOVED ", "ASK "))]
        if elsewhere:
            return [elsewhere[0]] * len(commands)
        if any(isinstance(translate(answer), StoreFull) for answer in refusals):
            # At its maxmemory a node queues nothing for a transaction, though it removes what it is told to.
            return self._one_by_one(piece, commands)
        return [answer if isinstance(answer, RedisError) else done for answer in answers]

    def _one_by_one(self, piece: "_Piece", commands: Sequence[Command]) -> Sequence[Reply]:
        link = self._link(piece.endpoint)
        if piece.asking:
            return link.pipeline([each for command in commands for each in (_ASKING, command)])[1::2]
        return link.pipeline(commands)

    def _sent_on(self, answer: Reply, *, by: Endpoint) -> tuple[Endpoint, bool] | None:
        """Return where a node sends a command on to, and whether only this once; None if it has answered it."""
        if type(answer) is not ResponseError:
            return None
        kind, _, rest = str(answer).partition(" ")
        if kind not in {"MOVED", "ASK"}:
            return None
        slot, _, place = rest.partition(" ")
        host, _, port = place.rpartition(":")
        host = host or str(by.where["host"])
        if kind == "ASK":
            return self._cluster.elsewhere(host, int(port)), True
        return self._cluster.moved(int(slot), host, int(port)), False


@dataclass(slots=True)
class _Piece:
    """Commands that go together to one node."""

    endpoint: Endpoint
    indexes: list[int]
    asking: bool = False
    """Whether the node is to be told that it was another one that sent them."""
    whole: bool = False
    """Whether they are a transaction."""


def _add(pieces: list[_Piece], endpoint: Endpoint, asking: bool, *, index: int, whole: bool) -> None:  # noqa: FBT001 - as `_sent_on` returns it
    last = pieces[-1] if pieces else None
    if last is not None and last.endpoint.name == endpoint.name and last.asking == asking:
        last.indexes.append(index)
    else:
        pieces.append(_Piece(endpoint, [index], asking, whole))
