"""The failed list: looked through while it changes, put back and deleted without losing or doubling an entry."""

import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from conftest import RedisServer as OwnRedis
from conftest import eventually, free_port
from fakes import PathToRedis, settings_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goophry.entry import failed_entry, parse, unreadable_entry
from goophry.errors import AmbiguousKey, BadCursor, StoreUnavailable, StoreWrongKind, UnreadableEntry
from goophry.failed_entry import FailedFilter, key_of
from goophry.record import TaskRecord
from goophry.store import failed as store_failed
from goophry.store import failed_look, keys, looking
from goophry.store.client import LinkPool, RedisServer
from goophry.store.failed import FailedList
from goophry.store.failed_transit import Transit
from goophry.store.records import Records


def pushed(name: object, **fields: object) -> bytes:
    return json.dumps({"Args": [str(name)], **fields}, separators=(",", ":")).encode()


def failed(name: object, message: str = "exit status 1", **fields: object) -> bytes:
    return failed_entry(parse(pushed(name, **fields)), message, b"")


class Site:
    """The failed list of one type, and the keys it is about."""

    def __init__(self, links: LinkPool, client: "redis.Redis[bytes]", queue_key: str) -> None:
        self.links, self.r = links, client
        self.q = keys.queue(queue_key, "t")
        self.failed, self.aside = keys.failed(self.q), keys.failed_aside(self.q)
        self.list = FailedList(links, queue_key=queue_key, task_type="t")

    def fill(self, count: int, message: str = "exit status 1") -> list[bytes]:
        entries = [failed(f"{number:06d}", message) for number in range(count)]
        for start in range(0, count, 10_000):
            self.r.rpush(self.failed, *entries[start : start + 10_000])
        return entries

    def waiting(self) -> list[bytes]:
        return self.r.lrange(self.q, 0, -1)

    def kept(self) -> list[bytes]:
        return self.r.lrange(self.failed, 0, -1)

    def pages(self, limit: int, meanwhile: Callable[[], object] = lambda: None, **wanted: Any) -> list[bytes]:
        found: list[bytes] = []
        cursor = None
        while True:
            page = self.list.search(FailedFilter(**wanted), cursor=cursor, limit=limit)
            assert len(page.entries) <= limit
            found += [entry.raw for entry in page.entries]
            cursor = page.cursor
            if cursor is None:
                return found
            meanwhile()


@pytest.fixture
def site(links: LinkPool, r: "redis.Redis[bytes]", queue_key: str) -> Site:
    return Site(links, r, queue_key)


def test_pages_show_the_newest_first_and_those_kept_aside_at_the_end(site: Site) -> None:
    entries = site.fill(25)
    site.r.rpush(site.aside, *(aside := [failed("aside 1"), failed("aside 2")]))

    assert site.pages(10) == [*reversed(entries), *reversed(aside)]
    assert site.pages(27) == site.pages(1)
    assert site.list.length() == 27


def test_a_page_that_ends_where_the_list_ends_has_no_cursor(site: Site) -> None:
    site.fill(10)

    assert site.list.page(limit=10).cursor is None
    assert site.list.page(limit=9).cursor == "0-0"


def test_an_empty_list_and_a_key_that_holds_something_else_are_an_empty_page(site: Site) -> None:
    assert site.list.page() == site.list.search(FailedFilter(text="x"))
    site.r.set(site.failed, "somebody's")

    assert site.list.page().entries == ()
    assert site.list.length() == 0
    assert site.list.retry_all().done == site.list.delete_all().done == 0
    assert site.list.find("abcd") is None


def test_while_the_list_changes_no_page_skips_an_entry_that_stays(site: Site) -> None:
    entries = site.fill(60)
    gone: set[bytes] = set()
    places = iter([0, 57, 20, -1, 3, 41, 5, 5, 5, 0, 12, 7, 1, 1, 1, 1, 1, 1])

    def meanwhile() -> None:
        for _ in range(2):
            raw = site.r.lindex(site.failed, next(places))
            gone.add(raw)
            site.r.lrem(site.failed, 1, raw)
        site.r.rpush(site.failed, failed(secrets.token_hex(4)))

    found = site.pages(10, meanwhile)

    assert set(entries) - gone <= set(found)


def test_a_page_of_large_entries_is_short(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "ANSWER_BYTES", 100_000)
    entries = [failed(str(number) * 60_000) for number in range(5)]
    site.r.rpush(site.failed, *entries)

    assert len(site.list.page(limit=5).entries) == 5
    assert [seen.entry.raw for seen in failed_look.Look(site.links, site.failed).up(0, limit=5)] == entries[:2]
    assert site.list.find(key_of(entries[0])) is not None
    assert site.list.retry_all().done == 5


