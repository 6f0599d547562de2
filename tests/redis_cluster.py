"""A Redis Cluster of real servers: three masters with a replica each, unless told otherwise."""

import contextlib
import random
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from conftest import RedisServer, eventually
from tls_files import TlsFiles

SLOTS = 16_384

#: Milliseconds after which a silent node is regarded as lost.
NODE_TIMEOUT_MS = 1000


class RedisCluster:
    """A context manager; whatever it started is gone afterwards."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        masters: int = 3,
        replicas: int = 1,
        password: str = "",
        tls: TlsFiles | None = None,
    ) -> None:
        self.tls = tls
        options = (
            *("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"),
            *("--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--repl-diskless-sync-delay", "0"),
            *(("--masterauth", password) if password else ()),
            *(("--tls-cluster", "yes", "--tls-replication", "yes") if tls else ()),
            *options,
        )
        self.password = password
        self.masters, self.replicas = masters, replicas
        self.servers = [
            RedisServer(folder / f"node-{number}", *options, password=password, tls=tls)
            for number in range(masters * (1 + replicas))
        ]
        for server in self.servers:
            server.port = _two_free_ports()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def start(self) -> Self:
        """Start all nodes and make them a cluster; returns when it serves."""
        for server in self.servers:
            server.start()
        first, *others = self.servers
        with first.client() as client:
            for server in others:
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", server.port)
        for number in range(self.masters):
            low, high = (SLOTS * each // self.masters for each in (number, number + 1))
            self._do(self.servers[number], "ADDSLOTS", *range(low, high))
        eventually(self._all_know_all, what="the nodes know one another")
        for number, server in enumerate(self.servers[self.masters :]):
            master = self.servers[number % self.masters]
            eventually(lambda server=server, master=master: self._replicates(server, master), what="it is a replica")
        eventually(self.serves, what="the cluster serves")
        return self

    def end(self) -> None:
        """Have everything gone."""
        for server in self.servers:
            server.end()

    @property
    def address(self) -> str:
        """What RedisAddress is to be."""
        return f"{'rediss' if self.tls else 'redis'}+cluster://{','.join(server.address for server in self.servers)}"

    def client(self) -> "redis.RedisCluster":
        """Return a client as a producer has one."""
        nodes = [redis.cluster.ClusterNode("127.0.0.1", server.port) for server in self.servers]
        return redis.RedisCluster(
            startup_nodes=nodes, password=self.password or None, socket_timeout=10, **self.servers[0].client_options
        )

    def owner(self, key: str) -> RedisServer:
        """Return the master that has the key, as the others see it."""
        slot = self.slot(key)
        for server in self._running():
            with contextlib.suppress(redis.RedisError):
                for first, last, (_, port, *_), *_ in self._do(server, "SLOTS"):
                    if first <= slot <= last:
                        return self._at(port)
        raise AssertionError(f"nobody has slot {slot}")

    def slot(self, key: str) -> int:
        return int(self._do(next(iter(self._running())), "KEYSLOT", key))

    def serves(self, *, replicas: bool = True) -> bool:
        """Whether all running nodes say that all is well; with `replicas`, also that every master has one in step."""
        with contextlib.suppress(redis.RedisError):
            for server in self._running():
                if b"cluster_state:ok" not in self._do(server, "INFO"):
                    return False
                with server.client() as client:
                    info = client.info("replication")
                    if info["role"] == "slave" and info["master_link_status"] != "up":
                        return False
            return not (replicas and self.replicas) or all(
                self._replica_of(server) for server in self.running_masters()
            )
        return False

    def await_copied(self) -> None:
        """Wait until the replicas have all that their masters have now."""
        for master in self.running_masters():
            with master.client() as client:
                goal = client.info("replication")["master_repl_offset"]
                eventually(lambda client=client, goal=goal: _copied(client, goal), within=30, what="a replica has all")

    def running_masters(self) -> list[RedisServer]:
        found = []
        for server in self._running():
            with server.client() as client:
                if client.info("replication")["role"] == "master":
                    found.append(server)
        return found

    def move_slot(self, slot: int, target: RedisServer, *, between: Callable[[], object] = lambda: None) -> None:
        """Move a slot and its keys, one by one, as tools do; `between` is called while it is on its way."""
        source = self._with_slot(slot)
        there, here = self._id(target), self._id(source)
        self._do(target, "SETSLOT", slot, "IMPORTING", here)
        self._do(source, "SETSLOT", slot, "MIGRATING", there)
        between()
        with source.client() as client:
            while keys := client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1):
                login = ("AUTH", self.password) if self.password else ()
                client.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, *login, "KEYS", *keys)
                between()
        for server in (target, source, *self.running_masters()):
            self._do(server, "SETSLOT", slot, "NODE", there)

    def _with_slot(self, slot: int) -> RedisServer:
        for first, last, (_, port, *_), *_ in self._do(next(iter(self._running())), "SLOTS"):
            if first <= slot <= last:
                return self._at(port)
        raise AssertionError(f"nobody has slot {slot}")

    def _replica_of(self, master: RedisServer) -> bool:
        with master.client() as client:
            return bool(client.info("replication")["connected_slaves"])

    def _running(self) -> Iterable[RedisServer]:
        return [server for server in self.servers if server.process is not None and not server.frozen]

    def _at(self, port: int) -> RedisServer:
        return next(server for server in self.servers if server.port == port)

    def _id(self, server: RedisServer) -> str:
        return str(self._do(server, "MYID").decode())

    def _all_know_all(self) -> bool:
        return all(
            self._do(server, "NODES").count(b" connected") == len(self.servers)
            and b"handshake" not in self._do(server, "NODES")
            for server in self.servers
        )

    def _replicates(self, server: RedisServer, master: RedisServer) -> bool:
        with contextlib.suppress(redis.ResponseError):
            self._do(server, "REPLICATE", self._id(master))
            return True
        return False

    def _do(self, server: RedisServer, *command: Any) -> Any:
        with server.client() as client:
            client.response_callbacks.clear()
            return client.execute_command("CLUSTER", *command)


def _copied(master: "redis.Redis[bytes]", goal: int) -> bool:
    info = master.info("replication")
    return bool(info["connected_slaves"]) and info["slave0"]["offset"] >= goal


def _two_free_ports() -> int:
    """Return a port that is free, and so is the one 10,000 above, by which nodes speak with one another."""
    while True:
        port = random.randrange(15_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10_000))
            return port
