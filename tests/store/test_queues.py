"""Taking entries, settling them, and making Redis agree with what is held."""

from collections.abc import Callable

import pytest
import redis
from fakes import PathToRedis, settings_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goophry.errors import StoreRefused
from goophry.store import keys
from goophry.store.client import Link, LinkPool, RedisServer
from goophry.store.queues import MARK, MAX_TAKE, AtLeastOnce, AtMostOnce, Known, Reconciled, keep_failed, split_mark

Redis = redis.Redis


class Site:
    """One type's queue as instance `me` uses it, and its keys as a test sees them."""

    def __init__(self, links: LinkPool, queue_key: str, r: "redis.Redis[bytes]") -> None:
        self.links, self.r = links, r
        self.queue = AtLeastOnce(queue_key=queue_key, task_type="t", instance="me")
        self.q = self.queue.name
        self.running = keys.running(self.q, "me")
        self.link = links.take()
        self.steps = 0

    def waiting(self) -> list[bytes]:
        return self.r.lrange(self.q, 0, -1)

    def listed(self) -> list[bytes]:
        return self.r.lrange(self.running, 0, -1)

    def swap(self, *acks: bytes, want: int = 0) -> tuple[list[bytes], int]:
        self.steps += 1
        return self.queue.swap(self.link, acks=acks, want=want, step=self.steps)

    def reconcile(
        self,
        *held: bytes,
        settled: tuple[tuple[bytes, int], ...] = (),
        popping: bool = False,
        elsewhere: bool = False,
    ) -> Reconciled:
        self.steps += 1
        return self.queue.reconcile(self.link, known=Known(held, settled, self.steps, elsewhere), popping=popping)


@pytest.fixture
def site(links: LinkPool, queue_key: str, r: "redis.Redis[bytes]") -> Site:
    return Site(links, queue_key, r)


def test_entries_are_taken_first_in_first_out_into_the_running_list(site: Site) -> None:
    site.r.rpush(site.q, "1", "2", "3", "4", "5")

    assert site.queue.wait(site.link, timeout_s=1) == b"1"
    assert site.swap(want=1) == ([b"2"], 0)
    assert site.swap(want=2) == ([b"3", b"4"], 0)
    assert site.listed() == [b"1", b"2", b"3", b"4"]
    assert site.waiting() == [b"5"]


def test_a_swap_removes_what_is_settled_and_takes_what_there_is(site: Site) -> None:
    site.r.rpush(site.q, "1", "2", "3")
    site.swap(want=2)

    assert site.swap(b"1", b"2", want=5) == ([b"3"], 2)
    assert site.swap(b"3", b"3") == ([], 1)
    assert site.listed() == []


def test_of_equal_entries_one_is_removed_for_each_ack(site: Site) -> None:
    site.r.rpush(site.q, "x", "x", "y", "x")
    site.swap(want=4)

    assert site.swap(b"x", b"x") == ([], 2)
    assert site.listed() == [b"y", b"x"]


@pytest.mark.parametrize("want", [0, 1, 3])
def test_a_swap_on_an_empty_queue_takes_nothing(site: Site, want: int) -> None:
    assert site.swap(want=want) == ([], 0)


def test_what_one_answer_can_weigh_is_bounded(site: Site) -> None:
    site.r.rpush(site.q, *map(str, range(MAX_TAKE + 10)))

    assert len(site.swap(want=1000)[0]) == MAX_TAKE


@pytest.mark.parametrize("want", [1, 5])
def test_a_swap_is_one_round_trip(
    path_to: Callable[[], PathToRedis], queue_key: str, r: "redis.Redis[bytes]", want: int
) -> None:
    path = path_to()
    pool = LinkPool(RedisServer(settings_for(path.address, "unused")))
    site = Site(pool, queue_key, r)
    r.rpush(site.q, *"abcdefghi")
    site.swap(want=3)
    before = path.requests

    site.swap(b"a", b"b", b"c", want=want)

    assert path.requests == before + 1
    site.link.close()


def test_wait_gives_up_after_its_time(site: Site) -> None:
    assert site.queue.wait(site.link, timeout_s=1) is None


@pytest.mark.parametrize("want", [1, 3])
def test_rubbish_in_the_running_list_costs_no_entry(site: Site, want: int) -> None:
    site.r.rpush(site.q, "1", "2", "3")
    site.r.set(site.running, "rubbish")

    with pytest.raises(StoreRefused):
        site.swap(want=want)

    assert site.waiting() == [b"1", b"2", b"3"]


def test_requeue_keeps_the_order_and_ignores_what_is_no_longer_ours(site: Site) -> None:
    site.r.rpush(site.q, "1", "2", "3", "4")
    site.swap(want=3)

    assert site.queue.requeue(site.links, [b"1", b"gone", b"2", b"3"]) == 3
    assert site.waiting() == [b"1", b"2", b"3", b"4"]
    assert site.listed() == []
    assert site.queue.requeue(site.links, []) == 0