def test_a_search_finds_what_is_meant_and_looks_at_a_bounded_number(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_failed, "SEARCHED", 1000)
    entries = site.fill(1700)
    site.r.lset(site.failed, 3, rare := failed("3", "signal: killed"))

    page = site.list.search(FailedFilter(outcomes=frozenset({"signalled"})), limit=5)
    assert page.entries == ()
    assert page.cursor == "0-699"
    assert site.pages(5, outcomes=frozenset({"signalled"})) == [rare]
    assert site.pages(3, pattern=re.compile("00012[0-4]")) == list(reversed(entries[120:125]))


@pytest.mark.parametrize("text", ["", "1", "2-0", "0--1", "0-1-2", "0-9999999999999", "x"])
def test_a_cursor_that_was_never_given_is_refused(site: Site, text: str) -> None:
    with pytest.raises(BadCursor):
        site.list.page(cursor=text)


def test_an_entry_is_found_by_its_key_or_the_beginning_of_it(site: Site) -> None:
    entries = site.fill(700)
    key = key_of(entries[650])

    assert [site.list.find(name).raw for name in (key, key[:8], key.upper())] == [entries[650]] * 3  # type: ignore[union-attr]
    assert site.list.find("0" * 16) is None
    with pytest.raises(AmbiguousKey, match="at least 4"):
        site.list.find(key[:3])


def test_a_key_that_several_entries_share_is_told(site: Site) -> None:
    twins: dict[str, bytes] = {}
    for number in range(100_000):
        raw = failed(number)
        other = twins.setdefault(key_of(raw)[:4], raw)
        if other != raw:
            break
    site.r.rpush(site.failed, raw, other)

    with pytest.raises(AmbiguousKey, match="2 different entries"):
        site.list.retry_one(key_of(raw)[:4])
    assert site.list.length() == 2
    site.r.rpush(site.aside, raw)
    assert site.list.find(key_of(raw)) is not None, "an equal entry is the same"


def test_one_entry_goes_back_with_the_bytes_it_had_and_the_expiry_of_the_rest_stays(site: Site) -> None:
    entries = site.fill(5)
    site.r.expire(site.failed, 500)
    site.r.rpush(site.q, "first")

    found = site.list.retry_one(key_of(entries[2]))

    assert found is not None
    assert found.raw == entries[2]
    assert site.waiting() == [b"first", pushed("000002")]
    assert site.kept() == [*entries[:2], *entries[3:]]
    assert 490 < site.r.ttl(site.failed) <= 500
    assert site.list.retry_one(key_of(entries[2])) is None


def test_of_equal_entries_one_goes_back(site: Site) -> None:
    site.r.rpush(site.failed, *[failed("x")] * 3)

    assert site.list.retry_one(key_of(failed("x")))
    assert site.list.delete_one(key_of(failed("x")))
    assert site.waiting() == [pushed("x")]
    assert site.kept() == [failed("x")]


def test_what_goes_back_with_an_id_is_known_to_be_there(site: Site) -> None:
    site.r.rpush(site.failed, failed("x", Id="order-7"), failed("y", Id="order-8"), failed("z"))
    site.r.hset(keys.ids(site.q), "order-8", 17)

    site.list.retry_all()

    known = site.r.hgetall(keys.ids(site.q))
    assert sorted(known) == [b"order-7", b"order-8"]
    assert known[b"order-8"] == b"17"
    assert int(known[b"order-7"]) > 10**12


def test_a_helper_key_of_another_kind_keeps_nobody(site: Site) -> None:
    site.r.rpush(site.failed, failed("x", Id="order-7"))
    site.r.set(keys.ids(site.q), "rubbish")

    assert site.list.retry_all().done == 1
    assert site.r.hexists(keys.ids(site.q), "order-7")


def test_the_result_of_what_goes_back_is_forgotten_and_a_task_of_the_same_id_that_runs_is_not(
    site: Site, queue_key: str
) -> None:
    records = Records(site.links, queue_key=queue_key)
    for entry_id, status in (("ended", "finished"), ("again", "finished"), ("runs", "running")):
        # An output that looks like the end of a task is none.
        record = TaskRecord(entry_id, "t", status, output='{"Status":"finished"}')  # type: ignore[arg-type]
        records.write(record, left_s=0)
        site.r.rpush(site.failed, failed(entry_id, Id=entry_id))

    assert site.list.retry_one(key_of(failed("ended", Id="ended")))
    assert site.list.retry_all().done == 2

    assert records.read("ended") is None
    assert records.read("again") is None
    assert records.read("runs") is not None


