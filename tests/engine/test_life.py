"""The life of a task on a real Redis: put off, tried again, noted, cancelled."""

import json
from collections.abc import Callable

import pytest
from conftest import eventually
from engine.parts import Parts
from fakes import FAILURE, FakeClock, Gate

from goophry.args_schema import schema_of
from goophry.config import Unique
from goophry.entry import failed_entry, parse
from goophry.events import HelperRepaired, TaskDeferred, TaskFinished, TaskRefused, TaskStarted
from goophry.outcome import Outcome, Verdict
from goophry.retry import parse as retry
from goophry.store import keys
from goophry.store.failed import FailedList
from goophry.submission import Accepted, Duplicate, InvalidSubmission, Submission, UnknownType

pytest_plugins = ("engine.fixtures",)

Make = Callable[..., Parts]
R = "redis.Redis[bytes]"


def delayed(r: R, parts: Parts) -> list[bytes]:
    return r.zrange(keys.delayed(parts.q), 0, -1)


def run_one(parts: Parts) -> None:
    """Let the loop and the scheduler take turns until something ran, or nothing is left to run."""
    parts.loop.start()
    eventually(lambda: parts.observer.of(TaskFinished) or parts.observer.of(TaskDeferred), what="a task ended")


def test_a_failure_with_a_try_left_waits_in_the_delayed_set_with_its_attempt(make: Make, r: R) -> None:
    parts = make(retry=retry([60]), failed_tasks_ttl=60)
    parts.runner.act = lambda job: FAILURE
    r.rpush(parts.q, b'{"Args":["a"],"X":1}')

    run_one(parts)

    eventually(lambda: not r.exists(parts.running), what="it is held no more")
    (member,) = delayed(r, parts)
    entry = json.loads(member)
    assert (entry["Args"], entry["X"], entry["Goophry"]["Attempt"]) == (["a"], 1, 2)
    assert not r.exists(parts.failed_list)
    (finished,) = parts.observer.of(TaskFinished)
    assert (finished.final, finished.retry_in_s) == (False, 60)
    assert parts.caller.messages() == []


def test_the_last_try_that_fails_is_kept_as_it_was_pushed(make: Make, r: R) -> None:
    parts = make(retry=retry([0]), failed_tasks_ttl=60)
    parts.runner.act = lambda job: FAILURE
    r.rpush(parts.q, b'{"Args":["a"]}')
    scheduler = parts.scheduler()
    parts.loop.start()

    def turned() -> bool:
        scheduler.look()
        scheduler.turn()
        return bool(r.llen(parts.failed_list))

    eventually(turned, what="it failed for good")

    assert r.lrange(parts.failed_list, 0, -1) == [b'{"Args":["a"],"ErrorMessage":"exit status 3"}']
    assert [job.attempt for job in parts.runner.jobs] == [1, 2]


def test_equal_entries_that_fail_at_once_are_all_tried_again(make: Make, r: R) -> None:
    parts = make(workers=4, retry=retry([60]))
    parts.runner.act = lambda job: FAILURE
    r.rpush(parts.q, *[b'{"Args":["same"]}'] * 20)

    parts.loop.start()

    eventually(lambda: len(delayed(r, parts)) == 20, what="twenty members")
    eventually(lambda: not r.exists(parts.running), what="none is held")


def test_notify_retries_tells_of_each_failure(make: Make, r: R) -> None:
    parts = make(retry=retry([60]), notify_retries=True, error_script="/error-script")
    parts.runner.act = lambda job: FAILURE
    r.rpush(parts.q, b'{"Args":["a"]}')

    run_one(parts)

    assert eventually(parts.caller.messages, what="it is told") == ['/bin/true "a"\n\nexit status 3']


def test_an_interrupted_run_counts_no_attempt(make: Make, r: R) -> None:
    parts = make(retry=retry([60]))
    parts.runner.act = lambda job: Outcome(Verdict.INTERRUPTED)
    r.rpush(parts.q, b'{"Args":["a"]}')

    run_one(parts)
    parts.loop.quiet()

    assert delayed(r, parts) == []
    assert all(job.attempt == 1 for job in parts.runner.jobs)


