"""Reaching the master through sentinels, whoever it is by now."""

import signal
from collections.abc import Callable, Iterator

import pytest
from conftest import eventually, free_port
from fakes import settings_for
from sentinel_set import NAME, SentinelSet

from goophry.errors import StoreRefused, StoreUnavailable
from goophry.store.client import LinkPool, RedisServer


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelSet]:
    with SentinelSet(tmp_path_factory.mktemp("set"), password="redis-pw", sentinel_password="sentinel-pw") as made:
        yield made


def server_of(watched: SentinelSet, address: str = "", **fields: object) -> RedisServer:
    login = {"redis_password": watched.password, "redis_sentinel_password": watched.sentinel_password}
    return RedisServer(settings_for(address or watched.address, "unused", **(login | fields)))


def port_of(server: RedisServer) -> int:
    link = server.link()
    try:
        return int(link.call("CONFIG", "GET", "port")[1])
    finally:
        link.close()


def _done(action: Callable[[], object]) -> bool:
    try:
        action()
    except StoreUnavailable:
        return False
    return True


def test_each_connection_goes_to_the_master_of_now(watched: SentinelSet) -> None:
    """Also one that was open: its server says READONLY, and the next try finds the new one.

    Before that sentinels leave the old one as it is for some seconds; who looks notices at once.
    """
    server, changes = server_of(watched), list[str]()
    server.on_change(changes.append)
    pool, link = LinkPool(server), server.link()
    pool.call("SET", "x", 1)
    link.call("SET", "x", 1)
    before = watched.master()
    server.look()
    assert changes == []

    watched.fail_over()

    eventually(lambda: server.look() or changes, what="it is noticed")
    eventually(lambda: _done(lambda: pool.call("SET", "new", 1)))
    with watched.master().client() as client:
        assert client.exists("new")
    pool.close()

    with before.client() as old:
        old.replicaof("127.0.0.1", watched.master().port)
    eventually(lambda: _done(lambda: link.call("SET", "x", 2)), what="READONLY is over")
    assert int(link.call("CONFIG", "GET", "port")[1]) == port_of(server) == watched.master().port != before.port
    assert changes == [watched.master().address]
    link.close()


def test_the_database_is_that_of_the_address_unless_another_is_configured(watched: SentinelSet) -> None:
    for address, fields, number in ((f"{watched.address}/3", {}, 3), (watched.address, {"redis_db": 4}, 4)):
        link = server_of(watched, address, **fields).link()
        assert f"db={number} ".encode() in link.call("CLIENT", "LIST", "ID", link.identify())
        link.close()


def test_sentinels_that_are_gone_or_know_nothing_are_passed_over(watched: SentinelSet) -> None:
    hosts = f"127.0.0.1:{free_port()},127.0.0.1:{watched.ports[0]}"

    assert port_of(server_of(watched, f"redis+sentinel://{hosts}/{NAME}")) == watched.master().port


def test_without_an_answer_each_sentinel_is_named(watched: SentinelSet) -> None:
    dead = free_port()
    address = f"redis+sentinel://127.0.0.1:{dead},127.0.0.1:{watched.ports[0]}/other"

    with pytest.raises(StoreUnavailable) as caught:
        server_of(watched, address).link().call("PING")

    text = str(caught.value)
    assert text.startswith(f"no sentinel tells where the master other is: 127.0.0.1:{dead}: ")
    assert text.endswith(f"; 127.0.0.1:{watched.ports[0]}: does not know it")


def test_the_passwords_of_redis_and_of_the_sentinels_are_two(watched: SentinelSet) -> None:
    with pytest.raises(StoreRefused, match="login"):
        server_of(watched, redis_password="wrong").link().call("PING")
    with pytest.raises(StoreUnavailable, match=r"(?i)wrongpass|invalid"):
        server_of(watched, redis_sentinel_password="wrong").link().call("PING")


def test_a_master_that_says_it_is_none_is_not_used(watched: SentinelSet) -> None:
    """As for some moments after a failover, when sentinels still name the old one."""
    server = server_of(watched)
    with watched.master().client() as client:
        client.replicaof("127.0.0.1", free_port())
        try:
            with pytest.raises(StoreUnavailable, match=r"name .* as the master tasks, which says it is a slave"):
                server.link().call("PING")
        finally:
            client.replicaof("NO", "ONE")


def test_sentinels_that_answer_late_do_not_hold_up_the_next(watched: SentinelSet) -> None:
    watched.sentinels[0].send_signal(signal.SIGSTOP)
    try:
        hosts = f"127.0.0.1:{watched.ports[0]},127.0.0.1:{watched.ports[1]}"
        assert port_of(server_of(watched, f"redis+sentinel://{hosts}/{NAME}"))
    finally:
        watched.sentinels[0].send_signal(signal.SIGCONT)
