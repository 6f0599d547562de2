"""Heartbeats, and what the dead left behind."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from goophry.errors import StoreRefused
from goophry.store import keys
from goophry.store.client import LinkPool
from goophry.store.leases import HEARTBEAT_TTL_S, TAKEN_TTL_S, Leases, Recovery
from goophry.store.queues import MARK


@pytest.fixture
def leases(links: LinkPool, queue_key: str) -> Leases:
    return Leases(links, queue_key=queue_key, instance="me")


@pytest.fixture
def q(queue_key: str) -> str:
    return keys.queue(queue_key, "t")


def left_behind(r: "redis.Redis[bytes]", q: str, *entries: bytes, owner: str = "dead") -> None:
    r.sadd(keys.instances(q), owner)
    if entries:
        r.rpush(keys.running(q, owner), *entries)


def test_a_beat_is_known_as_long_as_it_has_not_expired(leases: Leases, r: "redis.Redis[bytes]", queue_key: str) -> None:
    key = keys.heartbeat(queue_key, "me")

    assert not leases.beat({"Pid": 1})
    assert leases.beat({"Pid": 1})
    assert 0 < r.pttl(key) <= HEARTBEAT_TTL_S * 1000
    r.delete(key)
    assert not leases.beat({})


def test_heartbeats_tell_who_lives(leases: Leases, r: "redis.Redis[bytes]", queue_key: str) -> None:
    leases.beat({"Pid": 7})

    assert leases.heartbeats(["me", "dead"]) == {"me": {"Pid": 7}, "dead": None}
    assert leases.heartbeats([]) == {}


@pytest.mark.parametrize("rubbish", ["text", "[1]", "[" * 100_000])
def test_rubbish_in_a_heartbeat_counts_as_life_until_it_expires(
    leases: Leases, r: "redis.Redis[bytes]", queue_key: str, rubbish: str
) -> None:
    key = keys.heartbeat(queue_key, "x")
    r.set(key, rubbish)

    assert leases.heartbeats(["x"]) == {"x": {}}
    assert 0 < r.ttl(key) <= HEARTBEAT_TTL_S


def test_a_heartbeat_of_another_kind_expires_too_and_a_beat_puts_it_right(
    leases: Leases, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    for name in ("me", "x"):
        r.rpush(keys.heartbeat(queue_key, name), "rubbish")

    assert leases.heartbeats(["x"]) == {"x": {}}
    leases.beat({"Pid": 7})

    assert 0 < r.ttl(keys.heartbeat(queue_key, "x")) <= HEARTBEAT_TTL_S
    assert leases.heartbeats(["me"]) == {"me": {"Pid": 7}}


def test_owners_are_those_in_the_set_of_each_type(
    leases: Leases, r: "redis.Redis[bytes]", queue_key: str, q: str
) -> None:
    r.sadd(keys.instances(q), "me", "you")
    r.sadd(keys.instances(keys.queue(queue_key, "u")), "you")

    found = leases.owners(["t", "u", "v"])

    assert {name: sorted(owners) for name, owners in found.items()} == {"t": ["me", "you"], "u": ["you"], "v": []}
    assert leases.owners([]) == {}


def test_whoever_beats_is_listed_until_a_day_after_and_whatever_else_stood_there_goes(
    leases: Leases, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    seen = keys.seen(queue_key)
    r.set(seen, "rubbish")
    leases.beat({})
    assert r.zrange(seen, 0, -1) == [b"me"]

    r.zadd(seen, {"silent for long": time.time() - 90_000, "silent for an hour": time.time() - 3600})
    leases.beat({})
    assert r.zrange(seen, 0, -1) == [b"silent for an hour", b"me"]

    leases.end("me")
    assert r.zrange(seen, 0, -1) == [b"silent for an hour"]


def test_a_set_of_owners_of_another_kind_is_removed(leases: Leases, r: "redis.Redis[bytes]", q: str) -> None:
    r.set(keys.instances(q), "rubbish")

    assert leases.owners(["t"]) == {"t": []}
    assert not r.exists(keys.instances(q))


def test_recovery_puts_entries_back_to_the_head_in_the_old_order_and_marks_them(
    leases: Leases, r: "redis.Redis[bytes]", q: str
) -> None:
    r.rpush(q, "4")
    left_behind(r, q, b"1", MARK + b"2", b"3")
    r.set(keys.step(q, "dead"), 7)

    assert leases.recover("t", "dead", max_recoveries=3) == Recovery(3, ())

    assert r.lrange(q, 0, -1) == [MARK + b"1", MARK * 2 + b"2", MARK + b"3", b"4"]
    assert not r.exists(keys.running(q, "dead"), keys.instances(q), keys.step(q, "dead"))
    assert r.get(keys.taken(q, "dead")) == b"3"
    assert 0 < r.ttl(keys.taken(q, "dead")) <= TAKEN_TTL_S


def test_what_was_recovered_too_often_is_handed_to_the_caller(leases: Leases, r: "redis.Redis[bytes]", q: str) -> None:
    left_behind(r, q, b"1", MARK * 2 + b"2", b"3", MARK * 5 + b"4")

    recovery = leases.recover("t", "dead", max_recoveries=2)

    assert recovery == Recovery(2, (MARK * 2 + b"2", MARK * 5 + b"4"))
    assert r.lrange(q, 0, -1) == [MARK + b"1", MARK + b"3"]
    assert r.lrange(keys.running(q, "me"), 0, -1) == [MARK * 2 + b"2", MARK * 5 + b"4"]


def test_no_recoveries_allowed_means_none(leases: Leases, r: "redis.Redis[bytes]", q: str) -> None:
    left_behind(r, q, b"1")

    assert leases.recover("t", "dead", max_recoveries=0) == Recovery(0, (b"1",))


def test_an_owner_that_held_nothing_leaves_no_mark(leases: Leases, r: "redis.Redis[bytes]", q: str) -> None:
    left_behind(r, q)

    assert leases.recover("t", "dead", max_recoveries=3) == Recovery(0, ())
    assert not r.exists(keys.instances(q), keys.taken(q, "dead"))


def test_rubbish_in_the_list_of_the_dead_is_removed(leases: Leases, r: "redis.Redis[bytes]", q: str) -> None:
    left_behind(r, q)
    r.set(keys.running(q, "dead"), "rubbish")

    assert leases.recover("t", "dead", max_recoveries=3) == Recovery(0, ())


@pytest.mark.parametrize("bad", ["queue", "running"])
def test_recovery_moves_nothing_while_a_list_of_the_living_is_none(
    leases: Leases, r: "redis.Redis[bytes]", q: str, bad: str
) -> None:
    left_behind(r, q, b"1", MARK + b"2")
    r.set(q if bad == "queue" else keys.running(q, "me"), "rubbish")

    with pytest.raises(StoreRefused):
        leases.recover("t", "dead", max_recoveries=1)

    assert r.lrange(keys.running(q, "dead"), 0, -1) == [b"1", MARK + b"2"]
    assert r.smembers(keys.instances(q)) == {b"dead"}


def test_two_instances_that_recover_at_once_do_it_once(
    links: LinkPool, r: "redis.Redis[bytes]", queue_key: str, q: str
) -> None:
    entries = [b"%d" % number for number in range(500)]
    left_behind(r, q, *entries)
    instances = [Leases(links, queue_key=queue_key, instance=name) for name in ("a", "b")]

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda each: each.recover("t", "dead", max_recoveries=3).requeued, instances))

    assert sorted(found) == [0, 500]
    assert r.lrange(q, 0, -1) == [MARK + entry for entry in entries]


def test_who_leaves_empty_handed_leaves_nothing(
    leases: Leases, r: "redis.Redis[bytes]", queue_key: str, q: str
) -> None:
    leases.beat({})
    r.sadd(keys.instances(q), "me")
    r.set(keys.step(q, "me"), 3)

    leases.leave(["t", "u"])
    leases.end("me")

    assert r.keys(f"*{queue_key}*") == []


def test_who_leaves_something_behind_stays_in_the_set_of_owners(
    leases: Leases, r: "redis.Redis[bytes]", queue_key: str, q: str
) -> None:
    leases.beat({})
    left_behind(r, q, b"1", owner="me")

    leases.leave(["t"])

    assert r.smembers(keys.instances(q)) == {b"me"}