def test_a_pushed_delay_is_honoured_when_it_is_popped(make: Make, r: R) -> None:
    parts = make()
    r.rpush(parts.q, b'{"Args":["a"],"Delay":60}')

    run_one(parts)

    (member,) = delayed(r, parts)
    assert "Delay" not in json.loads(member)
    seconds, _ = r.time()
    assert 55_000 < r.zscore(keys.delayed(parts.q), member) - seconds * 1000 < 62_000
    assert parts.runner.jobs == []
    assert not r.exists(parts.running)


def test_a_pushed_moment_that_has_come_does_not_delay(make: Make, r: R) -> None:
    parts = make()
    r.rpush(parts.q, b'{"Args":["a"],"At":1000}')

    parts.loop.start()

    eventually(lambda: parts.runner.jobs, what="it runs")
    assert parts.observer.of(TaskDeferred) == []


def test_the_scheduler_moves_what_is_due_in_order_and_nothing_else(make: Make, r: R) -> None:
    parts = make()
    seconds, _ = r.time()
    now_ms = seconds * 1000
    r.zadd(
        keys.delayed(parts.q),
        {b'{"Args":["2"]}': now_ms - 10, b'{"Args":["1"]}': now_ms - 5000, b'{"Args":["3"]}': now_ms + 3_600_000},
    )

    left_s = parts.scheduler().turn()

    assert r.lrange(parts.q, 0, -1) == [b'{"Args":["1"]}', b'{"Args":["2"]}']
    assert delayed(r, parts) == [b'{"Args":["3"]}']
    assert 0 < left_s <= 5


def test_rubbish_in_place_of_the_delayed_set_is_removed_and_told(make: Make, r: R) -> None:
    parts = make()
    r.set(keys.delayed(parts.q), "rubbish")

    parts.scheduler().turn()

    assert not r.exists(keys.delayed(parts.q))
    assert parts.observer.of(HelperRepaired)


def test_rubbish_where_a_try_is_put_off_is_removed_and_told(make: Make, r: R) -> None:
    parts = make(retry=retry([60]))
    parts.runner.act = lambda job: FAILURE
    r.rpush(keys.delayed(parts.q), "rubbish")
    r.rpush(parts.q, b'{"Args":["a"]}')

    parts.loop.start()

    eventually(lambda: r.type(keys.delayed(parts.q)) == b"zset")
    assert len(delayed(r, parts)) == 1
    (told,) = eventually(lambda: parts.observer.of(HelperRepaired))
    assert told.what == "the set of what is put off held another kind of value"


@pytest.mark.parametrize("when", ["before it begins", "before it ends"])
def test_rubbish_in_place_of_the_notes_of_ids_is_removed_and_told(make: Make, r: R, when: str) -> None:
    parts = make()
    gate = parts.runner.act = Gate()
    if when == "before it begins":
        r.set(keys.ids(parts.q), "rubbish")
    r.rpush(parts.q, b'{"Args":["a"],"Id":"x"}')
    parts.loop.start()
    eventually(lambda: parts.runner.jobs)
    if when == "before it ends":
        r.set(keys.unique(parts.q), "rubbish")

    gate.open()

    eventually(lambda: not r.exists(keys.ids(parts.q), keys.unique(parts.q), parts.running))
    (told,) = parts.observer.of(HelperRepaired)
    assert told.what == "the notes of Ids and of equal tasks held another kind of value"


def test_intake_pushes_an_entry_with_an_id_and_notes_it(make: Make, r: R) -> None:
    parts = make()

    accepted = parts.intake().submit(Submission("t", ("a",), env={"X": "1"}, timeout_s=5))

    assert isinstance(accepted, Accepted)
    entry = json.loads(r.lindex(parts.q, 0))
    assert entry.pop("Goophry").keys() == {"Enqueued"}
    assert entry == {"Args": ["a"], "Id": accepted.id, "Env": {"X": "1"}, "Timeout": 5}
    record = parts.intake().record(accepted.id)
    assert record is not None
    assert (record.status, record.type) == ("waiting", "t")