def test_requeue_moves_nothing_while_the_queue_is_no_list(site: Site) -> None:
    site.r.rpush(site.running, "1")
    site.r.set(site.q, "rubbish")

    with pytest.raises(StoreRefused):
        site.queue.requeue(site.links, [b"1"])

    assert site.listed() == [b"1"]


def test_reconcile_enters_the_instance_in_the_set_of_owners(site: Site) -> None:
    site.reconcile()

    assert site.r.smembers(keys.instances(site.q)) == {b"me"}


def test_reconcile_restores_what_is_held_and_missing(site: Site) -> None:
    site.r.rpush(site.running, "2")

    assert site.reconcile(b"1", b"2", b"2") == Reconciled(restored=2)
    assert sorted(site.listed()) == [b"1", b"2", b"2"]


def test_reconcile_puts_back_what_nobody_holds_in_order_at_the_head(site: Site) -> None:
    site.r.rpush(site.q, "9")
    site.r.rpush(site.running, "1", "held", "2", "3")

    assert site.reconcile(b"held") == Reconciled(requeued=3)
    assert site.waiting() == [b"1", b"2", b"3", b"9"]
    assert site.listed() == [b"held"]


def test_reconcile_leaves_the_unknown_while_a_pop_is_under_way(site: Site) -> None:
    site.r.rpush(site.running, "1", "settled")

    assert site.reconcile(settled=((b"settled", 1),), popping=True) == Reconciled()
    assert site.listed() == [b"1"]


def test_reconcile_removes_what_is_settled_once_for_each(site: Site) -> None:
    site.r.rpush(site.running, "x", "x", "x", "y")

    assert site.reconcile(b"x", settled=((b"x", 1), (b"y", 1))) == Reconciled(requeued=1)
    assert site.listed() == [b"x"]
    assert site.waiting() == [b"x"]


def test_a_settled_entry_that_is_gone_already_is_no_matter(site: Site) -> None:
    assert site.reconcile(settled=((b"x", 1),)) == Reconciled()


def test_an_entry_that_equals_one_removed_by_a_broken_swap_is_not_taken_for_it(site: Site) -> None:
    """The swap removed x and took the next x, and its answer was lost: the x that is listed must run."""
    site.r.rpush(site.q, "x", "x")
    site.swap(want=1)
    site.swap(b"x", want=1)

    found = site.reconcile(settled=((b"x", site.steps),))

    assert found == Reconciled(requeued=1)
    assert site.waiting() == [b"x"]


def test_nor_one_removed_by_a_reconciliation_whose_answer_was_lost(site: Site) -> None:
    site.r.rpush(site.running, "x")
    step = site.steps + 1
    site.reconcile(settled=((b"x", step),))
    site.r.rpush(site.running, "x")

    assert site.reconcile(settled=((b"x", step),)) == Reconciled(requeued=1)


def test_a_swap_that_was_never_carried_out_leaves_what_it_was_to_remove_to_reconcile(site: Site) -> None:
    site.r.rpush(site.q, "x", "x")
    site.swap(want=1)
    site.steps += 1  # lost on the way to Redis

    assert site.reconcile(settled=((b"x", site.steps),)) == Reconciled()
    assert site.listed() == []
    assert site.waiting() == [b"x"]


def test_on_another_server_entries_that_wait_again_are_taken_from_the_queue(site: Site) -> None:
    """Their taking was not copied to it: 1 and 3 are held here, 2 is done; an equal one more is somebody's own."""
    site.r.rpush(site.q, "1", "2", "3", "1", "4")

    found = site.reconcile(b"1", b"3", b"5", settled=((b"2", 1),), elsewhere=True)

    assert found == Reconciled(restored=3)
    assert site.waiting() == [b"1", b"4"]
    assert site.listed() == [b"1", b"3", b"5"]
    assert site.reconcile(b"1", b"3", b"5", elsewhere=True) == Reconciled()
    assert site.waiting() == [b"1", b"4"], "what is listed is looked for nowhere else"


def test_on_another_server_what_was_removed_there_too_is_not_looked_for(site: Site) -> None:
    site.r.rpush(site.q, "x")
    site.r.set(keys.step(site.q, "me"), 5)

    assert site.reconcile(settled=((b"x", 5),), elsewhere=True) == Reconciled()
    assert site.waiting() == [b"x"]


def test_what_others_took_over_is_reported_until_the_answer_has_come(site: Site) -> None:
    site.r.rpush(site.running, "2")
    site.r.set(keys.taken(site.q, "me"), 1)

    assert site.reconcile(b"1", b"2").taken == (b"1",)
    assert site.reconcile(b"1", b"2").taken == (b"1",), "the first answer may have been lost"
    assert site.reconcile(b"2") == Reconciled()
    assert not site.r.exists(keys.taken(site.q, "me"))
    assert site.reconcile(b"2", b"3") == Reconciled(restored=1)


