"""Connections, and Redis's errors in goophry's words."""

import threading
from collections.abc import Callable

import pytest
import redis
from conftest import RedisServer as OwnServer
from conftest import eventually
from fakes import PathToRedis, settings_for

from goophry.config import Settings
from goophry.errors import StoreFull, StoreRefused, StoreUnavailable, StoreWrongKind
from goophry.store.client import Link, LinkPool, RedisServer, eval_script, unblock
from goophry.store.refusals import translate


def server_of(address: str, **fields: object) -> RedisServer:
    return RedisServer(settings_for(address, "unused", **fields))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("READONLY You can't write against a read only replica.", StoreUnavailable),
        ("OOM command not allowed when used memory > 'maxmemory'.", StoreFull),
        ("LOADING Redis is loading the dataset in memory", StoreUnavailable),
        ("MASTERDOWN Link with MASTER is down", StoreUnavailable),
        ("MISCONF Redis is configured to save RDB snapshots", StoreUnavailable),
        ("BUSY Redis is busy running a script", StoreUnavailable),
        ("Error running script (call to f_12): @user_script:2: @user_script: 2: -OOM command not …", StoreFull),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", StoreWrongKind),
        ("Error running script (call to f_12): @user_script:2: WRONGTYPE Operation against …", StoreWrongKind),
        ("unknown command 'BUSYBODY'", StoreRefused),
    ],
)
def test_replies_that_mean_not_now_are_told_from_those_that_mean_no(text: str, kind: type[Exception]) -> None:
    assert type(translate(redis.ResponseError(text))) is kind


def test_classes_of_the_library_mean_not_now_and_logins_mean_no() -> None:
    assert type(translate(redis.ReadOnlyError("You can't"))) is StoreUnavailable
    assert type(translate(redis.ConnectionError("gone"))) is StoreUnavailable
    assert type(translate(OSError(104, "Connection reset by peer"))) is StoreUnavailable
    assert type(translate(redis.AuthenticationError("WRONGPASS"))) is StoreRefused
    assert type(translate(redis.exceptions.NoPermissionError("NOPERM"))) is StoreRefused


def test_a_link_connects_when_first_used(redis_address: str) -> None:
    link = server_of(redis_address).link()

    assert link.call("PING") == b"PONG"
    link.close()


@pytest.mark.parametrize("address", ["redis://{}", "redis://{}/0", "{}"])
def test_addresses_come_in_several_forms(redis_address: str, address: str) -> None:
    link = server_of(address.format(redis_address)).link()

    assert link.call("PING") == b"PONG"
    link.close()


def test_a_unix_socket_is_reached_by_path_and_by_url(own_redis: Callable[..., OwnServer]) -> None:
    server = own_redis("--unixsocket", "redis.sock")
    path = server.folder / "redis.sock"

    for link in (server_of(str(path), redis_network="unix").link(), server_of(f"unix://{path}").link()):
        assert link.call("PING") == b"PONG"
        link.close()


def test_the_database_of_the_url_is_used_unless_another_is_configured(own_redis: Callable[..., OwnServer]) -> None:
    server = own_redis()
    for address, fields in ((f"{server.url}/3", {}), (server.address, {"redis_db": 4})):
        link = server_of(address, **fields).link()
        link.call("SET", "here", 1)
        link.close()

    with server.client() as r:
        assert set(r.info("keyspace")) == {"db3", "db4"}


def test_a_wrong_password_is_refused(own_redis: Callable[..., OwnServer]) -> None:
    server = own_redis(password="secret")

    with pytest.raises(StoreRefused, match="login"):
        server_of(server.address, redis_password="wrong").link().call("PING")
    with pytest.raises(StoreRefused):
        server_of(server.address).link().call("PING")
    link = server_of(server.address, redis_password="secret").link()
    assert link.call("PING") == b"PONG"
    link.close()


def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        server_of("127.0.0.1:1").link().call("PING")


def test_a_refused_command_leaves_the_others_of_its_pipeline_alone(links: LinkPool, queue_key: str) -> None:
    link = links.take()
    key = f"{queue_key}:x"

    replies = link.pipeline([("SET", key, "text"), ("RPUSH", key, "x"), ("GET", key)])

    assert replies[0] == b"OK"
    assert isinstance(replies[1], redis.ResponseError)
    assert replies[2] == b"text"
    links.give(link)


def test_a_pool_raises_what_was_refused(links: LinkPool, queue_key: str) -> None:
    key = f"{queue_key}:x"
    with pytest.raises(StoreRefused, match="WRONGTYPE"):
        links.pipeline([("SET", key, "text"), ("RPUSH", key, "x")])
    with pytest.raises(StoreRefused, match="unknown command"):
        links.call("NO-SUCH-COMMAND")


