"""The list into which clients of Coyotes push: an entry in hand is let go of only where it was taken."""

from collections.abc import Callable

import pytest
import redis
from conftest import RedisServer as OwnServer
from fakes import PathToRedis, settings_for

from goophry.errors import StoreUnavailable
from goophry.store import keys
from goophry.store.client import LinkPool, RedisServer
from goophry.store.coyotes import PrepareList


def test_an_entry_is_not_let_go_of_on_a_server_that_perhaps_knows_nothing_of_its_task(
    path_to: Callable[[], PathToRedis], own_redis: Callable[..., OwnServer], queue_key: str, r: "redis.Redis[bytes]"
) -> None:
    """A replica is promoted between putting the task in and letting go of the entry."""
    path, replica = path_to(), own_redis()
    server = RedisServer(settings_for(path.address, queue_key))
    links, name = LinkPool(server), f"{queue_key}:prepare"
    taken = keys.coyotes_taken(name, "me")
    prepare = PrepareList(server.link(), links, name=name, queue_key=queue_key, instance="me")
    r.lpush(name, "task")
    assert prepare.take() == b"task"
    with replica.client() as there:
        there.lpush(taken, "task")
        path.lead_to(replica.address)
        links.close()

        with pytest.raises(StoreUnavailable, match="another server"):
            prepare.done(b"task")

        assert prepare.in_hand() == [b"task"]
        prepare.done(b"task")
        assert not there.exists(taken)
    prepare.close()
    links.close()
