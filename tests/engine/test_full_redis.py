"""Redis at its maxmemory: what was removed is removed, and nothing is in doubt for it."""

from collections.abc import Callable

import pytest
from conftest import RedisServer
from engine.parts import Parts

from goophry.engine.presence import this_process
from goophry.errors import StoreFull
from goophry.store.leases import Leases

pytest_plugins = ("engine.fixtures",)


@pytest.mark.parametrize("want", [1, 2])
def test_a_swap_settles_although_nothing_can_be_taken(
    make: Callable[..., Parts], own_redis: Callable[..., RedisServer], want: int
) -> None:
    server = own_redis()
    client = server.client()
    parts = make(address=server.address, workers=2)
    client.rpush(parts.q, '{"Args":["1"]}', '{"Args":["1"]}', '{"Args":["2"]}')
    parts.exchange.reconcile()
    (task,) = parts.exchange.swap(want=1)
    client.config_set("maxmemory", 1)

    with pytest.raises(StoreFull):
        parts.exchange.swap(task, want=want)

    assert client.lrange(parts.running, 0, -1) == []
    assert client.llen(parts.q) == 2
    assert parts.exchange.clean
    assert not parts.exchange.in_doubt
    with pytest.raises(StoreFull):
        parts.exchange.wait(parts.links.take(), timeout_s=1)
    assert not parts.exchange.in_doubt

    parts.exchange.doubt()
    parts.exchange.reconcile()
    assert not parts.exchange.in_doubt, "a comparison needs no memory"

    client.config_set("maxmemory", 0)
    assert len(parts.exchange.swap(want=want)) == want
    client.close()


def test_beats_and_recoveries_go_on(make: Callable[..., Parts], own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis()
    client = server.client()
    dead, alive = (make(address=server.address, name=name) for name in ("dead", "me"))
    client.rpush(dead.q, '{"Args":["1"]}')
    for parts in (dead, alive):
        parts.exchange.reconcile()
    dead.exchange.swap(want=1)
    client.config_set("maxmemory", 1)

    alive.recovery.turn()

    assert client.lrange(alive.q, 0, -1) == [b'\t\r{"Args":["1"]}']
    leases = Leases(alive.links, queue_key=alive.q.rpartition(":")[0], instance="me")
    assert not leases.beat({"Pid": 1})
    assert leases.beat({"Pid": 1})
    client.close()


def test_an_instance_counts_as_dead_only_when_its_guardian_has_ended_too() -> None:
    me = this_process(now=0.0)
    gone = {"Boot": me.boot, "Pid": 2**22 - 1, "Ticks": "1"}

    assert me.knows_dead(gone)
    assert me.knows_dead(gone | {"Guardian": 2**22 - 1, "GuardianTicks": "1"})
    assert not me.knows_dead(gone | {"Guardian": me.pid, "GuardianTicks": me.ticks})
    assert me.knows_dead(gone | {"Guardian": me.pid, "GuardianTicks": "1"}), "its number was used again"
    assert me.knows_dead(gone | {"Guardian": "rubbish"})