def test_the_same_id_twice_is_one_task(make: Make, r: R) -> None:
    parts = make()
    intake = parts.intake()

    assert intake.submit(Submission("t", ("a",), id="x")) == Accepted("x")
    assert intake.submit(Submission("t", ("b",), id="x")) == Duplicate("x", "id")

    assert r.llen(parts.q) == 1
    assert parts.observer.of(TaskRefused) == [TaskRefused("t", "id")]


def test_an_id_whose_result_is_kept_is_taken(make: Make, r: R) -> None:
    parts = make()
    intake = parts.intake()
    intake.submit(Submission("t", ("a",), id="x"))
    parts.loop.start()
    eventually(lambda: (record := intake.record("x")) and record.is_final, what="it has ended")

    assert intake.submit(Submission("t", ("a",), id="x")) == Duplicate("x", "id")

    r.delete(keys.result(parts.queue_key, "x"))
    assert intake.submit(Submission("t", ("a",), id="x")) == Accepted("x")


def test_an_id_that_is_noted_but_nowhere_is_free_again_after_a_while(make: Make, r: R) -> None:
    clock = FakeClock(0)
    clock.time = r.time()[0]
    parts = make(clock=clock)
    intake = parts.intake()
    intake.submit(Submission("t", ("a",), id="x"))
    r.delete(parts.q)

    assert intake.submit(Submission("t", ("a",), id="x")) == Duplicate("x", "id")
    clock.forward(120)
    assert intake.submit(Submission("t", ("a",), id="x")) == Accepted("x")

    assert parts.observer.of(HelperRepaired)
    assert r.llen(parts.q) == 1


def test_unique_refuses_the_like_until_the_first_has_ended(make: Make, r: R) -> None:
    parts = make(unique=Unique())
    intake = parts.intake()
    first = intake.submit(Submission("t", ("a",)))
    assert isinstance(first, Accepted)

    second = intake.submit(Submission("t", ("a",), id="y"))

    assert second == Duplicate(first.id, "unique")
    assert intake.record("y") is None
    assert isinstance(intake.submit(Submission("t", ("b",))), Accepted)
    parts.loop.start()
    eventually(lambda: len(parts.observer.of(TaskFinished)) == 2, what="both ran")
    eventually(lambda: not r.exists(keys.unique(parts.q)), what="nothing is owned")
    assert isinstance(intake.submit(Submission("t", ("a",), id="y")), Accepted)


def test_what_is_put_back_from_the_failed_list_is_unique_again_unless_its_like_is_there(make: Make, r: R) -> None:
    parts = make(unique=Unique(), failed_tasks_ttl=60)
    parts.runner.act = lambda job: FAILURE
    intake = parts.intake()
    like = Submission("t", ("a",))
    first = intake.submit(like)
    assert isinstance(first, Accepted)
    parts.loop.start()
    eventually(lambda: not r.exists(parts.running, keys.unique(parts.q)), what="it failed")
    parts.loop.stop()
    failed = FailedList(parts.links, queue_key=parts.queue_key, task_type="t", unique=parts.type.unique)

    assert failed.retry_all().done == 1
    assert intake.submit(like) == Duplicate(first.id, "unique")

    # While it failed, another one like it was taken in: both run, and that one is who counts.
    intake.cancel(first.id)
    r.rpush(keys.failed(parts.q), failed_entry(parse(b'{"Args":["a"],"Id":"late"}'), "exit status 1", b""))
    second = intake.submit(like)
    assert isinstance(second, Accepted)
    assert failed.retry_all().done == 1
    assert intake.submit(like) == Duplicate(second.id, "unique")
    assert r.llen(parts.q) == 2