def test_reconcile_heals_helper_keys_of_another_kind(site: Site) -> None:
    site.r.set(site.running, "rubbish")
    site.r.set(keys.instances(site.q), "rubbish")
    site.r.rpush(keys.step(site.q, "me"), "rubbish")

    assert site.reconcile(b"1", settled=((b"2", 1),)) == Reconciled(restored=1, replaced=3)
    assert site.listed() == [b"1"]
    assert site.r.smembers(keys.instances(site.q)) == {b"me"}


def test_reconcile_changes_nothing_while_the_queue_is_no_list(site: Site) -> None:
    site.r.set(site.q, "rubbish")
    site.r.rpush(site.running, "unheld")
    site.r.set(keys.taken(site.q, "me"), 1)

    with pytest.raises(StoreRefused):
        site.reconcile(b"held")

    assert site.listed() == [b"unheld"]
    assert site.r.exists(keys.taken(site.q, "me"))


ENTRIES = st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(listed=ENTRIES, held=ENTRIES, settled=ENTRIES, waiting=ENTRIES)
def test_after_a_reconciliation_the_running_list_is_what_is_held(
    site: Site, listed: list[bytes], held: list[bytes], settled: list[bytes], waiting: list[bytes]
) -> None:
    site.r.delete(site.running, site.q, keys.step(site.q, "me"))
    for key, content in ((site.running, listed), (site.q, waiting)):
        if content:
            site.r.rpush(key, *content)

    found = site.reconcile(*held, settled=tuple((raw, 10**6) for raw in settled))

    assert sorted(site.listed()) == sorted(held)
    back = site.waiting()[: found.requeued]
    assert site.waiting()[found.requeued :] == waiting
    for entry in (b"a", b"b", b"c"):
        unheld = max(0, listed.count(entry) - held.count(entry))
        assert back.count(entry) == max(0, unheld - settled.count(entry))


def test_marks_are_counted_and_taken_off() -> None:
    assert split_mark(b"{}") == (0, b"{}")
    assert split_mark(MARK * 3 + b'{"Args":["\t\r"]}') == (3, b'{"Args":["\t\r"]}')
    assert split_mark(b"\t{}") == (0, b"\t{}")
    assert split_mark(MARK) == (1, b"")


def test_at_most_once_stores_nothing(links: LinkPool, queue_key: str, r: "redis.Redis[bytes]") -> None:
    queue = AtMostOnce(queue_key=queue_key, task_type="t")
    r.rpush(queue.name, *"12345")
    link: Link = links.take()

    assert queue.wait(link, timeout_s=1) == b"1"
    assert queue.swap(link, acks=[b"1"], want=2, step=1) == ([b"2", b"3"], 1)
    assert queue.swap(link, acks=[b"2"], want=0, step=2) == ([], 1)
    assert queue.requeue(links, [b"2", b"3"]) == 2
    assert queue.reconcile(link, known=Known([b"x"], (), 3), popping=False) == Reconciled()
    assert r.lrange(queue.name, 0, -1) == [b"2", b"3", b"4", b"5"]
    assert r.keys(f"*{queue_key}*") == [queue.name.encode()]
    assert queue.swap(link, acks=[], want=9, step=4) == ([b"2", b"3", b"4", b"5"], 0)
    assert queue.wait(link, timeout_s=1) is None
    links.give(link)


def test_every_failure_renews_the_expiry_of_the_whole_failed_list(site: Site) -> None:
    key = keys.failed(site.q)
    keep_failed(site.links, keys.failed(site.q), b"1", ttl_s=1000)
    site.r.expire(key, 10)

    keep_failed(site.links, keys.failed(site.q), b"2", ttl_s=1000)

    assert site.r.lrange(key, 0, -1) == [b"1", b"2"]
    assert 990 < site.r.ttl(key) <= 1000


def test_without_a_ttl_the_failed_list_gets_none_and_keeps_what_it_has(site: Site) -> None:
    key = keys.failed(site.q)
    keep_failed(site.links, keys.failed(site.q), b"1", ttl_s=0)
    assert site.r.ttl(key) == -1
    site.r.expire(key, 500)

    keep_failed(site.links, keys.failed(site.q), b"2", ttl_s=0)

    assert 490 < site.r.ttl(key) <= 500


def test_a_failed_list_that_is_none_is_left_alone_and_told_of(site: Site) -> None:
    key = keys.failed(site.q)
    site.r.set(key, "somebody's")

    with pytest.raises(StoreRefused):
        keep_failed(site.links, keys.failed(site.q), b"1", ttl_s=1000)

    assert site.r.get(key) == b"somebody's"
    assert site.r.ttl(key) == -1
