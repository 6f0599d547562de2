"""Schedules on a real Redis: each moment once for all instances, by Redis's clock, whatever happens in between.

Redis's clock cannot be moved, but its memory of the last moment can: that is what a downtime leaves behind.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import Any

import pytest
from conftest import eventually
from engine.parts import Parts
from engine.service_contract import stress
from fakes import FakeClock

from goophry.config import Schedule, Unique
from goophry.engine.schedules import BATCH, LOOK_S, run_now
from goophry.errors import StoreError
from goophry.events import HelperRepaired, ScheduleFired, ScheduleSkipped, TaskFinished, TaskRefused
from goophry.record import TaskRecord
from goophry.retry import RetryPolicy
from goophry.store import keys
from goophry.store.moments import Moments
from goophry.submission import Accepted, Duplicate, Moment, Submission

pytest_plugins = ("engine.fixtures",)

Make = Callable[..., Parts]
R = "redis.Redis[bytes]"

EVERY_SECOND = "* * * * * *"
#: On 29 February, at noon: none within this test, whatever the day.
HARDLY_EVER = "0 12 29 2 *"


def every_second(name: str = "often", **keys: Any) -> Schedule:
    return Schedule(name=name, cron=EVERY_SECOND, type="t", **keys)


def now_ms(r: R) -> int:
    seconds, micros = r.time()
    return seconds * 1000 + micros // 1000


def was_last(r: R, parts: Parts, name: str, ms: int, run: str = "") -> None:
    """Have Redis remember that this was the last moment of the schedule."""
    r.hset(keys.schedules(parts.q), name, f"{ms} {run}".strip())


def last(r: R, parts: Parts, name: str = "often") -> int:
    return int(r.hget(keys.schedules(parts.q), name).split()[0])


def waiting(r: R, parts: Parts) -> list[dict[str, Any]]:
    return [json.loads(raw) for raw in r.lrange(parts.q, 0, -1)]


def moments(r: R, parts: Parts, name: str = "often") -> list[int]:
    """The moments, in Unix seconds, of the tasks that wait."""
    found = []
    for entry in waiting(r, parts):
        schedule, _, moment = entry["Id"].rpartition("@")
        if schedule == name:
            found.append(int(datetime.fromisoformat(moment).timestamp()))
    return found


def test_a_schedule_that_was_never_seen_fires_for_nothing_that_is_past(make: Make, r: R) -> None:
    parts = make()
    before = now_ms(r)

    wait_s = parts.schedules(every_second()).turn()

    assert wait_s is not None
    assert wait_s <= 1
    assert waiting(r, parts) == []
    assert before <= last(r, parts) <= now_ms(r)


def test_what_is_due_goes_into_the_queue_as_its_schedule_says(make: Make, r: R) -> None:
    parts = make()
    schedule = every_second(args=["--all"], env={"A": "1"}, timeout=5, retry=RetryPolicy(delays_s=(60.0,)))
    was_last(r, parts, "often", now_ms(r) // 1000 * 1000 - 1000)

    parts.schedules(schedule).turn()

    entry = waiting(r, parts)[0]
    assert (entry["Args"], entry["Env"], entry["Timeout"], entry["Retry"]) == (["--all"], {"A": "1"}, 5, [60])
    assert entry["Id"].startswith("often@20")
    assert entry["Id"].endswith("Z")
    fired = parts.observer.of(ScheduleFired)[0]
    assert (fired.schedule, fired.type, fired.entry_id) == ("often", "t", entry["Id"])
    assert fired.late_s >= 0
    assert r.hget(keys.schedules(parts.q), "often").endswith(waiting(r, parts)[-1]["Id"].encode())


def test_its_task_is_known_by_its_id_as_any_other(make: Make, r: R) -> None:
    parts = make()
    was_last(r, parts, "often", now_ms(r) // 1000 * 1000 - 1000)
    parts.schedules(every_second()).turn()
    entry_id = waiting(r, parts)[0]["Id"]

    parts.loop.start()

    eventually(lambda: parts.observer.of(TaskFinished), what="it ran")
    eventually(lambda: parts.intake().record(entry_id).outcome == "success", what="its result is there")


def test_each_moment_is_taken_once_by_instances_that_look_at_the_same_time(make: Make, r: R) -> None:
    fleet = [make(name=f"i{number}") for number in range(4)]
    start = now_ms(r) // 1000 - 30
    was_last(r, fleet[0], "often", start * 1000)
    barrier = Barrier(len(fleet))

    def look(parts: Parts) -> None:
        schedules = parts.schedules(every_second(catch_up=3600))
        barrier.wait(30)
        schedules.turn()

    with ThreadPoolExecutor(len(fleet)) as pool:
        list(pool.map(look, fleet))

    found = moments(r, fleet[0])
    assert found == list(range(start + 1, found[-1] + 1))
    assert found[-1] >= start + 30
    fired = [event.entry_id for parts in fleet for event in parts.observer.of(ScheduleFired)]
    assert sorted(fired) == sorted(entry["Id"] for entry in waiting(r, fleet[0]))
    assert not any(parts.observer.of(ScheduleSkipped) + parts.observer.of(TaskRefused) for parts in fleet)


def test_who_finds_a_moment_taken_leaves_no_record_behind_and_none_of_another(make: Make, r: R) -> None:
    """Both note the task before they know who comes first."""
    parts = make()
    was_last(r, parts, "often", 5000)
    submission = Submission("t", id="often@5")

    assert parts.intake().submit(submission, moment=Moment("often", 5000)) is None

    assert parts.records.read("often@5") is None
    mine = TaskRecord("often@5", "t", "waiting", enqueued=1)
    parts.records.write(mine, left_s=0)
    parts.records.forget(TaskRecord("often@5", "t", "waiting", enqueued=2))
    assert parts.records.read("often@5") == mine
    parts.records.forget(mine)
    assert parts.records.read("often@5") is None


def test_moments_within_catch_up_are_made_up_for_and_older_ones_are_told_of_once(make: Make, r: R) -> None:
    fleet = [make(name="a"), make(name="b")]
    now_s = now_ms(r) // 1000
    start = now_s - 1000
    was_last(r, fleet[0], "often", start * 1000)

    for parts in fleet:
        parts.schedules(every_second(catch_up=20)).turn()

    found = moments(r, fleet[0])
    assert found == list(range(found[0], found[-1] + 1))
    assert len(found) >= 20
    assert found[0] > now_s - 20
    skipped = [event for parts in fleet for event in parts.observer.of(ScheduleSkipped)]
    assert skipped == [ScheduleSkipped("often", "t", start + 1, "missed")]


def test_without_catch_up_what_is_a_little_late_counts_all_the_same(make: Make, r: R) -> None:
    parts = make()
    was_last(r, parts, "often", now_ms(r) - 100_000)

    parts.schedules(every_second(catch_up=0)).turn()

    assert 5 <= len(moments(r, parts)) <= 6


def test_much_to_make_up_for_is_done_step_by_step(make: Make, r: R) -> None:
    parts = make()
    start = now_ms(r) // 1000 - 2 * BATCH
    was_last(r, parts, "often", start * 1000)
    schedules = parts.schedules(every_second(catch_up=3600), Schedule(name="rare", cron=HARDLY_EVER, type="t"))

    assert schedules.turn() == 0
    assert len(moments(r, parts)) == BATCH
    assert schedules.turn() == 0
    assert schedules.turn() <= 1

    found = moments(r, parts)
    assert found == list(range(start + 1, found[-1] + 1))
    assert found[-1] >= start + 2 * BATCH


def test_a_long_downtime_costs_no_search_for_what_was_missed(make: Make, r: R) -> None:
    parts = make()
    was_last(r, parts, "often", 1)

    parts.schedules(every_second(catch_up=5)).turn()

    assert parts.observer.of(ScheduleSkipped) == [ScheduleSkipped("often", "t", 1, "missed")]


def test_between_its_looks_it_asks_redis_nothing(make: Make, r: R) -> None:
    clock = FakeClock()
    parts = make(clock=clock)
    schedules = parts.schedules(Schedule(name="rare", cron=HARDLY_EVER, type="t"))
    assert schedules.turn() == LOOK_S
    parts.links.close()
    was_last(r, parts, "rare", 1)

    clock.forward(LOOK_S - 1)
    assert schedules.turn() == 1
    assert last(r, parts, "rare") == 1
    clock.forward(1)
    assert schedules.turn() == LOOK_S
    assert last(r, parts, "rare") > 1


def test_without_schedules_there_is_nothing_to_wait_for(make: Make, r: R) -> None:
    parts = make()

    assert parts.schedules().turn() is None


@pytest.mark.parametrize("host_is_off_by_s", [-3600, 3600])
def test_the_clock_of_the_host_does_not_matter(make: Make, r: R, host_is_off_by_s: int) -> None:
    clock = FakeClock(now_ms(r) / 1000 + host_is_off_by_s)
    parts = make(clock=clock)
    at = now_ms(r) // 1000
    was_last(r, parts, "often", at * 1000 - 1000)

    parts.schedules(every_second()).turn()

    assert at == moments(r, parts)[0] <= moments(r, parts)[-1] <= now_ms(r) // 1000


# Overlap


def test_overlap_skip_leaves_out_what_comes_while_the_run_before_is_there(make: Make, r: R) -> None:
    parts, other = make(), make(name="other")
    schedule = every_second(overlap="skip")
    start = now_ms(r) // 1000 - 3
    was_last(r, parts, "often", start * 1000)

    parts.schedules(schedule).turn()

    assert moments(r, parts) == [start + 1]
    skipped = parts.observer.of(ScheduleSkipped)
    assert [(event.moment_s, event.why) for event in skipped] == [
        (moment, "overlap") for moment in range(start + 2, start + 2 + len(skipped))
    ]
    assert last(r, parts) == skipped[-1].moment_s * 1000
    assert parts.observer.of(TaskRefused) == []
    # The other instance finds nothing left of those moments, nor does it tell of them again.
    was = skipped[-1].moment_s
    other.schedules(schedule).turn()
    assert all(event.moment_s > was for event in other.observer.of(ScheduleSkipped))


def test_the_next_moment_after_its_run_has_ended_fires_again(make: Make, r: R) -> None:
    parts = make()
    schedule = every_second(overlap="skip")
    was_last(r, parts, "often", now_ms(r) // 1000 * 1000 - 1000)
    parts.schedules(schedule).turn()
    first = waiting(r, parts)[0]["Id"]
    parts.loop.start()
    eventually(lambda: not r.hexists(keys.ids(parts.q), first), what="it has ended")
    was_last(r, parts, "often", now_ms(r) // 1000 * 1000 - 1000, first)

    parts.schedules(schedule).turn()

    assert len(parts.observer.of(ScheduleFired)) >= 2


@pytest.mark.parametrize("place", ["waiting", "delayed", "running"])
def test_a_run_is_there_wherever_it_is(make: Make, r: R, place: str) -> None:
    parts = make()
    entry = b'{"Args":[],"Id":"often@before"}'
    r.hset(keys.ids(parts.q), "often@before", now_ms(r) - 120_000)
    if place == "waiting":
        r.rpush(parts.q, entry)
    elif place == "delayed":
        r.zadd(keys.delayed(parts.q), {entry: now_ms(r) + 60_000})
    else:
        r.sadd(keys.instances(parts.q), "x")
        r.rpush(keys.running(parts.q, "x"), entry)
    was_last(r, parts, "often", now_ms(r) // 1000 * 1000 - 1000, "often@before")

    parts.schedules(every_second(overlap="skip")).turn()

    assert parts.observer.of(ScheduleFired) == []
    assert parts.observer.of(ScheduleSkipped)[0].why == "overlap"


def test_a_run_that_was_removed_by_hand_holds_nothing_back(make: Make, r: R) -> None:
    parts = make()
    r.hset(keys.ids(parts.q), "often@before", now_ms(r) - 120_000)
    was_last(r, parts, "often", now_ms(r) // 1000 * 1000 - 1000, "often@before")

    parts.schedules(every_second(overlap="skip")).turn()

    assert parts.observer.of(ScheduleFired)
    assert not r.hexists(keys.ids(parts.q), "often@before")


def test_a_unique_type_leaves_out_what_is_there_already(make: Make, r: R) -> None:
    parts = make(unique=Unique())
    at = now_ms(r) // 1000 * 1000
    was_last(r, parts, "often", at - 2000)

    parts.schedules(every_second()).turn()

    assert len(waiting(r, parts)) == 1
    assert {event.why for event in parts.observer.of(ScheduleSkipped)} == {"unique"}
    assert last(r, parts) >= at


def test_a_paused_type_keeps_what_its_schedules_put_in(make: Make, r: R) -> None:
    parts = make()
    r.sadd(f"{parts.queue_key}:paused", "t")
    was_last(r, parts, "often", now_ms(r) // 1000 * 1000 - 1000)

    parts.schedules(every_second()).turn()

    assert moments(r, parts)


# Reload


def test_a_schedule_whose_times_stay_goes_on_where_it_was(make: Make, r: R) -> None:
    parts = make()
    start = now_ms(r) // 1000 - 10
    was_last(r, parts, "often", start * 1000)
    schedules = parts.schedules(every_second())

    schedules.replace([every_second(args=["new"])])
    schedules.turn()

    found = moments(r, parts)
    assert found == list(range(start + 1, found[-1] + 1))
    assert {tuple(entry["Args"]) for entry in waiting(r, parts)} == {("new",)}


@pytest.mark.parametrize("change", [{"cron": "*/1 * * * * *"}, {"timezone": "Europe/Berlin"}])
def test_a_schedule_whose_times_change_makes_up_for_nothing(make: Make, r: R, change: dict[str, str]) -> None:
    parts = make()
    was_last(r, parts, "often", now_ms(r) - 10_000)
    schedules = parts.schedules(every_second())
    changed_ms = now_ms(r)
    changed = Schedule(**({"name": "often", "cron": EVERY_SECOND, "type": "t"} | change))

    schedules.replace([changed])
    schedules.turn()
    assert moments(r, parts) == []
    # Nor does another reload soon after bring back what was past.
    schedules.replace([changed])
    schedules.turn()
    assert all(moment * 1000 > changed_ms for moment in moments(r, parts))


def test_a_schedule_that_is_taken_out_is_silent_and_begins_anew_when_it_comes_again(make: Make, r: R) -> None:
    parts = make()
    was_last(r, parts, "often", now_ms(r) - 10_000)
    schedules = parts.schedules(every_second())

    schedules.replace([])
    assert schedules.turn() is None
    schedules.replace([every_second()])
    schedules.turn()

    assert moments(r, parts) == []


def test_the_scheduler_hears_of_a_reload_at_once(make: Make, r: R) -> None:
    parts = make()
    scheduler = parts.scheduler(Schedule(name="rare", cron=HARDLY_EVER, type="t"))
    scheduler.start()
    try:
        eventually(lambda: r.hexists(keys.schedules(parts.q), "rare"), what="it has looked")
        scheduler.replace_schedules([every_second()])
        eventually(lambda: len(moments(r, parts)) >= 2, what="it fires")
    finally:
        scheduler.stop()

    found = moments(r, parts)
    assert found == list(range(found[0], found[-1] + 1))


# Trouble


def test_memory_of_another_kind_or_without_sense_is_put_right(make: Make, r: R) -> None:
    parts = make()
    r.set(keys.schedules(parts.q), "x")

    schedules = parts.schedules(every_second())
    schedules.turn()
    assert parts.observer.of(HelperRepaired) == [HelperRepaired("t", "the memory of its schedules made no sense")]
    r.hset(keys.schedules(parts.q), "often", "rubbish")
    parts.schedules(every_second()).turn()

    assert len(parts.observer.of(HelperRepaired)) == 2
    assert now_ms(r) - 60_000 < last(r, parts) <= now_ms(r)
    assert waiting(r, parts) == []


def test_a_memory_that_lies_far_ahead_was_made_by_a_clock_that_was_wrong(make: Make, r: R) -> None:
    """A Redis whose clock was a year ahead for a minute must not silence its schedules for a year."""
    parts = make()
    was_last(r, parts, "often", now_ms(r) + 365 * 86_400_000)

    parts.schedules(every_second()).turn()

    assert last(r, parts) <= now_ms(r)
    assert parts.observer.of(HelperRepaired)


def test_a_clock_that_was_put_back_a_little_fires_nothing_twice(make: Make, r: R) -> None:
    """Another server has taken over whose clock is behind."""
    parts = make()
    ahead = now_ms(r) + 60_000
    was_last(r, parts, "often", ahead)

    parts.schedules(every_second()).turn()

    assert (waiting(r, parts), last(r, parts)) == ([], ahead)


def test_when_redis_has_lost_its_memory_what_is_there_is_not_put_in_twice(make: Make, r: R) -> None:
    parts = make()
    at = now_ms(r) // 1000
    was_last(r, parts, "often", (at - 3) * 1000)
    parts.schedules(every_second()).turn()
    found = moments(r, parts)
    was_last(r, parts, "often", (at - 3) * 1000)

    parts.schedules(every_second()).turn()

    assert sorted(set(moments(r, parts))) == moments(r, parts)
    assert moments(r, parts)[: len(found)] == found
    assert parts.observer.of(ScheduleSkipped) == []


def test_a_task_that_would_be_none_is_told_of_and_holds_up_nobody(make: Make, r: R) -> None:
    parts = make()
    at = now_ms(r) // 1000 * 1000
    for name in ("often", "large"):
        was_last(r, parts, name, at - 1000)

    parts.schedules(every_second("large", args=["x" * 1_000_000]), every_second()).turn()

    assert {event.why for event in parts.observer.of(ScheduleSkipped)} == {"invalid"}
    assert "MaxEntryBytes" in parts.observer.of(ScheduleSkipped)[0].reason
    assert last(r, parts, "large") >= at
    assert moments(r, parts)


def test_a_type_that_is_not_there_any_more_holds_up_nobody(make: Make, r: R, caplog: pytest.LogCaptureFixture) -> None:
    parts = make()
    schedules = parts.schedules(every_second(), Schedule(name="gone", cron=EVERY_SECOND, type="a"))
    at = now_ms(r) // 1000 * 1000
    was_last(r, parts, "often", at - 1000)
    r.hset(keys.schedules(keys.queue(parts.queue_key, "a")), "gone", at - 1000)

    assert schedules.turn() <= 1

    assert moments(r, parts)
    assert int(r.hget(keys.schedules(keys.queue(parts.queue_key, "a")), "gone")) == at - 1000


def test_a_queue_that_is_none_is_told_of_and_made_up_for(make: Make, r: R) -> None:
    parts = make()
    start = now_ms(r) // 1000 - 2
    was_last(r, parts, "often", start * 1000)
    r.set(parts.q, "x")
    clock = FakeClock()
    parts.clock = clock
    schedules = parts.schedules(every_second())

    with pytest.raises(StoreError):
        schedules.turn()
    r.delete(parts.q)
    clock.forward(5)
    schedules.turn()

    assert moments(r, parts)[0] == start + 1


# Run now


def test_a_run_out_of_turn_takes_no_moment(make: Make, r: R) -> None:
    parts = make()
    schedule = every_second(args=["x"])
    was_last(r, parts, "often", 5000, "often@before")

    first, second = (run_now(schedule, parts.intake(), now=now) for now in (7, 7.25))

    assert (first, second) == (Accepted("often@1970-01-01T00:00:07Z"), Accepted("often@1970-01-01T00:00:07.250Z"))
    assert [entry["Args"] for entry in waiting(r, parts)] == [["x"], ["x"]]
    assert r.hget(keys.schedules(parts.q), "often") == f"5000 {second.id}".encode()


def test_a_run_out_of_turn_respects_overlap_and_is_respected(make: Make, r: R) -> None:
    parts = make()
    schedule = every_second(overlap="skip")

    first = run_now(schedule, parts.intake(), now=7)
    assert run_now(schedule, parts.intake(), now=8) == Duplicate(first.id, "overlap")
    was_last(r, parts, "often", now_ms(r) // 1000 * 1000 - 1000, first.id)
    parts.schedules(schedule).turn()

    assert len(waiting(r, parts)) == 1
    assert parts.observer.of(ScheduleSkipped)[0].why == "overlap"


def test_the_memory_names_the_newest_run(make: Make, r: R) -> None:
    parts = make()
    known = Moments(parts.links, queue_key=parts.queue_key)
    assert known.newest([]) == []
    assert known.newest([("t", "often")]) == [None]
    parts.schedules(every_second()).turn()
    assert known.newest([("t", "often")]) == [None]

    first = run_now(every_second(), parts.intake(), now=7)

    assert known.newest([("t", "often"), ("t", "other")]) == [first.id, None]


def test_a_scheduler_with_schedules_is_a_service(make: Make) -> None:
    stress(lambda: make().scheduler(every_second()))
