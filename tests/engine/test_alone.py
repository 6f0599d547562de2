"""Types of which one instance at a time takes entries: who that is, and when it changes."""

from collections.abc import Callable, Collection
from typing import Any

import pytest
import redis
from engine.service_contract import stress
from fakes import FakeClock, RecordingObserver

from goophry.engine.alone import Alone
from goophry.engine.outage import Outage
from goophry.engine.presence import Presence, this_process
from goophry.store import keys
from goophry.store.client import LinkPool
from goophry.store.holders import Holders

TYPES = ["x.0", "x.1"]


class Instance:
    def __init__(self, name: str, queue_key: str, links: LinkPool, *, process: Presence | None = None) -> None:
        own = this_process(now=1.0)
        presence = process or Presence(name, own.host, own.pid, 1.0, own.boot, own.ticks)
        self.left: set[str] = set()
        self.is_alive = self.is_steady = True
        self.alone = Alone(
            Holders(links, queue_key=queue_key),
            presence,
            types=lambda: TYPES,
            leave=self._leave,
            alive=lambda: self.is_alive,
            steady=lambda: self.is_steady,
            outage=Outage("alone", observer=RecordingObserver(), clock=FakeClock()),
        )

    def _leave(self, names: Collection[str]) -> None:
        self.left = set(names)

    def takes(self) -> set[str]:
        self.alone.turn()
        return set(TYPES) - self.left


Make = Callable[..., Instance]


@pytest.fixture
def make(queue_key: str, links: LinkPool, r: "redis.Redis[bytes]") -> Make:
    def make(name: str, *, beats: bool = True, **options: Any) -> Instance:
        if beats:
            r.set(keys.heartbeat(queue_key, name), "{}")
        return Instance(name, queue_key, links, **options)

    return make


def test_the_first_takes_all_and_others_nothing(make: Make) -> None:
    first, second = make("first"), make("second")

    assert first.takes() == set(TYPES)
    assert second.takes() == set()
    assert first.takes() == set(TYPES)


def test_nothing_is_taken_without_a_heartbeat(make: Make) -> None:
    first = make("first")
    first.is_alive = False

    assert first.takes() == set()


def test_a_holder_whose_heartbeat_is_gone_is_replaced_once_what_it_held_has_been_recovered(
    make: Make, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    make("first").takes()
    second = make("second")
    q = keys.queue(queue_key, "x.0")
    r.delete(keys.heartbeat(queue_key, "first"))
    r.sadd(keys.instances(q), "first")
    r.rpush(keys.running(q, "first"), "entry")

    second.is_steady = False  # after an outage of Redis all heartbeats are gone
    assert second.takes() == set()
    second.is_steady = True
    assert second.takes() == {"x.1"}
    r.delete(keys.running(q, "first"))
    assert second.takes() == set(TYPES)


def test_a_holder_known_to_have_ended_is_replaced_at_once(make: Make) -> None:
    own = this_process(now=1.0)
    gone = Presence("gone", own.host, own.pid, 1.0, own.boot, "another start")
    make("gone", process=gone).takes()
    second = make("second")
    second.is_steady = False

    assert second.takes() == set(TYPES)


def test_who_was_silent_leaves_everything_until_it_has_looked(
    make: Make, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    first = make("first")
    assert first.takes() == set(TYPES)

    first.alone.doubt()
    assert first.left == set(TYPES)
    r.set(keys.holder(keys.queue(queue_key, "x.0")), '{"Id":"other"}')
    r.set(keys.heartbeat(queue_key, "other"), "{}")

    assert first.takes() == {"x.1"}


def test_a_doubt_during_a_look_counts(make: Make) -> None:
    first = make("first")
    hold = first.alone._hold

    def held_and_doubted(types: Collection[str]) -> set[str]:
        found = hold(types)
        first.alone.doubt()
        return found

    first.alone._hold = held_and_doubted  # type: ignore[method-assign]

    assert first.takes() == set()


def test_after_a_stop_others_take_over_at_once(make: Make) -> None:
    first, second = make("first"), make("second")
    first.takes()

    second.alone.let_go()
    assert second.takes() == set()
    first.alone.let_go()
    assert second.takes() == set(TYPES)


def test_what_is_no_holder_is_replaced(make: Make, r: "redis.Redis[bytes]", queue_key: str) -> None:
    r.set(keys.holder(keys.queue(queue_key, "x.0")), "rubbish")

    assert make("first").takes() == set(TYPES)


def test_it_stands_the_stress_of_services(make: Make) -> None:
    stress(lambda: make("one").alone, threads=3, rounds=2)
