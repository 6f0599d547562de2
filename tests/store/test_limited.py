"""A RateLimit: what all instances together take, by Redis's clock, with either delivery."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from conftest import RedisServer as OwnServer
from conftest import eventually
from fakes import settings_for

from goophry.errors import StoreFull, StoreWrongKind
from goophry.rate import RateLimit
from goophry.store import keys
from goophry.store.client import Link, LinkPool, RedisServer
from goophry.store.limited import LimitedAtLeastOnce, LimitedAtMostOnce
from goophry.store.queues import Queue

HOUR = 3600


class Site:
    """Queues of one type, one for each instance."""

    def __init__(self, links: LinkPool, queue_key: str, *, leased: bool) -> None:
        self.queue_key, self.leased = queue_key, leased
        self.link: Link = links.take()
        self.q = keys.queue(queue_key, "t")
        self.rate = keys.rate(self.q)

    def queue(self, count: int, span_s: int = HOUR, *, instance: str = "me") -> Queue:
        rate = RateLimit(count, span_s)
        if self.leased:
            return LimitedAtLeastOnce(rate, queue_key=self.queue_key, task_type="t", instance=instance)
        return LimitedAtMostOnce(rate, queue_key=self.queue_key, task_type="t")

    def take(self, queue: Queue, want: int = 1, *, acks: tuple[bytes, ...] = ()) -> list[bytes]:
        taken, _ = queue.swap(self.link, acks=acks, want=want, step=1)
        return taken


@pytest.fixture(params=[True, False], ids=["at-least-once", "at-most-once"])
def site(request: pytest.FixtureRequest, links: LinkPool, queue_key: str) -> Iterator[Site]:
    made = Site(links, queue_key, leased=request.param)
    yield made
    made.link.close()


def fill(r: "redis.Redis[bytes]", site: Site, count: int = 100) -> list[bytes]:
    entries = [b"%d" % number for number in range(count)]
    r.rpush(site.q, *entries)
    return entries


def test_three_instances_together_take_exactly_as_many_as_the_limit_says(site: Site, r: "redis.Redis[bytes]") -> None:
    entries = fill(r, site)
    queues = [site.queue(10, instance=name) for name in "abc"]

    taken = [raw for _ in range(10) for queue in queues for raw in site.take(queue)]

    assert taken == entries[:10]
    assert r.lrange(site.q, 0, -1) == entries[10:], "the others wait where everybody sees them"
    assert all(0 < queue.limited_s <= HOUR for queue in queues)
    assert r.llen(site.rate) == 10
    assert 0 < r.pttl(site.rate) <= HOUR * 1000


@pytest.mark.parametrize(("count", "wants"), [(10, [4, 4, 4, 4]), (3, [100]), (7, [1, 100, 1]), (250, [100, 100, 100])])
def test_several_at_once_are_counted_each(site: Site, r: "redis.Redis[bytes]", count: int, wants: list[int]) -> None:
    entries = fill(r, site, 400)
    queue = site.queue(count)

    taken = [raw for want in wants for raw in site.take(queue, want)]

    assert taken == entries[: min(count, sum(wants))]
    assert bool(queue.limited_s) is (count < sum(wants))


def test_nothing_is_noted_for_an_entry_that_is_not_there(site: Site, r: "redis.Redis[bytes]") -> None:
    queue = site.queue(2)

    for _ in range(5):
        assert site.take(queue, 3) == []
        assert queue.limited_s == 0
    r.rpush(site.q, "1")
    assert site.take(queue, 3) == [b"1"]

    assert queue.limited_s == 0
    assert r.llen(site.rate) == 1
    r.rpush(site.q, "2", "3")
    assert site.take(queue, 3) == [b"2"]
    assert queue.limited_s > 0


def test_within_no_span_more_are_taken_than_the_limit_says(site: Site, r: "redis.Redis[bytes]") -> None:
    """Three instances as fast as they can, and every moment that Redis noted."""
    fill(r, site, 10_000)
    moments: list[int] = []
    ended = threading.Event()

    def take(name: str) -> None:
        link = RedisServer(settings_for("{host}:{port}".format(**r.connection_pool.connection_kwargs), "unused")).link()
        queue = site.queue(200, 1, instance=name)
        while not ended.is_set():
            queue.swap(link, acks=(), want=5, step=1)
        link.close()

    with ThreadPoolExecutor(3) as pool:
        done = [pool.submit(take, name) for name in "abc"]
        eventually(lambda: collect(moments, r, site.rate) >= 450)
        ended.set()
        for each in done:
            each.result(20)

    moments.sort()
    assert all(later - earlier >= 1_000_000 for earlier, later in zip(moments, moments[200:], strict=False))


def collect(moments: list[int], r: "redis.Redis[bytes]", key: str) -> int:
    """Add what was noted since the last look, and return how many there are; the list always holds a whole span."""
    noted = sorted(int(moment) for moment in r.lrange(key, 0, -1))
    last = moments[-1] if moments else 0
    # Of the last moment seen, some more may have been noted since.
    same = moments.count(last)
    moments += [last] * max(0, noted.count(last) - same) + [moment for moment in noted if moment > last]
    return len(moments)


def test_when_the_oldest_is_a_span_ago_the_next_is_allowed(site: Site, r: "redis.Redis[bytes]") -> None:
    fill(r, site)
    queue = site.queue(3, 10)
    seconds, micros = r.time()
    now = seconds * 1_000_000 + micros
    r.rpush(site.rate, now - 2_000_000, now - 9_000_000, now - 10_000_000)

    assert len(site.take(queue, 3)) == 1
    assert 0 < queue.limited_s <= 1


def test_wait_takes_what_comes_and_returns_at_once_while_the_limit_holds(site: Site, r: "redis.Redis[bytes]") -> None:
    queue = site.queue(1)
    assert queue.wait(site.link, timeout_s=1) is None
    assert queue.limited_s == 0
    found: list[bytes | None] = []
    waiting = threading.Thread(target=lambda: found.append(queue.wait(site.link, timeout_s=30)))
    waiting.start()
    eventually(lambda: any(b"blmove" in str(client).encode() for client in r.client_list()))

    r.rpush(site.q, "1", "2")
    waiting.join(20)
    assert found == [b"1"]
    assert queue.wait(site.link, timeout_s=30) is None
    assert 0 < queue.limited_s <= HOUR

    assert r.lrange(site.q, 0, -1) == [b"2"]


def test_looking_for_an_entry_changes_nothing(site: Site, r: "redis.Redis[bytes]", links: LinkPool) -> None:
    """Several that wait are all woken by one entry; one takes it."""
    with ThreadPoolExecutor(3) as pool:
        found = []
        for name in "abc":
            link = links.take()
            queue = site.queue(100, instance=name)
            found.append(pool.submit(queue.wait, link, timeout_s=2))
        eventually(lambda: sum(b"blmove" in str(client).encode() for client in r.client_list()) >= 3)
        r.rpush(site.q, "1")
        taken = [each.result(20) for each in found]

    assert sorted(taken, key=str) == sorted([None, None, b"1"], key=str)
    assert r.llen(site.rate) == 1


def test_acks_are_carried_out_also_while_the_limit_holds(
    links: LinkPool, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    site = Site(links, queue_key, leased=True)
    fill(r, site, 3)
    queue = site.queue(1)
    (first,) = site.take(queue, 2)

    taken, removed = queue.swap(site.link, acks=(first,), want=1, step=2)

    assert (taken, removed) == ([], 1)
    assert queue.limited_s > 0
    assert not r.exists(keys.running(site.q, "me"))
    site.link.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r, key, now: r.delete(key),
        lambda r, key, now: r.set(key, "rubbish"),
        lambda r, key, now: r.delete(key) and r.rpush(key, "rubbish", "more"),
        lambda r, key, now: r.lset(key, 1, "rubbish"),
        lambda r, key, now: r.lset(key, 0, now + 100 * HOUR * 1_000_000),
        lambda r, key, now: r.lset(key, 0, ""),
    ],
    ids=["deleted", "other kind", "no moments", "one no moment", "far in the future", "empty"],
)
def test_a_key_that_is_gone_or_rubbish_is_begun_anew(
    site: Site, r: "redis.Redis[bytes]", spoil: Callable[["redis.Redis[bytes]", str, int], object]
) -> None:
    fill(r, site)
    queue = site.queue(2)
    assert len(site.take(queue, 5)) == 2

    spoil(r, site.rate, r.time()[0] * 1_000_000)

    assert len(site.take(queue, 5)) == 2
    assert r.llen(site.rate) == 2
    assert site.take(queue, 5) == []


def test_after_the_clock_was_set_back_a_little_the_limit_holds(site: Site, r: "redis.Redis[bytes]") -> None:
    fill(r, site)
    queue = site.queue(4)
    ahead = r.time()[0] * 1_000_000 + 60_000_000
    r.rpush(site.rate, ahead, ahead, ahead)

    assert len(site.take(queue, 5)) == 1
    assert HOUR < queue.limited_s <= HOUR + 60
    assert set(r.lrange(site.rate, 0, -1)) == {b"%d" % ahead}


def test_another_limit_holds_for_what_was_taken_before(site: Site, r: "redis.Redis[bytes]") -> None:
    fill(r, site)
    assert len(site.take(site.queue(5), 9)) == 5

    assert site.take(site.queue(3), 9) == []
    assert r.llen(site.rate) == 5, "nothing was taken, so nothing is forgotten"
    assert len(site.take(site.queue(7), 9)) == 2
    assert site.take(site.queue(7), 9) == []


def test_a_queue_that_is_no_list_is_an_error_and_nothing_is_noted(site: Site, r: "redis.Redis[bytes]") -> None:
    r.set(site.q, "x")
    queue = site.queue(2)

    with pytest.raises(StoreWrongKind):
        site.take(queue, 1)

    assert not r.exists(site.rate)


def test_a_running_list_that_is_none_is_an_error_and_nothing_is_taken(
    links: LinkPool, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    site = Site(links, queue_key, leased=True)
    fill(r, site, 2)
    r.set(keys.running(site.q, "me"), "x")

    with pytest.raises(StoreWrongKind):
        site.take(site.queue(2), 2)

    assert r.llen(site.q) == 2
    assert not r.exists(site.rate)
    site.link.close()


def test_at_redis_maxmemory_nothing_is_taken_and_nothing_noted(own_redis: Callable[..., OwnServer]) -> None:
    server = own_redis()
    links = LinkPool(RedisServer(settings_for(server.address, "k")))
    site = Site(links, "k", leased=True)
    with server.client() as client:
        fill(client, site, 3)
        queue = site.queue(2)
        client.config_set("maxmemory", 1)

        with pytest.raises(StoreFull):
            site.take(queue, 2)

        assert client.llen(site.q) == 3
        assert not client.exists(site.rate)
        client.config_set("maxmemory", 0)
        assert len(site.take(queue, 3)) == 2
    site.link.close()
    links.close()
