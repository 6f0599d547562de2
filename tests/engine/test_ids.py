"""Ids of tasks, and what is known by them: over types, and when Redis refuses a task."""

from collections.abc import Callable

import pytest
from conftest import eventually
from engine.parts import Parts
from fakes import task_type

from goophry.clock import SystemClock
from goophry.engine.intake import Intake
from goophry.errors import StoreWrongKind
from goophry.events import TaskDeferred
from goophry.store import keys
from goophry.store.records import LIVE_TTL_S
from goophry.submission import Accepted, Duplicate, Submission

pytest_plugins = ("engine.fixtures",)

Make = Callable[..., Parts]
R = "redis.Redis[bytes]"


def intake_of_two_types(parts: Parts) -> Intake:
    types = {"t": parts.type, "u": task_type("u")}
    return Intake(
        lambda: types,
        links=parts.links,
        queue_key=parts.queue_key,
        max_entry_bytes=lambda: 1_000_000,
        observer=parts.observer,
        clock=SystemClock(),
    )


@pytest.mark.parametrize("many", [False, True])
def test_the_result_of_another_types_task_with_this_id_refuses_nothing(make: Make, r: R, many: bool) -> None:
    parts = make()
    intake = intake_of_two_types(parts)
    intake.submit(Submission("t", ("a",), id="x"))
    parts.loop.start()
    eventually(lambda: (record := intake.record("x")) and record.is_final, what="the first has ended")
    assert intake.submit(Submission("t", ("a",), id="x")) == Duplicate("x", "id")

    other = Submission("u", ("b",), id="x")
    assert (intake.submit_many([other]) if many else [intake.submit(other)]) == [Accepted("x")]

    record = intake.record("x")
    assert record is not None
    assert (record.type, record.status) == ("u", "waiting")
    assert r.llen(keys.queue(parts.queue_key, "u")) == 1


def test_the_record_of_what_a_producer_delayed_ends_some_time_after_it_is_due(make: Make, r: R) -> None:
    parts = make()
    r.rpush(parts.q, b'{"Args":["a"],"Delay":3600,"Id":"x"}')

    parts.loop.start()

    eventually(lambda: parts.observer.of(TaskDeferred), what="it was put off")
    assert LIVE_TTL_S < r.ttl(keys.result(parts.queue_key, "x")) <= LIVE_TTL_S + 3600


def test_of_a_task_that_redis_did_not_take_nothing_is_known(make: Make, r: R) -> None:
    parts = make()
    r.set(parts.q, "no list")

    with pytest.raises(StoreWrongKind):
        parts.intake().submit(Submission("t", ("a",), id="x"))

    assert parts.intake().record("x") is None