def test_an_unreadable_one_goes_back_only_mended(site: Site) -> None:
    record = unreadable_entry(b'{"Args":[1]}', "parseQueueTask(): Args[0]: expected a string")
    site.r.rpush(site.failed, record)
    key = key_of(record)

    with pytest.raises(UnreadableEntry, match=re.escape("Args[0]: expected a string")):
        site.list.retry_one(key)
    with pytest.raises(UnreadableEntry, match="not JSON"):
        site.list.retry_one(key, mended=b"{")
    assert site.list.retry_all().refused == 1
    assert site.kept() == [record]
    assert site.waiting() == []

    assert site.list.retry_one(key, mended=b'{"Args":["1"],"Id":"7"}')
    assert site.waiting() == [b'{"Args":["1"],"Id":"7"}']
    assert site.r.hexists(keys.ids(site.q), "7")
    assert not site.r.exists(site.failed)


def test_all_go_back_in_the_order_in_which_they_failed_those_kept_aside_too(site: Site) -> None:
    site.fill(1234)
    site.r.rpush(site.aside, failed("aside"))
    looked_at: list[int] = []

    assert site.list.retry_all(progress=looked_at.append).done == 1235

    assert site.waiting() == [pushed(f"{number:06d}") for number in range(1234)] + [pushed("aside")]
    assert sum(looked_at) == 1235
    assert not site.r.exists(site.failed, site.aside)


def test_some_go_back_and_the_others_stay_in_their_order(site: Site) -> None:
    entries = site.fill(1600)
    kept = [raw for number, raw in enumerate(entries) if number % 3]
    wanted = FailedFilter(further=lambda entry: int(entry.args[0]) % 3 == 0)

    assert site.list.retry_all(wanted).done == 534
    assert site.kept() == kept
    assert site.waiting() == [pushed(f"{number:06d}") for number in range(0, 1600, 3)]
    left = [raw for raw in kept if b"0001" not in raw]
    assert site.list.delete_all(FailedFilter(text="0001")).done == len(kept) - len(left)
    assert site.kept() == left
    assert site.list.delete_all().done == len(left)
    assert not site.r.exists(site.failed)


def test_those_that_cannot_go_back_are_counted_and_the_first_of_them_told(site: Site) -> None:
    records = [unreadable_entry(b"%d" % number, "parseQueueTask(): not JSON") for number in range(30)]
    for number, record in enumerate(records):
        site.r.rpush(site.failed, failed(number), record)

    swept = site.list.retry_all()

    assert (swept.done, swept.refused) == (30, 30)
    assert [entry.raw for entry in swept.told] == records[:10]
    assert site.kept() == records


def test_what_fails_again_meanwhile_stays(site: Site) -> None:
    site.fill(1100)

    swept = site.list.retry_all(progress=lambda count: site.r.rpush(site.failed, *[failed("again")] * count))

    assert swept.done == 1100
    assert site.kept() == [failed("again")] * 1100


def test_when_others_take_out_what_was_passed_the_rest_is_looked_at_all_the_same(site: Site) -> None:
    site.fill(3000)
    wanted = FailedFilter(further=lambda entry: int(entry.args[0]) >= 600)
    taken = iter([400, 100])

    swept = site.list.retry_all(wanted, progress=lambda _: site.r.ltrim(site.failed, next(taken, 0), -1))

    assert swept.done == 2400
    assert site.kept() == [failed(f"{number:06d}") for number in range(500, 600)]


def test_two_who_put_everything_back_at_once_double_nothing(site: Site, links: LinkPool) -> None:
    entries = site.fill(2000)
    other = Site(links, site.r, site.q.removesuffix(":t"))
    done: list[int] = []

    first = site.list.retry_all(progress=lambda _: done.append(other.list.retry_one(key_of(entries[1500])) is not None))

    assert first.done + sum(done) == 2000
    assert sorted(site.waiting()) == [pushed(f"{number:06d}") for number in range(2000)]


def test_an_entry_that_has_moved_is_found_by_its_bytes(site: Site) -> None:
    entries = site.fill(6)
    seen = [failed_look.Seen(number + 2, failed_look.read_failed(raw)) for number, raw in enumerate(entries)]
    seen.append(failed_look.Seen(0, failed_look.read_failed(failed("gone"))))

    assert site.list._put_back_as_they_were(failed_look.Look(site.links, site.failed), seen) == 6
    assert sorted(site.waiting()) == [pushed(f"{number:06d}") for number in range(6)]


def test_nothing_moves_while_the_queue_is_no_list(site: Site) -> None:
    entries = site.fill(3)
    site.r.set(site.q, "rubbish")

    with pytest.raises(StoreWrongKind, match="which holds no list"):
        site.list.retry_all()

    assert site.kept() == entries