def test_unique_until_start_ends_when_it_begins(make: Make, r: R) -> None:
    parts = make(unique=Unique(until="start"))
    gate = Gate()
    parts.runner.act = gate
    intake = parts.intake()
    intake.submit(Submission("t", ("a",)))
    parts.loop.start()
    eventually(lambda: parts.runner.jobs, what="it runs")

    assert isinstance(intake.submit(Submission("t", ("a",))), Accepted)
    gate.open()


def test_unique_ends_with_its_ttl(make: Make) -> None:
    parts = make(unique=Unique(ttl=0.001))
    intake = parts.intake()
    intake.submit(Submission("t", ("a",)))

    eventually(lambda: isinstance(intake.submit(Submission("t", ("a",))), Accepted), what="its time is over")


def test_a_delayed_submission_waits_elsewhere(make: Make, r: R) -> None:
    parts = make()

    accepted = parts.intake().submit(Submission("t", ("a",), delay_s=60))

    assert isinstance(accepted, Accepted)
    assert accepted.due_s is not None
    assert r.llen(parts.q) == 0
    assert r.zscore(keys.delayed(parts.q), delayed(r, parts)[0]) == accepted.due_s * 1000
    record = parts.intake().record(accepted.id)
    assert record is not None
    assert record.status == "delayed"


def test_the_record_tells_of_running_retry_and_end(make: Make, r: R) -> None:
    parts = make(retry=retry([0]))
    intake = parts.intake()
    told: list[tuple[str, int]] = []

    def act(job: object) -> Outcome:
        record = intake.record("x")
        assert record is not None
        told.append((record.status, record.attempt))
        return FAILURE if len(told) == 1 else Outcome(Verdict.SUCCESS)

    parts.runner.act = act
    intake.submit(Submission("t", ("a",), id="x"))
    scheduler = parts.scheduler()
    parts.loop.start()
    eventually(lambda: (record := intake.record("x")) and record.status == "delayed", what="it waits for its next try")
    record = intake.record("x")
    assert record is not None
    assert (record.outcome, record.error, record.exit_code) == ("failed", "exit status 3", 3)
    scheduler.look()
    scheduler.turn()
    eventually(lambda: (record := intake.record("x")) and record.is_final, what="it has ended")

    record = intake.record("x")
    assert record is not None
    assert (record.outcome, record.attempt, record.instance) == ("success", 2, "me")
    assert told == [("running", 1), ("running", 2)]
    assert 0 < r.ttl(keys.result(parts.queue_key, "x")) <= 3600
    eventually(lambda: not r.exists(keys.ids(parts.q)), what="its Id is free")


def test_result_ttl_0_keeps_nothing(make: Make, r: R) -> None:
    parts = make(result_ttl=0)
    parts.intake().submit(Submission("t", (), id="x"))
    parts.loop.start()

    eventually(lambda: parts.observer.of(TaskFinished), what="it ended")
    eventually(lambda: not r.exists(keys.result(parts.queue_key, "x")), what="nothing is known of it")


def test_cancel_takes_a_waiting_task_out(make: Make, r: R) -> None:
    parts = make()
    intake = parts.intake()
    intake.submit(Submission("t", ("a",), id="x"))

    assert intake.cancel("x") == "removed"

    assert r.llen(parts.q) == 0
    record = intake.record("x")
    assert record is not None
    assert (record.status, record.outcome) == ("finished", "cancelled")
    assert not r.exists(keys.ids(parts.q), keys.cancel(parts.queue_key, "x"))
    assert intake.cancel("x") == "ended"


def test_cancel_takes_a_delayed_task_out(make: Make, r: R) -> None:
    parts = make()
    parts.intake().submit(Submission("t", ("a",), id="x", delay_s=60))

    assert parts.intake().cancel("x") == "removed"
    assert delayed(r, parts) == []


def test_cancel_finds_what_a_producer_pushed_itself(make: Make, r: R) -> None:
    parts = make()
    r.rpush(parts.q, *[b'{"Args":["%d"]}' % number for number in range(2500)], b'{"id":"x"}')

    assert parts.intake().cancel("x") == "removed"
    assert r.llen(parts.q) == 2500


