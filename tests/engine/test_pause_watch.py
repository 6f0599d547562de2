"""Paused types: what the set in Redis says holds, however it came there and whatever was missed."""

from collections.abc import Callable, Collection, Iterator

import pytest
import redis
from conftest import eventually
from engine.service_contract import stress
from fakes import PathToRedis, RecordingObserver, settings_for

from goophry.clock import SystemClock
from goophry.engine import pause_watch as module
from goophry.engine.outage import Outage
from goophry.engine.pause_watch import PauseWatch
from goophry.errors import StoreUnavailable
from goophry.events import HelperRepaired, StoreBack, StoreLost
from goophry.store import keys
from goophry.store.client import LinkPool, RedisServer
from goophry.store.pauses import Pauses


class Site:
    """A watch, and what it told."""

    def __init__(self, address: str, queue_key: str) -> None:
        self.observer = RecordingObserver()
        self.links = LinkPool(RedisServer(settings_for(address, queue_key)))
        self.pauses = Pauses(self.links, queue_key=queue_key)
        self.told: list[Collection[str]] = []
        self.watch = PauseWatch(
            self.pauses,
            hold=self.told.append,
            outage=Outage("pauses", observer=self.observer, clock=SystemClock()),
            observer=self.observer,
        )


@pytest.fixture
def make(redis_address: str, queue_key: str) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make_one(address: str = "") -> Site:
        made.append(Site(address or redis_address, queue_key))
        return made[-1]

    yield make_one
    for site in made:
        site.watch.stop()
        site.links.close()


Make = Callable[..., Site]


def test_the_first_look_is_done_when_it_has_started(make: Make) -> None:
    site = make()
    site.pauses.pause("a")

    site.watch.start()
    site.watch.start()

    assert site.told == [{"a"}]


def test_a_nudge_makes_it_look_at_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 60)
    site = make()
    site.watch.start()
    site.pauses.pause("a")

    site.watch.look()

    eventually(lambda: site.told == [frozenset(), {"a"}])


def test_without_a_nudge_it_looks_by_itself(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    site = make()
    site.watch.start()

    site.pauses.pause("a")

    eventually(lambda: site.told[-1] == {"a"})


def test_it_does_not_start_without_redis_and_outlasts_an_outage(
    make: Make, path_to: Callable[[], PathToRedis], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    path = path_to()
    site = make(path.address)
    path.cut()
    with pytest.raises(StoreUnavailable):
        site.watch.start()
    path.mend()
    site.watch.start()

    path.cut()
    eventually(lambda: site.observer.of(StoreLost))
    before = len(site.told)
    path.mend()

    eventually(lambda: site.observer.of(StoreBack))
    eventually(lambda: len(site.told) > before)


def test_a_key_that_holds_no_set_is_put_right_and_nothing_is_paused(
    make: Make, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    site = make()
    r.set(keys.paused(queue_key), "rubbish")

    site.watch.turn()
    site.watch.turn()

    assert [list(names) for names in site.told] == [[], []]
    assert len(site.observer.of(HelperRepaired)) == 1


def test_no_fault_ends_the_looking(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    site = make()
    site.watch.start()
    monkeypatch.setattr(site.pauses, "paused", lambda: int("x"))
    eventually(lambda: "The look for paused types failed" in caplog.text)

    monkeypatch.undo()
    before = len(site.told)

    eventually(lambda: len(site.told) > before)


def test_it_keeps_the_contract_of_a_service(make: Make) -> None:
    stress(lambda: make().watch, rounds=2)
