"""The fleet as Redis knows it, also where a heartbeat tells less, or rubbish."""

import json
import time
from typing import Any

import pytest
import redis

from goophry.store import keys
from goophry.store.client import LinkPool
from goophry.store.fleet import Done, Fleet, TypeState
from goophry.store.leases import Leases

ABOUT: dict[str, Any] = {
    "Host": "one",
    "Pid": 17,
    "Started": 1000.5,
    "Version": "2.0.0",
    "Types": ["a", "b"],
    "Workers": {"a": 4, "b": 1},
    "Busy": 2,
    "Quiet": True,
    "Done": {"a": {"Finished": 10, "Failed": 3, "PerS": 1.5}},
    "Running": [
        {"Type": "a", "Run": "r2", "Args": '"x"', "Started": 2000.0, "Timeout": 60, "Attempt": 2, "Id": "7"},
        {"Type": "b", "Run": "r1", "Args": "", "Started": 1900.0, "Timeout": 0, "Attempt": 1},
    ],
}


@pytest.fixture
def fleet(links: LinkPool, queue_key: str) -> Fleet:
    return Fleet(links, queue_key=queue_key, configured=["b", "c"])


def beat(links: LinkPool, queue_key: str, instance: str, about: dict[str, Any]) -> None:
    Leases(links, queue_key=queue_key, instance=instance).beat(about)


def test_everything_that_instances_tell_is_added_up(
    fleet: Fleet, links: LinkPool, queue_key: str, r: "redis.Redis[bytes]"
) -> None:
    beat(links, queue_key, "i1", ABOUT)
    beat(links, queue_key, "i2", ABOUT | {"Started": 900.0, "Quiet": False, "Running": []})
    q = keys.queue(queue_key, "a")
    r.rpush(q, "1", "2", "3")
    r.rpush(keys.failed(q), "x")
    r.sadd(keys.paused(queue_key), "c", "other")
    r.zadd(keys.delayed(q), {"y": 1})
    r.sadd(keys.instances(q), "i1")
    r.rpush(keys.running(q, "i1"), "z", "z")

    state = fleet.look()

    assert [(each.id, each.host, each.pid, each.version, each.busy, each.quiet) for each in state.instances] == [
        ("i2", "one", 17, "2.0.0", 2, False),
        ("i1", "one", 17, "2.0.0", 2, True),
    ]
    assert [(run.type, run.id, run.args, run.started_s, run.attempt, run.instance) for run in state.runs] == [
        ("b", None, "", 1900.0, 1, "i1"),
        ("a", "7", '"x"', 2000.0, 2, "i1"),
    ]
    b, c, a = state.types
    assert (b.name, b.configured, b.workers, b.running, b.instances, b.done) == ("b", True, 2, 1, 2, Done(0, 0, 0.0))
    assert c == TypeState("c", True, 0, 0, 0, 0, 0, paused=True)
    assert a == TypeState("a", False, 3, 1, 2, 1, 2, 8, Done(20, 6, 3.0), soon=1)
    assert abs(state.now_s - time.time()) < 60


def test_what_is_due_within_a_minute_is_told_apart(fleet: Fleet, queue_key: str, r: "redis.Redis[bytes]") -> None:
    """By Redis's clock; what is overdue is about to be moved."""
    now_ms = int(r.time()[0]) * 1000
    r.zadd(
        keys.delayed(keys.queue(queue_key, "b")),
        {"over": now_ms - 10_000, "soon": now_ms + 55_000, "later": now_ms + 70_000},
    )
    r.set(keys.delayed(keys.queue(queue_key, "c")), "no set")

    b, c = fleet.look().types

    assert (b.delayed, b.soon) == (3, 2)
    assert (c.delayed, c.soon) == (0, 0)


def test_an_instance_of_an_older_release_is_there_with_what_it_tells(
    fleet: Fleet, queue_key: str, r: "redis.Redis[bytes]"
) -> None:
    r.sadd(keys.instances(keys.queue(queue_key, "b")), "old", "dead")
    r.set(keys.heartbeat(queue_key, "old"), json.dumps({"Host": "h", "Pid": 1, "Types": ["b"], "Busy": 1}))

    (found,) = fleet.instances()

    assert (found.id, found.version, found.started_s, found.runs) == ("old", "", None, ())
    state = fleet.look().types[0]
    assert (state.instances, state.workers, state.done) == (1, None, None)


RUBBISH = [
    "rubbish",
    "[]",
    "[" * 100_000,
    json.dumps(dict.fromkeys(ABOUT, 17)),
    json.dumps(dict.fromkeys(ABOUT, "text")),
    json.dumps({key: [None, {}, 1] for key in ABOUT}),
    json.dumps({key: {"a": -1, "b": {"Finished": True, "Failed": 1, "PerS": 1}} for key in ABOUT}),
    json.dumps({"Running": [{key: [] for key in ("Type", "Run", "Args", "Started", "Attempt", "Id")}]}),
]


@pytest.mark.parametrize("told", RUBBISH, ids=range(len(RUBBISH)))
def test_rubbish_in_a_heartbeat_hides_nothing_else(
    fleet: Fleet, links: LinkPool, queue_key: str, r: "redis.Redis[bytes]", told: str
) -> None:
    beat(links, queue_key, "good", ABOUT)
    beat(links, queue_key, "bad", {})
    r.set(keys.heartbeat(queue_key, "bad"), told)

    state = fleet.look()

    assert {each.id for each in state.instances} == {"good", "bad"}
    assert state.types[-1].done == Done(10, 3, 1.5)


def test_keys_of_another_kind_are_as_if_they_were_not_there(
    fleet: Fleet, links: LinkPool, queue_key: str, r: "redis.Redis[bytes]"
) -> None:
    beat(links, queue_key, "i", ABOUT)
    r.sadd(keys.instances(keys.queue(queue_key, "b")), "i")
    for key in (keys.seen(queue_key), keys.heartbeat(queue_key, "i"), keys.paused(queue_key)):
        r.delete(key)
        r.rpush(key, "rubbish")

    assert fleet.instances() == []
    assert fleet.types() == ["b", "c"]
    assert not any(each.paused for each in fleet.look().types)


def test_without_types_and_instances_there_is_nothing(links: LinkPool, queue_key: str) -> None:
    state = Fleet(links, queue_key=queue_key, configured=[]).look()

    assert (state.instances, state.types, state.runs) == ((), (), ())
