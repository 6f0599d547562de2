"""Which node of a cluster has which keys.

The map is asked for when it is first needed, and again after any sign that it has changed: a node
that cannot be reached, or that sends on to another one. A slot that goes to a node which was no
master before has been taken over after a failure, or by a machine that is new: what the old node
did last may be forgotten, and everybody who registered is told, as for a single server. A slot
that goes from one master to another takes everything with it, and nobody needs to know.
"""

import threading
import time
from binascii import crc_hqx
from collections.abc import Callable
from typing import Any, Final

from redis.exceptions import RedisError

from goophry.config import Settings
from goophry.config_address import ClusterNodes
from goophry.errors import StoreUnavailable
from goophry.store.connecting import Connector, Direct, Endpoint, login_of, places

SLOTS: Final = 16_384

#: Seconds that a node may take to tell where the slots are; the next one is asked then.
ASK_TIMEOUT_S: Final = 1.0

#: Seconds for which an answer serves: a thousand types that are sent on ask once.
ANSWER_SERVES_S: Final = 0.5


def slot_of(key: bytes) -> int:
    """Return the slot of a key: by what is between its first braces, if there is something."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return crc_hqx(key, 0) % SLOTS


class Cluster:
    """The nodes, as far as they are known. Thread-safe."""

    def __init__(self, seeds: ClusterNodes, settings: Settings) -> None:
        self._endpoint = places(settings, tls=seeds.tls)
        self._login = login_of(settings)
        self._seeds = [self._endpoint(host, port) for host, port in seeds.hosts]
        self._slots: list[Endpoint | None] = [None] * SLOTS
        self._masters: dict[str, Endpoint] = {}
        self._known: dict[str, Endpoint] = {}
        """Masters and replicas: whoever may be asked."""
        self._connectors: dict[str, Connector] = {}
        self._asked_at = -ANSWER_SERVES_S
        self._trouble = ""
        self._stale = True
        self._turn = 0
        self._lock = threading.RLock()
        self._on_change: list[Callable[[str], None]] = []
        self.changes = 0
        """How often a server has taken the place of another one."""

    def on_change(self, call: Callable[[str], None]) -> None:
        """See `Connector.on_change`."""
        with self._lock:
            self._on_change.append(call)

    def connector(self, endpoint: Endpoint) -> Connector:
        """Return what connects to this node, and knows who it was."""
        with self._lock:
            found = self._connectors.get(endpoint.name)
            if found is None:
                found = self._connectors[endpoint.name] = Connector(Direct(endpoint, self._login))
                found.on_change(self._tell)
            return found

    def node_of(self, slot: int) -> Endpoint:
        """Return the master that has the slot. Raises `StoreUnavailable` if no node says who that is."""
        with self._lock:
            self._ask_if_stale()
            found = self._slots[slot]
        if found is None:
            raise StoreUnavailable(f"no node of the cluster has the slot {slot}")
        return found

    def any_node(self) -> Endpoint:
        """Return one of the masters, another one each time."""
        masters = self.masters()
        self._turn += 1
        return masters[self._turn % len(masters)]

    def masters(self) -> list[Endpoint]:
        """Return all masters that have slots. Raises `StoreUnavailable` if there is none."""
        with self._lock:
            self._ask_if_stale()
            if not self._masters:
                raise StoreUnavailable("no node of the cluster has any slots")
            return list(self._masters.values())

    def doubt(self) -> None:
        """Have the map asked for anew before it is next used."""
        self._stale = True

    def moved(self, slot: int, host: str, port: int) -> Endpoint:
        """Note what a node said that does not have the slot any more; returns who has it."""
        endpoint = self._endpoint(host, port)
        with self._lock:
            is_new = endpoint.name not in self._masters
            self._slots[slot] = endpoint
            self._masters.setdefault(endpoint.name, endpoint)
            self._stale = True
        if is_new:
            self._tell(endpoint.name)
        return endpoint

    def elsewhere(self, host: str, port: int) -> Endpoint:
        """Return the node that a slot is just on its way to."""
        return self._endpoint(host, port)

    def _tell(self, where: str) -> None:
        with self._lock:
            self.changes += 1
            calls = list(self._on_change)
        for call in calls:
            call(where)

    def _ask_if_stale(self) -> None:
        """Ask the nodes, if there is a reason to and it was not just done. Raises `StoreUnavailable`."""
        if self._stale and time.monotonic() - self._asked_at >= ANSWER_SERVES_S:
            self._trouble = self._ask_all()
            self._asked_at = time.monotonic()
        if self._trouble:
            raise StoreUnavailable(self._trouble)

    def _ask_all(self) -> str:
        """Ask one node after the other until one answers; returns what was in the way if none does."""
        troubles = []
        for node in {
            each.name: each for each in (*self._masters.values(), *self._known.values(), *self._seeds)
        }.values():
            try:
                answer = self._ask(node)
            except (RedisError, OSError) as error:
                troubles.append(f"{node.name}: {error}")
                continue
            self._take(answer, asked=node)
            self._stale = False
            return ""
        return f"no node of the cluster answers: {'; '.join(troubles)}"

    def _ask(self, node: Endpoint) -> list[Any]:
        connection = node.connect(
            timeout_s=ASK_TIMEOUT_S, socket_connect_timeout=ASK_TIMEOUT_S, **self._login, socket_read_size=65_536
        )
        try:
            connection.send_command("CLUSTER", "SLOTS")
            answer: list[Any] = connection.read_response()
        finally:
            connection.disconnect()
        return answer

    def _take(self, answer: list[Any], *, asked: Endpoint) -> None:
        """Make the answer the map, and tell if a slot has gone to a node that was no master before."""
        slots: list[Endpoint | None] = [None] * SLOTS
        masters: dict[str, Endpoint] = {}
        known: dict[str, Endpoint] = {}
        for first, last, *nodes in answer:
            for node in nodes:
                # A node that does not know its own address leaves it empty: it is where it was asked.
                endpoint = self._endpoint(node[0].decode() if node[0] else str(asked.where["host"]), int(node[1]))
                known.setdefault(endpoint.name, endpoint)
                if node is nodes[0]:
                    endpoint = masters.setdefault(endpoint.name, known[endpoint.name])
                    slots[first : last + 1] = [endpoint] * (last + 1 - first)
        before = self._masters
        self._slots, self._masters, self._known = slots, masters, known
        for name in masters.keys() - before.keys() if before else ():
            self._tell(name)
