"""Pausing a type: one set in Redis, and a message to all instances."""

import json
from collections.abc import Callable

import pytest
import redis
from conftest import RedisServer as OwnServer
from conftest import eventually
from fakes import settings_for

from goophry.errors import StoreWrongKind
from goophry.store import keys
from goophry.store.client import LinkPool, RedisServer
from goophry.store.pauses import Pauses


@pytest.fixture
def pauses(links: LinkPool, queue_key: str) -> Pauses:
    return Pauses(links, queue_key=queue_key)


def test_a_type_is_paused_and_resumed_and_it_is_said_whether_that_was_a_change(
    pauses: Pauses, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    assert pauses.paused() == frozenset()

    assert pauses.pause("a")
    assert not pauses.pause("a")
    assert pauses.pause("b: ü")
    assert pauses.paused() == {"a", "b: ü"}
    assert pauses.resume("a")
    assert not pauses.resume("a")

    assert pauses.paused() == {"b: ü"}
    assert r.ttl(keys.paused(queue_key)) == -1


def test_all_instances_are_told_after_the_set_has_changed(
    pauses: Pauses, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    with r.pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe(keys.events(queue_key))
        eventually(lambda: heard.get_message() is None and heard.subscribed)
        pauses.pause("a")
        pauses.resume("a")
        told = [eventually(heard.get_message) for _ in range(2)]

    assert [json.loads(each["data"]) for each in told] == [
        {"Event": "pause", "Type": "a"},
        {"Event": "resume", "Type": "a"},
    ]


def test_a_key_that_holds_something_else_is_put_right(pauses: Pauses, r: "redis.Redis[bytes]", queue_key: str) -> None:
    r.set(keys.paused(queue_key), "rubbish")
    with pytest.raises(StoreWrongKind):
        pauses.paused()

    pauses.repair()
    assert pauses.paused() == frozenset()
    pauses.pause("a")
    pauses.repair()
    assert pauses.paused() == {"a"}
    r.delete(keys.paused(queue_key))
    r.rpush(keys.paused(queue_key), "rubbish")
    assert pauses.pause("b")

    assert pauses.paused() == {"b"}


def test_a_type_can_be_paused_when_redis_is_full(own_redis: Callable[..., OwnServer]) -> None:
    server = own_redis()
    links = LinkPool(RedisServer(settings_for(server.address, "k")))
    pauses = Pauses(links, queue_key="k")
    pauses.pause("a")
    with server.client() as client:
        client.config_set("maxmemory", 1)

    assert pauses.pause("b")

    assert pauses.paused() == {"a", "b"}
    links.close()
