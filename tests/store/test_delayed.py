"""What is due later: looked through page by page, found by its key, put into the queue."""

import json

import pytest
import redis

from goophry.errors import AmbiguousKey, BadCursor, StoreWrongKind
from goophry.failed_entry import key_of
from goophry.store import keys
from goophry.store.client import LinkPool
from goophry.store.delayed import Delayed, DelayedEntry


def entry(name: object) -> bytes:
    return json.dumps({"Args": [str(name)]}).encode()


class Site:
    def __init__(self, links: LinkPool, client: "redis.Redis[bytes]", queue_key: str) -> None:
        self.r = client
        self.q = keys.queue(queue_key, "t")
        self.set = keys.delayed(self.q)
        self.taken: list[bytes] = []
        self.delayed = Delayed(links, queue_key=queue_key, take_out=self.take_out)

    def take_out(self, task_type: str, raw: bytes) -> bool:
        self.taken.append(raw)
        return bool(self.r.zrem(self.set, raw))

    def fill(self, count: int, *, per_ms: int = 1) -> list[bytes]:
        entries = [entry(f"{number:05d}") for number in range(count)]
        if count:
            self.r.zadd(self.set, {raw: 1000 + number // per_ms for number, raw in enumerate(entries)})
        return entries

    def pages(self, limit: int) -> list[bytes]:
        found: list[bytes] = []
        cursor = None
        while True:
            page = self.delayed.page(["t"], cursor=cursor, limit=limit)
            assert len(page.entries) <= limit
            found += [each.raw for each in page.entries]
            cursor = page.cursor
            if cursor is None:
                return found


@pytest.fixture
def site(links: LinkPool, r: "redis.Redis[bytes]", queue_key: str) -> Site:
    return Site(links, r, queue_key)


@pytest.mark.parametrize("per_ms", [1, 7, 1000])
def test_pages_show_the_next_due_first(site: Site, per_ms: int) -> None:
    entries = site.fill(95, per_ms=per_ms)

    assert site.delayed.length("t") == 95
    for limit in (1, 10, 95, 200):
        assert site.pages(limit) == entries
    assert site.delayed.page(["t"], limit=95).cursor is None


def test_an_entry_is_told_with_its_moment_also_where_it_cannot_be_read(site: Site) -> None:
    site.r.zadd(
        site.set, {b'{"Args":["x"],"Id":"7","Goophry":{"Attempt":3}}': 1500, b"rubbish": 1600, b"first": "-inf"}
    )

    first, *rest = site.delayed.page(["t"]).entries

    assert (first.raw, first.due_ms) == (b"first", 0)
    assert rest[0] == DelayedEntry("t", b'{"Args":["x"],"Id":"7","Goophry":{"Attempt":3}}', 1500)
    assert (rest[0].entry().id, rest[0].entry().attempt, rest[0].problem()) == ("7", 3, "")
    assert (rest[1].entry().args, bool(rest[1].problem())) == ((), True)


def test_an_empty_set_and_a_key_of_another_kind_are_an_empty_page(site: Site) -> None:
    assert site.delayed.page(["t"]).entries == ()
    site.r.set(site.set, "rubbish")

    assert site.delayed.page(["t"]).entries == ()
    assert site.delayed.length("t") == 0
    assert site.delayed.find("t", "abcd") is None
    assert site.delayed.sweep("t", site.delayed.hasten, wanted=lambda _: True, progress=lambda _: None) == 0


@pytest.mark.parametrize("text", ["", "5", "5-", "-1-0", "x-1", "5-0-0"])
def test_a_cursor_that_was_never_given_is_refused(site: Site, text: str) -> None:
    with pytest.raises(BadCursor):
        site.delayed.page(["t"], cursor=text)


def test_what_becomes_due_meanwhile_makes_no_page_skip_another(site: Site) -> None:
    entries = site.fill(30)
    page = site.delayed.page(["t"], limit=10)
    site.r.zrem(site.set, *entries[:15])

    rest = site.delayed.page(["t"], cursor=page.cursor, limit=100)

    assert [each.raw for each in rest.entries] == entries[15:]


def test_an_entry_is_found_by_its_key(site: Site) -> None:
    entries = site.fill(1200)

    found = site.delayed.find("t", key_of(entries[700])[:10])

    assert found == DelayedEntry("t", entries[700], 1700)
    assert site.delayed.find("t", "0" * 16) is None
    with pytest.raises(AmbiguousKey):
        site.delayed.find("t", "abc")


@pytest.mark.parametrize("per_ms", [1, 1000])
def test_all_that_is_meant_goes_into_the_queue_in_the_order_of_its_moments(site: Site, per_ms: int) -> None:
    entries = site.fill(950, per_ms=per_ms)
    looked_at: list[int] = []

    done = site.delayed.sweep(
        "t", site.delayed.hasten, wanted=lambda each: int(each.entry().args[0]) % 3 == 0, progress=looked_at.append
    )

    assert done == 317
    assert sum(looked_at) == 950
    assert site.r.lrange(site.q, 0, -1) == entries[::3]
    assert site.r.zcard(site.set) == 633
    assert site.delayed.sweep("t", site.delayed.hasten, wanted=lambda _: True, progress=lambda _: None) == 633


def test_what_is_gone_is_not_put_into_the_queue(site: Site) -> None:
    site.fill(2)
    (first, second) = site.delayed.page(["t"]).entries
    site.r.zrem(site.set, first.raw)

    assert site.delayed.hasten("t", [first, second, second]) == 1
    assert site.r.lrange(site.q, 0, -1) == [second.raw]


def test_nothing_moves_while_the_queue_is_no_list(site: Site) -> None:
    site.fill(2)
    site.r.set(site.q, "rubbish")

    with pytest.raises(StoreWrongKind, match="which holds no list"):
        site.delayed.hasten("t", site.delayed.page(["t"]).entries)

    assert site.r.zcard(site.set) == 2


def test_one_is_run_now_or_taken_out_by_its_key(site: Site) -> None:
    entries = site.fill(3)

    assert site.delayed.run_now("t", key_of(entries[1])) == DelayedEntry("t", entries[1], 1001)
    assert site.delayed.run_now("t", key_of(entries[1])) is None
    assert site.delayed.remove("t", key_of(entries[2])) == DelayedEntry("t", entries[2], 1002)
    assert site.delayed.remove("t", key_of(entries[2])) is None
    assert site.r.lrange(site.q, 0, -1) == [entries[1]]
    assert site.taken == [entries[2]]
    assert site.r.zrange(site.set, 0, -1) == [entries[0]]


def test_pages_of_several_types_are_one_by_the_moments(site: Site, queue_key: str) -> None:
    other = keys.delayed(keys.queue(queue_key, "u"))
    site.fill(20, per_ms=5)
    site.r.zadd(other, {entry(f"u{number}"): 1000 + number // 2 for number in range(9)})

    found, cursor = [], None
    while True:
        page = site.delayed.page(["t", "u"], cursor=cursor, limit=4)
        found += page.entries
        cursor = page.cursor
        if cursor is None:
            break

    assert len(found) == len(set(found)) == 29
    assert [each.due_ms for each in found] == sorted(each.due_ms for each in found)
