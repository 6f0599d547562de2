"""What stands in Redis, looked at."""

import redis

from goophry.store import keys
from goophry.store.client import LinkPool
from goophry.store.views import Views, server_info


def test_the_server_tells_its_version_and_policy(links: LinkPool) -> None:
    info = server_info(links)

    assert info.version >= (5, 0)
    assert info.version_text.count(".") == 2
    assert info.maxmemory_policy == "noeviction"


def test_lengths_are_those_of_the_lists_over_all_instances(
    links: LinkPool, queue_key: str, r: "redis.Redis[bytes]"
) -> None:
    q = keys.queue(queue_key, "a")
    r.rpush(q, "1", "2", "3")
    r.rpush(keys.failed(q), "x")
    r.zadd(keys.delayed(q), {"x": 1, "y": 2})
    r.sadd(keys.instances(q), "me", "you")
    r.rpush(keys.running(q, "me"), "1")
    r.rpush(keys.running(q, "you"), "2", "3")

    lengths = Views(links, queue_key=queue_key, types=lambda: ["a", "b"]).lengths()

    assert lengths == {
        "a": {"waiting": 3, "delayed": 2, "running": 3, "failed": 1},
        "b": {"waiting": 0, "delayed": 0, "running": 0, "failed": 0},
    }


def test_a_key_that_holds_something_else_counts_as_empty(
    links: LinkPool, queue_key: str, r: "redis.Redis[bytes]"
) -> None:
    q = keys.queue(queue_key, "a")
    for name in (q, keys.failed(q), keys.delayed(q), keys.instances(q)):
        r.set(name, "text")

    lengths = Views(links, queue_key=queue_key, types=lambda: ["a"]).lengths()

    assert lengths == {"a": {"waiting": 0, "delayed": 0, "running": 0, "failed": 0}}


def test_no_types_have_no_lengths(links: LinkPool, queue_key: str) -> None:
    assert Views(links, queue_key=queue_key, types=list).lengths() == {}
