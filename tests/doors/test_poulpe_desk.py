"""Which worker gets a job, and what becomes of one with the same id, on a real Redis where nothing runs."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from conftest import RedisServer
from doors.poulpe_instance import START_S, Instance, Make
from fakes import FakeClock

from goophry.doors.poulpe_job import Job, job_of
from goophry.errors import StoreError
from goophry.record import TaskRecord
from goophry.store.records import Records

pytest_plugins = ("doors.poulpe_fixtures",)

PAGE = Path(__file__).parents[2] / "docs" / "redis.md"
Waiting = Callable[[], list[list[str]]]


def job(id_: str, *, cc: str = "", delay: int = 0, params: str = "") -> Job:
    value = {"id": id_, "method": "PUT", "delay": delay, "name": "", "params": params, "cc": cc}
    return job_of(value, source="web", now=0)


@pytest.fixture
def waiting(r: "redis.Redis[bytes]", queue_key: str) -> Waiting:
    """Return the tickets of what waits, worker by worker."""

    def found() -> list[list[str]]:
        return [[json.loads(raw)["Id"] for raw in r.lrange(f"{queue_key}:poulpe.{worker}", 0, -1)] for worker in (0, 1)]

    return found


def runs(instance: Instance, queue_key: str, ticket: str, *, worker: int) -> None:
    """Have it that a worker runs this job."""
    links = instance.links
    entry = links.call("LPOP", f"{queue_key}:poulpe.{worker}")
    links.call("SADD", f"{{{queue_key}:poulpe.{worker}}}:instances", "me")
    links.call("RPUSH", f"{{{queue_key}:poulpe.{worker}}}:running:me", entry)
    record = TaskRecord(ticket, f"poulpe.{worker}", "running", attempt=1, instance="me")
    Records(links, queue_key=queue_key).begin(record, also=("PING",))


def ends(instance: Instance, queue_key: str, ticket: str, *, worker: int) -> None:
    """Have it that it has ended."""
    record = TaskRecord(ticket, f"poulpe.{worker}", "finished", outcome="success", attempt=1)
    Records(instance.links, queue_key=queue_key).finish(record, ttl_s=60, also=("PING",))


def test_the_least_busy_gets_it_the_lowest_number_first(make: Make, waiting: Waiting) -> None:
    desk = make("").desk

    desk.take([(job("a"), "a"), (job("b"), "b"), (job("c", cc="1"), "c"), (job("d"), "d"), (job("e", cc="0 7"), "e")])

    assert waiting() == [["a", "d", "e"], ["b", "c"]]


def test_one_that_is_about_to_begin_is_replaced_at_the_same_worker(make: Make, waiting: Waiting) -> None:
    """So the two never overlap, whether the earlier one begins at this moment or not."""
    desk = make("").desk
    desk.take([(job("a"), "a1")])

    desk.take([(job("a"), "a2")])

    assert waiting() == [["a2"], []]


def test_one_that_waits_behind_others_is_replaced_where_it_comes_first(make: Make, waiting: Waiting) -> None:
    desk = make("").desk
    desk.take([(job("x", cc="0"), "x"), (job("a", cc="0"), "a1")])

    desk.take([(job("a"), "a2")])

    assert waiting() == [["x"], ["a2"]]


def test_one_that_runs_is_followed_by_the_same_worker(make: Make, waiting: Waiting, queue_key: str) -> None:
    """However busy that is."""
    instance = make("")
    instance.desk.take([(job("a"), "a1"), (job("x", cc="0"), "x")])
    runs(instance, queue_key, "a1", worker=0)

    instance.desk.take([(job("a"), "a2")])

    assert waiting() == [["x", "a2"], []]


def test_where_cc_forbids_that_worker_it_waits_for_the_end(make: Make, waiting: Waiting, queue_key: str) -> None:
    """The newest of them, once, and it is told of meanwhile."""
    instance = make("")
    instance.desk.take([(job("a"), "a1")])
    runs(instance, queue_key, "a1", worker=0)

    instance.desk.take([(job("a", cc="1", params="older"), "a2")])
    instance.desk.take([(job("a", cc="1", params="newer"), "a3")])
    instance.late.turn()
    assert waiting() == [[], []]
    assert instance.desk.info().working == ["task-a"]
    assert instance.store.tickets() == {"a3"}

    ends(instance, queue_key, "a1", worker=0)
    instance.late.turn()
    instance.late.turn()
    assert waiting() == [[], ["a3"]]
    assert instance.store.noted() == {}


def test_one_that_waits_for_an_end_is_replaced_by_one_that_need_not(
    make: Make, waiting: Waiting, queue_key: str
) -> None:
    instance = make("")
    instance.desk.take([(job("a"), "a1")])
    runs(instance, queue_key, "a1", worker=0)
    instance.desk.take([(job("a", cc="1"), "a2")])

    instance.desk.take([(job("a"), "a3")])
    assert waiting() == [["a3"], []]
    ends(instance, queue_key, "a1", worker=0)
    instance.late.turn()

    assert waiting() == [["a3"], []]


def test_what_is_about_to_begin_where_cc_forbids_is_withdrawn_first(make: Make, waiting: Waiting) -> None:
    instance = make("")
    instance.desk.take([(job("a"), "a1")])

    instance.desk.take([(job("a", cc="1"), "a2")])

    assert waiting() == [[], ["a2"]]
    assert instance.store.noted() == {}


def test_a_delay_counts_from_the_acceptance_also_of_one_that_waited(
    make: Make, waiting: Waiting, queue_key: str, clock: FakeClock, r: "redis.Redis[bytes]"
) -> None:
    instance = make("")
    instance.desk.take([(job("a"), "a1")])
    runs(instance, queue_key, "a1", worker=0)
    instance.desk.take([(replace(job("a", cc="1", delay=100), posted=int(clock.now())), "a2")])

    clock.forward(60)
    ends(instance, queue_key, "a1", worker=0)
    instance.late.turn()

    ((_, due_ms),) = r.zrange(f"{{{queue_key}:poulpe.1}}:delayed", 0, -1, withscores=True)
    left_s = due_ms / 1000 - r.time()[0]
    assert 38 < left_s < 43


def test_a_delayed_one_is_replaced_by_one_that_is_due_and_the_other_way_round(
    make: Make, waiting: Waiting, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    desk = make("").desk
    desk.take([(job("a", delay=1000), "a1")])

    desk.take([(job("a"), "a2")])
    assert (waiting(), r.zcard(f"{{{queue_key}:poulpe.0}}:delayed")) == ([["a2"], []], 0)
    desk.take([(job("a", delay=1000), "a3")])

    assert (waiting(), r.zcard(f"{{{queue_key}:poulpe.0}}:delayed")) == ([[], []], 1)
    assert [key for key, _ in desk.info().delayed] == ["task-a"]


DAMAGES: dict[str, Callable[["redis.Redis[bytes]", str], object]] = {
    "deleted": lambda r, key: r.delete(key),
    "a string": lambda r, key: r.set(key, "rubbish"),
    "a list": lambda r, key: r.pipeline().delete(key).rpush(key, "rubbish").execute(),
    "a hash": lambda r, key: r.pipeline().delete(key).hset(key, "rub", "bish").execute(),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffix", ["jobs", "dead", "noted", "looked", "said:task-a", "said:\0kafka"])
def test_a_key_that_somebody_changed_is_put_right(  # noqa: PLR0917 - fixtures
    make: Make, waiting: Waiting, r: "redis.Redis[bytes]", queue_key: str, suffix: str, damage: str
) -> None:
    """Jobs come in, end and are told of as before; one that was there is not lost, whatever is not told of it."""
    instance = make("")
    key = f"{{{queue_key}:poulpe}}:{suffix}"
    instance.desk.take([(job("before"), "b")])

    DAMAGES[damage](r, key)
    instance.desk.take([(job("a"), "a")])
    DAMAGES[damage](r, key)
    instance.desk.info()
    instance.turn()
    instance.store.outbox()
    DAMAGES[damage](r, key)
    instance.desk.take([(job("a"), "a2")])
    letter = b'{"id":"task-a"}'
    for ticket in ("a2", "a2"):
        ends = instance.store.ended("task-a", ticket, attempt=1, place="task-a", said=b"!OK", is_last=True, dead=letter)
        instance.links.pipeline(ends)

    left = {ticket for worker in waiting() for ticket in worker}
    # Where nobody knows any more that it is there, a job does not replace it.
    assert left == {"b", "a2"} | ({"a"} if suffix == "jobs" else set())
    assert list(instance.store.dead().values()) == [("task-a", letter)]
    assert instance.store.said("task-a") == b"!OK"
    assert instance.store.said("task-a") is None
    assert "a2" not in instance.store.tickets()


def test_the_documented_rights_are_enough(make: Make, own_redis: Callable[..., RedisServer], queue_key: str) -> None:
    """For all that is kept for poulpe's clients, announcements of results included."""
    server = own_redis()
    (block,) = re.findall(r"```\nACL SETUSER goophry on >PASSWORD (.*?)```", PAGE.read_text(), re.DOTALL)
    rules = str(block).replace("\\\n", " ").replace("myqueue", queue_key).split()
    admin = server.client()
    admin.execute_command("ACL", "SETUSER", "default", *rules)
    admin.close()
    instance = make("* * * * * * * n PUT", address=server.address)
    store = instance.store

    instance.desk.take([(job("a"), "a1")])
    runs(instance, queue_key, "a1", worker=0)
    instance.desk.take([(job("a", cc="1"), "a2")])
    for _ in range(2):
        instance.turn()
        instance.clock.forward(1)  # type: ignore[attr-defined]
    assert instance.desk.info().working == [f"ST:1-{int(START_S) + 1}", "task-a"]
    ended = store.ended("task-a", "a2", attempt=1, place="task-a", said=b"!OK", is_last=True, dead=b'{"id":"task-a"}')
    instance.links.pipeline(ended)
    said = instance.desk.said("task-a")
    assert said is not None
    instance.desk.put_back("task-a", said)
    (ticket,) = store.dead()
    store.buried(ticket)
    store.left("task-a", "a2", None)
    store.sent(store.outbox())
    with pytest.raises(StoreError):
        instance.links.call("KEYS", "*")


def test_a_job_that_is_too_long_leaves_the_one_before_it_as_it_is(make: Make, waiting: Waiting) -> None:
    instance = make("", max_entry_bytes=1000)
    instance.desk.take([(job("a"), "a1")])

    (problem,) = instance.desk.take_each([(job("a", params="x" * 1000), "a2")])

    assert problem is not None
    assert waiting() == [["a1"], []]
    assert instance.store.tickets() == {"a1"}
