"""Saying that this instance lives, and knowing until when others believe it."""

from collections.abc import Callable

import pytest
import redis
from conftest import eventually
from engine.parts import Parts
from engine.service_contract import stress
from fakes import FakeClock, PathToRedis, RecordingObserver

from goophry.engine import heartbeat as module
from goophry.engine.heartbeat import MARGIN_S, Heartbeat
from goophry.engine.outage import Outage
from goophry.errors import StoreUnavailable
from goophry.events import OwnershipLost, StoreBack, StoreLost
from goophry.store import keys
from goophry.store.leases import BEAT_S, HEARTBEAT_TTL_S

pytest_plugins = ("engine.fixtures",)

Make = Callable[..., Parts]


class Site:
    """The heartbeat of `me` on a clock of the test's."""

    def __init__(self, parts: Parts) -> None:
        self.clock = FakeClock()
        self.observer = RecordingObserver()
        self.doubts = 0
        self.valid_while_doubting = False
        self.heartbeat = Heartbeat(
            parts.leases,
            instance="me",
            about=lambda: {"Pid": 1},
            doubt_all=self._doubt,
            outage=Outage("heartbeat", observer=self.observer, clock=self.clock),
            observer=self.observer,
            clock=self.clock,
        )

    def _doubt(self) -> None:
        self.doubts += 1
        self.valid_while_doubting = self.heartbeat.valid()


def beat_for(site: Site, seconds: float) -> None:
    end = site.clock.time + seconds
    while site.clock.time < end:
        site.clock.forward(BEAT_S)
        site.heartbeat.turn()


@pytest.fixture
def site(make: Make) -> Site:
    return Site(make())


def test_before_the_first_beat_nobody_believes_in_us(site: Site) -> None:
    assert not site.heartbeat.valid()
    assert not site.heartbeat.steady()


def test_a_beat_is_believed_until_shortly_before_it_expires(site: Site) -> None:
    site.heartbeat.turn()
    site.clock.forward(HEARTBEAT_TTL_S - MARGIN_S - 0.1)
    assert site.heartbeat.valid()

    site.clock.forward(0.2)

    assert not site.heartbeat.valid()


def test_only_after_a_whole_expiry_of_beats_a_missing_one_means_death(site: Site) -> None:
    site.heartbeat.turn()
    beat_for(site, HEARTBEAT_TTL_S)
    assert not site.heartbeat.steady()

    beat_for(site, BEAT_S)

    assert site.heartbeat.steady()


def test_a_gone_heartbeat_is_ownership_lost_and_doubt_comes_before_life(
    site: Site, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    site.heartbeat.turn()
    beat_for(site, 2 * HEARTBEAT_TTL_S)
    r.delete(keys.heartbeat(queue_key, "me"))
    site.clock.forward(30)

    site.heartbeat.turn()

    assert site.doubts == 1
    assert not site.valid_while_doubting
    assert site.observer.events == [OwnershipLost("me", 30.0)]
    assert site.heartbeat.valid()
    assert not site.heartbeat.steady()


def test_an_outage_ends_steadiness(make: Make, path_to: Callable[[], PathToRedis]) -> None:
    path = path_to()
    site = Site(make(address=path.address))
    site.heartbeat.turn()
    beat_for(site, 2 * HEARTBEAT_TTL_S)
    assert site.heartbeat.steady()
    path.cut()

    with pytest.raises(StoreUnavailable):
        site.heartbeat.turn()

    assert not site.heartbeat.steady()
    assert site.heartbeat.valid(), "until the last beat expires"


def test_it_beats_until_it_is_stopped(
    make: Make, r: "redis.Redis[bytes]", queue_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    site = Site(make())
    key = keys.heartbeat(queue_key, "me")
    site.heartbeat.start()
    assert r.exists(key)

    r.delete(key)
    eventually(lambda: r.exists(key))
    site.heartbeat.stop()
    r.delete(key)

    assert site.doubts == 1
    assert not r.exists(key)


def test_an_outage_is_told_twice(
    make: Make, path_to: Callable[[], PathToRedis], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    path = path_to()
    site = Site(make(address=path.address))
    site.heartbeat.start()

    path.cut()
    eventually(lambda: site.observer.of(StoreLost))
    path.mend()
    eventually(lambda: site.observer.of(StoreBack))
    site.heartbeat.stop()

    assert len(site.observer.of(StoreLost)) == 1


def test_no_fault_ends_the_heartbeat(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    site = Site(make())
    site.heartbeat.start()
    monkeypatch.setattr(site.heartbeat, "_about", lambda: int("x"))

    eventually(lambda: "A heartbeat failed" in caplog.text)
    monkeypatch.setattr(site.heartbeat, "_about", dict)
    before = site.clock.time
    site.clock.forward(100)
    eventually(lambda: (site.heartbeat._last or 0) > before)
    site.heartbeat.stop()


def test_a_start_without_redis_fails_and_leaves_no_thread(make: Make) -> None:
    site = Site(make(address="127.0.0.1:1"))

    with pytest.raises(StoreUnavailable):
        site.heartbeat.start()

    assert not site.heartbeat._thread.started
    site.heartbeat.stop()


def test_a_heartbeat_keeps_the_contract_of_a_service(make: Make) -> None:
    parts = make()

    stress(lambda: Site(parts).heartbeat)
