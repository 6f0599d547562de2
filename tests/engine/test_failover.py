"""What a replica that is promoted lacks, although its master had said that it was done."""

from collections.abc import Callable, Iterator

import pytest
import redis
from conftest import RedisServer, eventually
from engine.parts import Parts, entry, push
from fakes import FAILURE, PathToRedis

from goophry.engine.task import Task
from goophry.entry import parse
from goophry.errors import StoreUnavailable
from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Job
from goophry.store import keys
from goophry.store.queues import Deferral
from goophry.store.tasks import due_in

pytest_plugins = ("engine.fixtures",)

Redis = redis.Redis
KEPT = b'{"Args":["1"],"ErrorMessage":"exit status 3"}'


class Failover:
    """An instance on a path that leads from one server to another, and one entry in its hand."""

    def __init__(self, path: PathToRedis, replica: RedisServer, parts: Parts, r: "Redis[bytes]", raw: bytes) -> None:
        self.path, self.replica, self.parts, self.r = path, replica, parts, r
        self.there = replica.client()
        r.rpush(parts.q, raw)
        parts.exchange.reconcile()
        (self.task,) = parts.exchange.swap(want=1)

    def job(self) -> Job:
        return Job(parse(self.task.text), "me-1")

    def fail(self) -> Task:
        """Have the task fail; the master says that it is kept in the failed list."""
        assert self.parts.failures.failed(self.task, self.job(), FAILURE)
        assert self.r.lrange(self.parts.failed_list, 0, -1) == [KEPT]
        return self.task

    def promote(self, *, taking_copied: bool = True) -> None:
        """Have the replica answer, which has not heard more than perhaps that the entry was taken."""
        self.there.rpush(self.parts.running if taking_copied else self.parts.q, self.task.raw)
        self.path.lead_to(self.replica.address)


@pytest.fixture
def failover(
    make: Callable[..., Parts],
    path_to: Callable[[], PathToRedis],
    own_redis: Callable[..., RedisServer],
    r: "Redis[bytes]",
) -> Iterator[Callable[..., Failover]]:
    made: list[Failover] = []

    def make_one(raw: bytes = entry("1"), **options: object) -> Failover:
        path = path_to()
        parts = make(address=path.address, failed_tasks_ttl=100, **options)
        made.append(Failover(path, own_redis(), parts, r, raw))
        return made[-1]

    yield make_one
    for each in made:
        each.there.close()


@pytest.mark.parametrize("taking_copied", [True, False])
@pytest.mark.parametrize("noticed", ["by the removal", "before the removal"])
def test_what_the_new_master_has_not_in_its_failed_list_is_kept_there_before_the_entry_is_removed(
    failover: Callable[..., Failover], taking_copied: bool, noticed: str
) -> None:
    """The removal fails for the old one is gone; or all was agreed with the new one while the task was still held."""
    it = failover()
    parts, task = it.parts, it.fail()
    it.promote(taking_copied=taking_copied)

    if noticed == "before the removal":
        parts.links.close()
        parts.exchange.doubt()
        parts.exchange.reconcile()
        parts.exchange.swap(task)
    else:
        with pytest.raises(StoreUnavailable):
            parts.exchange.swap(task)
    eventually(parts.loop.settle_rest)

    assert it.there.lrange(parts.failed_list, 0, -1) == [KEPT]
    assert not it.there.exists(parts.running, parts.q)
    assert parts.exchange.clean


def test_a_removal_that_meets_the_new_master_unawares_removes_nothing_yet(failover: Callable[..., Failover]) -> None:
    it = failover()
    task = it.fail()
    it.promote()
    it.parts.links.close()

    it.parts.exchange.swap(task)

    assert it.there.lrange(it.parts.running, 0, -1) == [task.raw]
    assert it.parts.exchange.in_doubt
    it.parts.exchange.reconcile()
    assert it.there.lrange(it.parts.failed_list, 0, -1) == [KEPT]


def test_what_the_new_master_has_removed_itself_is_not_kept_twice(failover: Callable[..., Failover]) -> None:
    """All was copied, and only the answer was lost."""
    it = failover()
    parts, task = it.parts, it.fail()
    it.path.swallow_reply(lambda request: b"LREM" in request)
    with pytest.raises(StoreUnavailable):
        parts.exchange.swap(task)
    it.there.rpush(parts.failed_list, KEPT)
    step = keys.step(parts.q, "me")
    it.there.set(step, it.r.get(step))
    it.path.lead_to(it.replica.address)

    eventually(parts.loop.settle_rest)

    assert it.there.lrange(parts.failed_list, 0, -1) == [KEPT]


def test_the_result_of_a_task_is_known_to_the_new_master_before_the_entry_is_removed(
    failover: Callable[..., Failover],
) -> None:
    it = failover(b'{"Id":"x"}')
    parts, there = it.parts, it.there
    there.hset(keys.ids(parts.q), "x", 1)
    assert parts.ledger.finish(it.task, it.job(), Outcome(Verdict.SUCCESS))
    it.promote()

    with pytest.raises(StoreUnavailable):
        parts.exchange.swap(it.task)
    eventually(parts.loop.settle_rest)

    assert b'"success"' in there.get(keys.result(parts.queue_key, "x"))
    assert not there.exists(parts.running, keys.ids(parts.q))


def test_a_task_is_put_off_once_although_the_new_master_lets_it_wait_in_the_queue(
    failover: Callable[..., Failover],
) -> None:
    it = failover()
    parts = it.parts
    it.promote(taking_copied=False)
    parts.links.close()

    assert parts.exchange.defer(it.task, b"{}", due=due_in(60)) is Deferral.TAKEN
    assert parts.exchange.still_owns(it.task)
    assert parts.exchange.defer(it.task, b"{}", due=due_in(60)) is Deferral.DONE

    assert it.there.zrange(keys.delayed(parts.q), 0, -1) == [b"{}"]
    assert not it.there.exists(parts.q, parts.running)


def test_nothing_is_taken_from_a_master_that_was_replaced_and_answers_still(failover: Callable[..., Failover]) -> None:
    it = failover()
    parts, link = it.parts, it.parts.server.link()
    link.open()
    it.there.rpush(parts.running, it.task.raw)
    it.path.lead_to(it.replica.address, cut=False)
    parts.links.close()
    parts.exchange.doubt()
    parts.exchange.reconcile()
    push(it.r, parts.q, "left where it is")
    push(it.there, parts.q, "2")

    assert parts.exchange.wait(link, timeout_s=1) is None
    parts.exchange.reconcile()
    task = parts.exchange.wait(link, timeout_s=1)

    assert task is not None
    assert task.raw == entry("2")
    assert it.r.lrange(parts.q, 0, -1) == [entry("left where it is")]
    link.close()