def test_it_works_at_redis_maxmemory(own_redis: Callable[..., OwnRedis], queue_key: str) -> None:
    server = own_redis("--maxmemory-policy", "noeviction")
    client = server.client()
    links = LinkPool(RedisServer(settings_for(server.address, queue_key)))
    site = Site(links, client, queue_key)
    site.fill(800)
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.OutOfMemoryError):
        client.rpush("x", "x")

    assert site.list.delete_all(FailedFilter(text="00011")).done == 11
    assert site.list.retry_all().done == 789
    assert client.llen(site.q) == 789
    client.close()
    links.close()


ENTRIES = st.lists(st.sampled_from([failed("a"), failed("b", Id="7"), failed("c", "signal: killed"), b"rubbish"]))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=ENTRIES, waiting=st.integers(0, 3), outcome=st.sampled_from(["", "failed", "signalled"]))
def test_an_entry_is_in_the_queue_or_in_the_failed_list(
    site: Site, before: list[bytes], waiting: int, outcome: str
) -> None:
    site.r.delete(site.q, site.failed)
    site.r.rpush(site.q, *[b"w"] * waiting) if waiting else None
    site.r.rpush(site.failed, *before) if before else None
    originals = {
        failed("a"): pushed("a"),
        failed("b", Id="7"): pushed("b", Id="7"),
        failed("c", "signal: killed"): pushed("c"),
    }

    swept = site.list.retry_all(FailedFilter(outcomes=frozenset({outcome} - {""})))

    back = site.waiting()[waiting:]
    assert len(back) == swept.done
    assert Counter(before) == Counter(site.kept()) + Counter(
        {raw: back.count(original) for raw, original in originals.items()}
    )


# In a cluster.


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    """A cluster of one: it refuses, as any does, what would touch two slots at once."""
    server = OwnRedis(tmp_path_factory.mktemp("cluster"), "--cluster-enabled", "yes")
    while server.port > 55_535:  # the port of its bus is 10,000 higher
        server.port = free_port()
    client = server.start().client()
    client.execute_command("CLUSTER", "ADDSLOTS", *range(16_384))
    eventually(lambda: b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO"))
    client.close()
    yield server
    server.stop()


def test_in_a_cluster_they_go_back_too(cluster: OwnRedis, queue_key: str) -> None:
    links, client = LinkPool(RedisServer(settings_for(cluster.address, queue_key))), cluster.client()
    site = Site(links, client, queue_key)
    site.fill(1100)
    site.r.rpush(site.failed, failed("id", Id="7"), record := unreadable_entry(b"1", "parseQueueTask(): x"))
    site.r.expire(site.failed, 500)

    assert site.list.retry_one(key_of(failed("000007")))
    assert site.list.retry_all().done == 1100

    assert sorted(site.waiting()) == sorted(
        [pushed(f"{number:06d}") for number in range(1100)] + [pushed("id", Id="7")]
    )
    assert site.kept() == [record]
    assert 0 < site.r.ttl(site.failed) <= 500
    assert site.r.hexists(keys.ids(site.q), "7")
    assert not client.exists(keys.tickets(site.failed))
    assert not list(client.scan_iter(f"*{queue_key}*transit*"))
    assert site.list.delete_all().done == 1
    client.close()
    links.close()


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("step", ["put_back", "arrive", "DEL", "HDEL"])
def test_in_a_cluster_whatever_step_was_the_last_the_next_one_takes_the_rest(
    cluster: OwnRedis, queue_key: str, step: str, carried_out: bool
) -> None:
    path = PathToRedis(cluster.address)
    links, client = LinkPool(RedisServer(settings_for(path.address, queue_key))), cluster.client()
    site = Site(links, client, queue_key)
    entries = site.fill(20)
    words = {"put_back": b"LTRIM", "arrive": b"SET', KEYS[2]", "DEL": b"\r\nDEL\r\n", "HDEL": b"\r\nHDEL\r\n"}
    triples = [(number, raw, pushed(f"{number:06d}")) for number, raw in enumerate(entries)]
    transit = Transit(links, failed=site.failed, queue=site.q)
    if carried_out:
        path.swallow_reply(lambda request: words[step] in request)
    else:
        path.cut_before(lambda request: words[step] in request)

    with pytest.raises(StoreUnavailable):
        transit.carry(triples, ticket="one")

    path.mend()
    assert site.list.retry_all().done == (20 if (step, carried_out) == ("put_back", False) else 0)
    assert site.list.length() == 0
    assert sorted(site.waiting()) == [pushed(f"{number:06d}") for number in range(20)]
    transit._go_on("one")
    assert client.llen(site.q) == 20, "who is late comes to nothing"
    assert not client.exists(keys.tickets(site.failed), keys.transit(site.failed, "one"))
    client.close()
    links.close()
    path.close()