def test_cancel_of_an_unknown_task_leaves_nothing_behind(make: Make, r: R) -> None:
    parts = make()

    assert parts.intake().cancel("nobody") == "unknown"
    assert not r.exists(keys.cancel(parts.queue_key, "nobody"))


def test_a_task_that_was_cancelled_before_it_began_does_not_run(make: Make, r: R) -> None:
    parts = make(failed_tasks_ttl=60)
    r.rpush(parts.q, b'{"Id":"x"}')
    r.set(keys.cancel(parts.queue_key, "x"), 1)

    parts.loop.start()

    eventually(lambda: parts.observer.of(TaskFinished), what="it ended")
    eventually(lambda: not r.exists(parts.running), what="it is held no more")
    assert parts.observer.of(TaskStarted) == []
    assert parts.runner.jobs == []
    assert not r.exists(parts.failed_list, keys.cancel(parts.queue_key, "x"))


def test_a_running_task_is_cancelled_where_it_runs(make: Make, r: R) -> None:
    parts = make(failed_tasks_ttl=60)
    parts.runner.act = Gate()
    intake = parts.intake()
    intake.submit(Submission("t", ("a",), id="x"))
    parts.loop.start()
    eventually(lambda: parts.running_tasks.with_id("x"), what="it runs")

    assert intake.cancel("x") == "told"
    assert parts.running_tasks.cancel("x") == 1

    eventually(lambda: (record := intake.record("x")) and record.is_final, what="it ended")
    record = intake.record("x")
    assert record is not None
    assert record.outcome == "cancelled"
    assert not r.exists(parts.failed_list)


def test_the_reply_of_putting_off_lost_costs_nothing_and_doubles_nothing(make: Make, r: R, path_to: object) -> None:
    path = path_to()  # type: ignore[operator]
    parts = make(address=path.address, retry=retry([60]))
    parts.runner.act = lambda job: FAILURE
    path.swallow_reply(lambda request: b"defer" in request or b"as it is held" in request)
    r.rpush(parts.q, b'{"Args":["a"]}')

    parts.loop.start()

    eventually(lambda: path.swallowed, what="the reply was lost")
    eventually(lambda: delayed(r, parts) and not r.exists(parts.running), what="it waits, once")
    assert len(delayed(r, parts)) == 1


@pytest.mark.parametrize("at_most_once", [False, True])
def test_the_reply_of_putting_off_lost_while_another_instance_has_it_already(
    make: Make,
    r: R,
    path_to: object,
    at_most_once: bool,
) -> None:
    path = path_to()  # type: ignore[operator]
    parts = make(address=path.address, retry=retry([0]), at_most_once=at_most_once)
    other = make(name="other", at_most_once=at_most_once)
    parts.runner.act = lambda job: FAILURE
    path.swallow_reply(lambda request: b"as it is held" in request)
    r.rpush(parts.q, b'{"Args":["a"]}')

    parts.loop.start()
    eventually(lambda: path.swallowed and other.scheduler().turn() and r.llen(parts.q), what="it is due again")
    parts.loop.quiet()
    other.loop.start()
    eventually(lambda: other.observer.of(TaskFinished), what="the other one runs it")
    eventually(parts.loop.ended, what="the first one knows that it has nothing left to do")

    assert delayed(r, parts) == []
    assert r.lrange(parts.q, 0, -1) == []
    assert parts.exchange.held() == []
    assert len(other.runner.jobs) == 1


def test_a_running_list_deleted_by_hand_does_not_lose_what_is_tried_again(make: Make, r: R) -> None:
    parts = make(retry=retry([60]))

    def act(job: object) -> Outcome:
        r.delete(parts.running)
        return FAILURE

    parts.runner.act = act
    r.rpush(parts.q, b'{"Args":["a"]}')

    run_one(parts)

    eventually(lambda: len(delayed(r, parts)) == 1, what="it waits")


SIZES = schema_of({"items": {"enum": ["100", "200"]}})


