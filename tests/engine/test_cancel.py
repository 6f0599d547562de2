"""Cancelling a task that is just about to move, begin or end, or whose Id had another task before."""

from collections.abc import Callable

import pytest
from conftest import eventually
from engine.parts import Parts
from fakes import FAILURE, Gate

from goophry.engine import intake as intake_module
from goophry.events import TaskFinished
from goophry.store import keys
from goophry.store.delayed import Delayed
from goophry.store.failed import FailedList
from goophry.store.records import Records
from goophry.store.tasks import Tasks
from goophry.submission import Submission

pytest_plugins = ("engine.fixtures",)

Make = Callable[..., Parts]
R = "redis.Redis[bytes]"


def is_final(parts: Parts, entry_id: str = "x") -> bool:
    record = parts.records.read(entry_id)
    return record is not None and record.is_final


@pytest.mark.parametrize("result_ttl", [60, 0])
def test_a_task_that_ends_meanwhile_leaves_no_wish_to_end_the_next_one(
    make: Make, r: R, monkeypatch: pytest.MonkeyPatch, result_ttl: int
) -> None:
    parts = make(result_ttl=result_ttl)
    parts.runner.act = gate = Gate()
    intake = parts.intake()
    intake.submit(Submission("t", ("a",), id="x"))
    parts.loop.start()
    eventually(lambda: parts.running_tasks.with_id("x"), what="it runs")
    wish = Records.wish_cancelled

    def wish_after_its_end(records: Records, entry_id: str) -> None:
        gate.open()
        eventually(lambda: not r.exists(parts.running), what="it has ended")
        wish(records, entry_id)

    monkeypatch.setattr(intake_module.Records, "wish_cancelled", wish_after_its_end)

    assert intake.cancel("x") == "ended"
    assert not r.exists(keys.cancel(parts.queue_key, "x"))


def test_who_cancels_what_is_ended_before_it_is_looked_for_hears_that_it_was_told(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = make()
    parts.runner.act = Gate()
    intake = parts.intake()
    intake.submit(Submission("t", ("a",), id="x"))
    parts.loop.start()
    eventually(lambda: parts.running_tasks.with_id("x"), what="it runs")
    look = Tasks.find

    def look_late(tasks: Tasks, task_type: str, entry_id: str) -> object:
        parts.running_tasks.cancel(entry_id)  # as the instance does when it hears of it
        eventually(lambda: is_final(parts) and not tasks.types_of("x", ["t"]), what="it has ended")
        return look(tasks, task_type, entry_id)

    monkeypatch.setattr(Tasks, "find", look_late)

    assert intake.cancel("x") == "told"
    assert intake.cancel("x") == "ended"


def test_what_was_put_back_after_it_had_failed_can_be_cancelled(make: Make, r: R) -> None:
    parts = make(failed_tasks_ttl=60)
    parts.runner.act = lambda job: FAILURE
    intake = parts.intake()
    intake.submit(Submission("t", ("a",), id="x"))
    parts.loop.start()
    eventually(lambda: is_final(parts) and not r.exists(parts.running), what="it failed")
    parts.loop.stop()
    FailedList(parts.links, queue_key=parts.queue_key, task_type="t").retry_all()
    record = intake.record("x")
    assert record is not None
    assert record.status == "waiting", "how it ended before is no news of the run to come"

    assert intake.cancel("x") == "removed"
    assert r.llen(parts.q) == 0


def test_what_has_an_id_and_is_no_task_all_the_same_can_be_cancelled(make: Make, r: R) -> None:
    parts = make()
    r.rpush(parts.q, b'{"Id":"x","Timeout":-1}')

    assert parts.intake().cancel("x") == "removed"
    assert r.llen(parts.q) == 0
    assert not r.exists(keys.cancel(parts.queue_key, "x"))


def test_who_cancels_just_after_the_look_for_a_wish_is_heard(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = make()
    parts.runner.act = Gate()
    intake = parts.intake()
    intake.submit(Submission("t", ("a",), id="x"))
    begin = parts.ledger.begin

    def begin_and_be_cancelled(task: object, job: object) -> object:
        beginning = begin(task, job)  # type: ignore[arg-type]
        assert intake.cancel("x") == "told"
        assert parts.running_tasks.cancel("x") == 1
        return beginning

    monkeypatch.setattr(parts.ledger, "begin", begin_and_be_cancelled)
    parts.loop.start()

    eventually(lambda: parts.observer.of(TaskFinished), what="it ended")
    (finished,) = parts.observer.of(TaskFinished)
    assert finished.outcome.verdict == "cancelled"


def test_who_waits_for_what_is_taken_out_of_the_delayed_set_hears_of_it(make: Make, r: R) -> None:
    parts = make()
    intake = parts.intake()
    intake.submit(Submission("t", ("a",), id="x", delay_s=60))
    delayed = Delayed(parts.links, queue_key=parts.queue_key, take_out=intake.remove)
    (entry,) = delayed.page(["t"]).entries

    assert delayed.remove("t", entry.key) == entry

    record = parts.records.read("x")
    assert record is not None
    assert (record.status, record.outcome) == ("finished", "cancelled")
    assert not r.exists(keys.ids(parts.q))