def test_a_link_connects_again_after_trouble(path_to: Callable[[], PathToRedis]) -> None:
    path = path_to()
    link = server_of(path.address).link()
    link.call("PING")
    path.cut()

    with pytest.raises(StoreUnavailable):
        link.call("PING")
    with pytest.raises(StoreUnavailable):
        link.call("PING")
    path.mend()

    assert link.call("PING") == b"PONG"
    link.close()


def test_a_path_that_carries_nothing_is_noticed_in_time(path_to: Callable[[], PathToRedis]) -> None:
    path = path_to()
    link = server_of(path.address).link(timeout_s=0.2)
    link.call("PING")
    path.freeze()

    with pytest.raises(StoreUnavailable, match=r"(?i)time"):
        link.call("PING")


def test_a_server_that_became_a_replica_is_left_for_a_fresh_connection(own_redis: Callable[..., OwnServer]) -> None:
    server = own_redis()
    link = server_of(server.address).link()
    before = link.identify()
    with server.client() as r:
        r.replicaof("127.0.0.1", 1)
        for attempt in (
            lambda: link.call("SET", "x", 1),
            lambda: eval_script(link, "redis.call('SET', KEYS[1], 1)", ("x",), ()),
        ):
            link.call("PING")
            with pytest.raises(StoreUnavailable):
                attempt()
        r.replicaof("NO", "ONE")

    assert link.call("SET", "x", 1) == b"OK"
    assert link.identify() > before
    link.close()


def test_out_of_memory_is_told_from_an_outage_and_keeps_the_link(own_redis: Callable[..., OwnServer]) -> None:
    server = own_redis("--maxmemory", "1", "--maxmemory-policy", "noeviction")
    link = server_of(server.address).link()

    with pytest.raises(StoreFull):
        link.call("RPUSH", "x", "y")
    with pytest.raises(StoreFull):
        eval_script(link, "redis.call('RPUSH', KEYS[1], 'y')", ("x",), ())
    assert link.is_open


def test_a_blocked_link_can_be_unblocked_from_another(links: LinkPool, queue_key: str, r: "redis.Redis[bytes]") -> None:
    link = links.take()
    number = link.identify()
    replies: list[object] = []
    waiting = threading.Thread(target=lambda: replies.append(link.call("BLPOP", f"{queue_key}:x", 5)))
    waiting.start()

    eventually(lambda: any(c["id"] == str(number) and "b" in c["flags"] for c in r.client_list()))
    unblock(links, number, near=f"{queue_key}:x")
    waiting.join()

    assert replies == [None]
    links.give(link)


def test_who_may_not_know_its_number_gets_0(own_redis: Callable[..., OwnServer]) -> None:
    server = own_redis()
    with server.client() as r:
        r.execute_command("ACL", "SETUSER", "poor", "on", ">pw", "~*", "+@all", "-client")
    link = server_of(server.address, redis_username="poor", redis_password="pw").link()

    assert link.identify() == 0
    assert link.call("PING") == b"PONG"
    link.close()


def test_a_pool_lends_a_link_to_one_at_a_time_and_the_warm_one_first(links: LinkPool) -> None:
    first, second = links.take(), links.take()
    assert first is not second
    links.give(first)
    links.give(second)

    assert links.take() is second
    links.give(second)


def test_a_pool_lends_no_link_to_a_server_that_was_replaced(
    path_to: Callable[[], PathToRedis], own_redis: Callable[..., OwnServer]
) -> None:
    """It may answer on for a while, and what it is told is forgotten."""
    path, other = path_to(), own_redis()
    server = server_of(path.address)
    pool = LinkPool(server)
    pool.call("PING")
    path.lead_to(other.address, cut=False)
    link = server.link()
    link.open()

    pool.call("SET", "here", 1)

    with other.client() as r:
        assert r.exists("here")
    link.close()
    pool.close()


def test_a_closed_pool_leaves_no_connection(own_redis: Callable[..., OwnServer]) -> None:
    server = own_redis()
    pool = LinkPool(server_of(server.address))
    taken: list[Link] = [pool.take() for _ in range(3)]
    for link in taken:
        link.call("PING")
        pool.give(link)
    with server.client() as r:
        assert len(r.client_list()) == 4
        pool.close()
        eventually(lambda: len(r.client_list()) == 1)


def test_settings_are_all_a_server_needs(redis_address: str) -> None:
    settings: Settings = settings_for("nowhere:1", "unused")

    link = RedisServer(settings, address=redis_address).link()
    assert link.call("PING") == b"PONG"
    link.close()
