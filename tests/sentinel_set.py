"""A master, its replicas and three sentinels that fail over when the master is gone."""

import contextlib
import subprocess
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from conftest import RedisServer, eventually, free_port, redis_binary
from redis.sentinel import Sentinel as SentinelClient
from tls_files import TlsFiles

#: What the sentinels call the master.
NAME = "tasks"

#: Milliseconds without an answer after which a sentinel regards the master as down.
DOWN_AFTER_MS = 1000

SENTINELS = 3


class SentinelSet:
    """Real servers and real sentinels. A context manager; whatever it started is gone afterwards."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        replicas: int = 1,
        password: str = "",
        sentinel_password: str = "",
        tls: TlsFiles | None = None,
    ) -> None:
        self._folder, self._options, self.tls = folder, options, tls
        self.password, self.sentinel_password = password, sentinel_password
        self.servers = [self._server(number) for number in range(1 + replicas)]
        self.ports = [free_port() for _ in range(SENTINELS)]
        self.sentinels: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def start(self) -> Self:
        """Start everything; returns when the sentinels would fail over."""
        master, *replicas = self.servers
        master.start()
        for replica in replicas:
            replica.options = (*replica.options, "--replicaof", "127.0.0.1", str(master.port))
            replica.start()
        for replica in replicas:
            eventually(partial(_in_step, replica), what="the replica is in step")
        for port in self.ports:
            self._start_sentinel(port)
        eventually(self._all_know_all, what="the sentinels know the replicas and one another")
        return self

    def end(self) -> None:
        """Have everything gone."""
        for process in self.sentinels:
            process.kill()
            process.wait(10)
        for server in self.servers:
            server.end()

    @property
    def address(self) -> str:
        """What RedisAddress is to be."""
        return f"{'rediss' if self.tls else 'redis'}+sentinel://{','.join(f'127.0.0.1:{port}' for port in self.ports)}/{NAME}"

    def client(self) -> "redis.Redis[bytes]":
        """Return a client that finds the master anew whenever its connection broke."""
        sentinels = SentinelClient(
            [("127.0.0.1", port) for port in self.ports],
            sentinel_kwargs={"password": self.sentinel_password or None, "socket_timeout": 1},
            password=self.password or None,
            socket_timeout=10,
        )
        return sentinels.master_for(NAME)

    def master(self) -> RedisServer:
        """Return the server that the first sentinel names as the master."""
        with self._sentinel(self.ports[0]) as sentinel:
            _, port = sentinel.sentinel_get_master_addr_by_name(NAME)
        return next(server for server in self.servers if server.port == port)

    def replicas_in_step(self) -> bool:
        """Whether all servers run, and all but the master copy from it."""
        master = self.master()
        return all(_in_step(server) for server in self.servers if server is not master)

    def fail_over(self) -> None:
        """Have a replica promoted although nothing is wrong; returns when the sentinels agree."""
        old = self.master()
        with self._sentinel(self.ports[0]) as sentinel:
            sentinel.execute_command("SENTINEL", "FAILOVER", NAME)
        eventually(lambda: self.master() is not old, what="a replica is promoted")

    def _server(self, number: int) -> RedisServer:
        options = (
            "--repl-diskless-sync-delay",
            "0",
            *self._options,
            *(("--masterauth", self.password) if self.password else ()),
        )
        if self.tls:
            options = (*options, "--tls-replication", "yes")
        return RedisServer(self._folder / f"redis-{number}", *options, password=self.password, tls=self.tls)

    def _start_sentinel(self, port: int) -> None:
        folder = self._folder / f"sentinel-{port}"
        folder.mkdir(parents=True)
        tls = [] if self.tls is None else " ".join(self.tls.server_options).removeprefix("--").split(" --")
        lines = [
            *(["port 0", f"tls-port {port}", "tls-replication yes", *tls] if tls else [f"port {port}"]),
            "bind 127.0.0.1",
            f"dir {folder}",
            f"sentinel monitor {NAME} 127.0.0.1 {self.servers[0].port} 2",
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {NAME} 5000",
            *([f"sentinel auth-pass {NAME} {self.password}"] if self.password else []),
            *([f"requirepass {self.sentinel_password}"] if self.sentinel_password else []),
            *([f"sentinel sentinel-pass {self.sentinel_password}"] if self.sentinel_password else []),
        ]
        path = folder / "sentinel.conf"
        path.write_text("\n".join(lines) + "\n")
        with (folder / "sentinel.log").open("ab") as log:
            command = [redis_binary(), str(path), "--sentinel"]
            self.sentinels.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))

    def _sentinel(self, port: int) -> "redis.Redis[str]":
        return redis.Redis(
            host="127.0.0.1",
            port=port,
            password=self.sentinel_password or None,
            decode_responses=True,
            socket_timeout=5,
            **self.servers[0].client_options,
        )

    def _all_know_all(self) -> bool:
        known = []
        for port in self.ports:
            with self._sentinel(port) as sentinel, contextlib.suppress(redis.RedisError):
                state = sentinel.sentinel_master(NAME)
                known.append(state["num-slaves"] >= len(self.servers) - 1 and state["num-other-sentinels"] == 2)
        return len(known) == SENTINELS and all(known)


def _in_step(replica: RedisServer) -> bool:
    with replica.client() as client, contextlib.suppress(redis.ConnectionError):
        return bool(client.info("replication").get("master_link_status") == "up")
    return False
