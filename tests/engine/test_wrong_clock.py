"""A host whose clock is a minute wrong: whatever counts goes by Redis's clock, with no correction of the host's.

What is only noted and shown goes by a clock that is set right at each heartbeat.
"""

import json
import time
from collections.abc import Callable

import pytest
from conftest import eventually
from engine.parts import Parts, push
from fakes import FAILURE, FakeClock, RecordingObserver

from goophry.clock import SharedClock, SystemClock
from goophry.config import Schedule
from goophry.engine.clock_check import LATE_S, ClockCheck
from goophry.engine.heartbeat import Heartbeat
from goophry.errors import StoreUnavailable
from goophry.events import ClockDiffers, TaskDeferred, TaskFinished
from goophry.rate import RateLimit
from goophry.retry import parse as retry
from goophry.store import keys
from goophry.store.moments import redis_time
from goophry.submission import Duplicate, Submission

pytest_plugins = ("engine.fixtures",)

Make = Callable[..., Parts]
R = "redis.Redis[bytes]"


class Wrong:
    """The machine's clocks, with a time of day that is wrong by so many seconds."""

    def __init__(self, by_s: float) -> None:
        self.by_s = by_s

    def now(self) -> float:
        return time.time() + self.by_s

    def monotonic(self) -> float:
        return SystemClock().monotonic()


@pytest.fixture(params=[60.0, -60.0], ids=["ahead", "behind"])
def clock(request: pytest.FixtureRequest) -> Wrong:
    return Wrong(request.param)


def due_in_s(r: R, parts: Parts) -> list[float]:
    """How far off what is put off is, by Redis's clock."""
    found = r.zrange(keys.delayed(parts.q), 0, -1, withscores=True)
    return [score / 1000 - redis_time(parts.links) for _, score in found]


def test_delays_and_tries_are_due_by_the_clock_of_redis(make: Make, r: R, clock: Wrong) -> None:
    parts = make(clock=clock, retry=retry([30]))
    parts.runner.act = lambda job: FAILURE
    parts.intake().submit(Submission("t", ("submitted",), delay_s=30))
    r.rpush(parts.q, b'{"Args":["pushed"],"Delay":30}', b'{"Args":["fails"]}')

    parts.loop.start()

    eventually(lambda: len(due_in_s(r, parts)) == 3, what="all three are put off")
    assert all(28 < left_s <= 30 for left_s in due_in_s(r, parts))
    assert parts.ran() == ["fails"]


def test_a_moment_is_one_of_the_clock_of_redis(make: Make, r: R, clock: Wrong) -> None:
    parts = make(clock=clock)
    now = redis_time(parts.links)
    for name, at_s in (("past", now - 5), ("to come", now + 30)):
        parts.intake().submit(Submission("t", (name,), at_s=at_s))
        r.rpush(parts.q, json.dumps({"Args": [f"{name}, pushed"], "At": at_s}))

    parts.loop.start()
    parts.scheduler().turn()

    eventually(lambda: len(parts.ran()) == 2 and parts.observer.of(TaskDeferred), what="two ran, one is put off")
    assert sorted(parts.ran()) == ["past", "past, pushed"]
    assert all(25 < left_s <= 30 for left_s in due_in_s(r, parts))


def test_a_schedule_fires_each_moment_once_beside_an_instance_whose_clock_is_right(
    make: Make, r: R, clock: Wrong
) -> None:
    wrong, right = make(clock=clock, name="wrong"), make(name="right")
    often = Schedule(name="often", cron="* * * * * *", type="t")
    turns = [parts.schedules(often) for parts in (wrong, right)]
    began = redis_time(wrong.links)

    def fired() -> list[str]:
        for schedules in turns:
            schedules.turn()
        return [json.loads(raw)["Id"] for raw in r.lrange(wrong.q, 0, -1)]

    ids = eventually(lambda: len(found := fired()) >= 2 and found, what="it fired twice")

    assert isinstance(ids, list)
    assert len(set(ids)) == len(ids)
    assert len(ids) <= redis_time(wrong.links) - began + 1


def test_a_rate_limit_is_shared_with_an_instance_whose_clock_is_right(make: Make, r: R, clock: Wrong) -> None:
    rate = RateLimit(5, 3600)
    wrong, right = make(clock=clock, name="wrong", rate=rate), make(name="right", rate=rate)
    push(r, wrong.q, *map(str, range(20)))

    wrong.loop.start()
    right.loop.start()

    eventually(lambda: len(wrong.ran()) + len(right.ran()) == 5, what="five are taken")
    assert r.llen(wrong.q) == 15
    eventually(lambda: wrong.exchange.queue.limited_s > 3000 or right.exchange.queue.limited_s > 3000)
    assert len(wrong.ran()) + len(right.ran()) == 5


def test_an_id_that_is_there_is_refused_at_once(make: Make, r: R, clock: Wrong) -> None:
    parts = make(clock=clock)
    intake = parts.intake()
    intake.submit(Submission("t", ("a",), id="x"))

    assert intake.submit(Submission("t", ("b",), id="x")) == Duplicate("x", "id")


def test_records_tell_the_time_of_redis_from_the_first_heartbeat_on(make: Make, r: R, clock: Wrong) -> None:
    shared, observer = SharedClock(clock), RecordingObserver()
    parts = make(clock=shared)
    check = ClockCheck(lambda: redis_time(parts.links), shared, observer=observer)
    heartbeat = Heartbeat(
        parts.leases,
        instance="me",
        about=dict,
        doubt_all=lambda: None,
        outage=parts.outage,
        observer=observer,
        clock=shared,
        after_beat=check.turn,
    )
    heartbeat.turn()
    heartbeat.turn()
    before = redis_time(parts.links)
    parts.intake().submit(Submission("t", ("a",), id="x"))
    parts.loop.start()
    eventually(lambda: parts.observer.of(TaskFinished), what="it ran")

    record = parts.intake().record("x")
    assert record is not None
    moments = (record.enqueued, record.started, record.finished)
    assert all(moment is not None and before - 1 <= moment <= before + 10 for moment in moments)
    (told,) = observer.of(ClockDiffers)
    assert abs(told.ahead_s - clock.by_s) < 1

    clock.by_s = 0
    heartbeat.turn()
    assert [event.ahead_s for event in observer.of(ClockDiffers)] == [told.ahead_s, 0]


def test_an_answer_that_took_long_says_nothing_about_the_time() -> None:
    own, observer = FakeClock(), RecordingObserver()
    clock = SharedClock(own)

    def late() -> float:
        own.forward(LATE_S * 1.1)
        return 5000.0

    ClockCheck(late, clock, observer=observer).turn()

    assert clock.now() == own.now()
    assert observer.events == []


def test_no_answer_leaves_the_clock_as_it_was() -> None:
    clock = SharedClock(FakeClock())
    clock.compare(900.0)

    def away() -> float:
        raise StoreUnavailable("gone")

    with pytest.raises(StoreUnavailable):
        ClockCheck(away, clock, observer=RecordingObserver()).turn()

    assert clock.now() == 900.0
