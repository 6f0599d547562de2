"""Notes of tasks that are gone: found and removed, and those of tasks that are there left alone."""

import time
from collections.abc import Iterator

import pytest
import redis
from engine.service_contract import stress
from fakes import RecordingObserver

from goophry.clock import SystemClock
from goophry.engine.outage import Outage
from goophry.engine.tidying import Tidying
from goophry.events import HelperRepaired
from goophry.record import TaskRecord
from goophry.store import keys
from goophry.store.client import LinkPool
from goophry.store.queues import MARK
from goophry.store.records import Records
from goophry.store.stale_ids import LOOK_EVERY_S, STALE_S, StaleIds

R = "redis.Redis[bytes]"


class Site:
    """Notes of one type."""

    def __init__(self, links: LinkPool, client: "redis.Redis[bytes]", queue_key: str) -> None:
        self.links, self.r, self.queue_key = links, client, queue_key
        self.q = keys.queue(queue_key, "t")
        self.ids, self.unique = keys.ids(self.q), keys.unique(self.q)
        self.stale = StaleIds(links, queue_key=queue_key)
        self.observer = RecordingObserver()
        outage = Outage("tidying", observer=self.observer, clock=SystemClock())
        self.tidying = Tidying(self.stale, types=lambda: ["t"], outage=outage, observer=self.observer)

    def note(self, *names: str, age_s: float = STALE_S + 60) -> None:
        for name in names:
            self.r.hset(self.ids, name, int((time.time() - age_s) * 1000))
            self.r.hset(self.unique, f"digest of {name}", f"0 {name}")

    def noted(self) -> set[str]:
        names = {name.decode() for name in self.r.hkeys(self.ids)}
        owners = {told.decode().partition(" ")[2] for told in self.r.hvals(self.unique)}
        assert names == owners, "who is no longer there owns nothing"
        return names


@pytest.fixture
def site(links: LinkPool, r: "redis.Redis[bytes]", queue_key: str) -> Iterator[Site]:
    made = Site(links, r, queue_key)
    yield made
    made.tidying.stop()


def test_the_note_of_a_task_that_is_nowhere_goes_after_a_week_and_is_told_of(site: Site) -> None:
    site.note("gone", "gone:too")
    site.note("young", age_s=STALE_S - 60)

    site.tidying.turn()

    assert site.noted() == {"young"}
    assert site.observer.of(HelperRepaired) == [HelperRepaired("t", "2 Ids of tasks that are not there")]


def test_a_task_that_is_anywhere_keeps_its_note(site: Site) -> None:
    names = ("waits", "recovered", "delayed", "runs", "recorded")
    site.note(*names)
    site.r.rpush(site.q, b'{"Id":"waits"}', MARK + b'{"id":"recovered"}', b"no entry")
    site.r.zadd(keys.delayed(site.q), {b'{"Id":"delayed"}': 9e12})
    site.r.sadd(keys.instances(site.q), "i")
    site.r.rpush(keys.running(site.q, "i"), b'{"Id":"runs"}')
    Records(site.links, queue_key=site.queue_key).write(TaskRecord("recorded", "t", "running"), left_s=0)

    assert site.stale.sweep("t") == 0
    assert site.noted() == set(names)


def test_a_task_of_the_same_id_that_comes_meanwhile_keeps_its_note(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.note("again", "gone")
    forget = site.stale._forget

    def come_and_forget(key: str, fields: dict[bytes, bytes]) -> int:
        site.note("again", age_s=0)
        return forget(key, fields)

    monkeypatch.setattr(site.stale, "_forget", come_and_forget)

    assert site.stale.sweep("t") == 1
    assert b"again" in site.r.hkeys(site.ids)


def test_one_look_a_day_is_enough_for_all_instances(site: Site) -> None:
    site.note("gone")
    assert site.stale.sweep("t") == 1
    site.note("gone")

    assert site.stale.sweep("t") == 0
    assert 0 < site.r.ttl(keys.looked(site.q)) <= LOOK_EVERY_S
    site.r.delete(keys.looked(site.q))
    assert StaleIds(site.links, queue_key=site.queue_key).sweep("t") == 1


def test_a_look_that_is_to_end_removes_nothing(site: Site) -> None:
    site.note("gone")
    site.r.rpush(site.q, b"{}")

    assert site.stale.sweep("t", go_on=lambda: False) == 0
    assert site.noted() == {"gone"}


def test_notes_that_are_none_and_a_key_of_another_kind_trouble_nobody(site: Site) -> None:
    site.note("x")
    site.r.hset(site.ids, "x", "rubbish")
    assert site.stale.sweep("t") == 1
    site.r.delete(keys.looked(site.q))
    site.r.set(site.ids, "no hash")

    site.tidying.turn()

    assert site.observer.events == []


def test_it_starts_and_stops_from_everywhere(links: LinkPool, r: "redis.Redis[bytes]", queue_key: str) -> None:
    def make() -> Tidying:
        return Site(links, r, queue_key).tidying

    stress(make)