def test_what_its_schema_refuses_is_kept_and_told_and_not_run(make: Make, r: R) -> None:
    parts = make(args_schema=SIZES, error_script="/error-script", retry=retry([60]))
    r.rpush(parts.q, b'{"Args":["300"],"Id":"x"}')

    run_one(parts)

    message = "Args[0]: '300' is not one of ['100', '200']"
    assert eventually(parts.caller.messages, what="it is told") == [f'/bin/true "300"\n\n{message}']
    eventually(lambda: not r.exists(parts.running), what="it is held no more")
    assert json.loads(r.lindex(parts.failed_list, 0))["ErrorMessage"] == message
    assert parts.runner.jobs == []
    record = parts.intake().record("x")
    assert record is not None
    assert (record.status, record.outcome, record.error) == ("finished", "invalid", message)


def test_intake_refuses_what_the_schema_refuses(make: Make, r: R) -> None:
    parts = make(args_schema=SIZES)

    with pytest.raises(InvalidSubmission, match="is not one of"):
        parts.intake().submit(Submission("t", ("300",)))

    assert not r.exists(parts.q)


@pytest.mark.parametrize(
    ("submission", "sentence"),
    [
        (Submission("t", env={"PATH": "x"}), "PATH may not be set"),
        (Submission("t", id="x" * 600), "Id: expected at most"),
        (Submission("t", delay_s=-1), "Delay: expected seconds, between 0"),
        (Submission("t", delay_s=float("nan")), "Delay: expected seconds, between 0"),
        (Submission("t", delay_s=1, at_s=1), "Delay and At: expected one of the two"),
        (Submission("t", at_s=1e12), "At: expected seconds, between 0"),
        (Submission("t", timeout_s=-1), "Timeout: expected seconds"),
        (Submission("t", ("x" * 1_000_001,)), "MaxEntryBytes is 1000000"),
        (Submission("t", fields={"args": 1}), "args: not a further key"),
        (Submission("t", fields={"X": object()}), "not JSON"),
        (Submission("t", ("half \ud800",)), "not JSON"),
    ],
)
def test_intake_says_what_is_wrong_and_stores_nothing(make: Make, r: R, submission: Submission, sentence: str) -> None:
    parts = make()

    with pytest.raises(InvalidSubmission, match=sentence):
        parts.intake().submit(submission)

    assert list(r.scan_iter(f"*{parts.queue_key}*")) == []


def test_intake_knows_the_types(make: Make) -> None:
    with pytest.raises(UnknownType, match="there is no task type 'x'"):
        make().intake().submit(Submission("x"))


def test_further_fields_travel_with_the_entry(make: Make, r: R) -> None:
    parts = make()

    parts.intake().submit(Submission("t", fields={"Door": {"a": [1]}}, retry=retry([1, 2])))

    entry = json.loads(r.lindex(parts.q, 0))
    assert (entry["Door"], entry["Retry"]) == ({"a": [1]}, [1, 2])


def test_many_submissions_take_one_round_trip_for_some_hundred_and_harm_no_other(make: Make, r: R) -> None:
    parts = make(unique=Unique(), args_schema=schema_of({"maxItems": 1}))
    intake = parts.intake()
    intake.submit(Submission("t", ("first",), id="x"))
    submissions = [Submission("t", (str(number),)) for number in range(450)]
    submissions[7] = Submission("t", ("7",), id="x")
    submissions[8] = Submission("t", ("too", "many"))
    submissions[9] = Submission("t", ("first",))

    received = intake.submit_many(submissions)

    assert len(received) == 450
    assert received[7] == Duplicate("x", "id")
    assert isinstance(received[8], InvalidSubmission)
    assert received[9] == Duplicate("x", "unique")
    accepted = [each.id for each in received if isinstance(each, Accepted)]
    assert len(set(accepted)) == 447
    assert [json.loads(raw)["Id"] for raw in r.lrange(parts.q, 1, -1)] == accepted
    assert len(list(r.scan_iter(f"{parts.queue_key}:result:*", count=1000))) == 448
