"""The life of one entry."""

import threading
from collections.abc import Callable

import pytest
import redis
from engine.parts import Parts, entry
from fakes import FAILURE, PathToRedis

from goophry.config import Unique
from goophry.engine.task import Task
from goophry.engine.worker import RunIds, Worker
from goophry.events import EntryUnreadable, StoreLost, TaskFinished, TaskStarted
from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Job
from goophry.store.queues import MARK

pytest_plugins = ("engine.fixtures",)

Make = Callable[..., Parts]


def taken(parts: Parts, r: "redis.Redis[bytes]", raw: bytes = entry("1")) -> Task:
    """An entry in this instance's hands."""
    r.rpush(parts.q, raw)
    parts.exchange.reconcile()
    (task,) = parts.exchange.swap(want=1)
    return task


def test_a_run_is_told_from_start_to_end(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    task = taken(parts, r, b'{"Id":"x","Args":["1"]}')

    assert parts.worker().live(task)

    assert parts.observer.events == [
        TaskStarted("t", "me-1", "x", ("1",), 1, 0),
        TaskFinished("t", "me-1", "x", ("1",), Outcome(Verdict.SUCCESS), True),
    ]


def test_whoever_is_told_of_a_run_need_not_see_its_arguments(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make(log_args=False)

    assert parts.worker().live(taken(parts, r))

    assert [event.args for event in parts.observer.events] == [(), ()]
    assert [job.entry.args for job in parts.runner.jobs] == [("1",)]


def test_the_runner_learns_how_often_the_entry_was_recovered(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    task = taken(parts, r, MARK * 2 + entry("1"))

    assert parts.worker().live(task)

    (job,) = parts.runner.jobs
    assert (job.recovered, job.attempt, job.entry.args) == (2, 1, ("1",))
    assert job.interrupt is task.interrupt


@pytest.mark.parametrize(
    "raw",
    [b'{"Id":"\\ud800"}', b'{"Id":"\xff"}', b'{"Id":"x","Args":["\\ud800"]}', b'{"Id":"x","Args":["\xff"]}'],
    ids=["half a pair as Id", "a byte as Id", "half a pair", "a byte"],
)
@pytest.mark.parametrize("outcome", [FAILURE, Outcome(Verdict.SUCCESS, "\ud800")])
def test_text_that_is_none_holds_up_no_worker(
    make: Make, r: "redis.Redis[bytes]", raw: bytes, outcome: Outcome
) -> None:
    parts = make(failed_tasks_ttl=60, unique=Unique(until="start"))
    parts.runner.act = lambda job: outcome
    impatience = threading.Timer(5, parts.give_up.set)
    impatience.start()

    assert parts.worker().live(taken(parts, r, raw))
    impatience.cancel()


def test_an_unreadable_entry_is_kept_and_never_run(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()

    assert parts.worker().live(taken(parts, r, b"not json"))

    assert parts.runner.jobs == []
    assert [type(event) for event in parts.observer.events] == [EntryUnreadable]
    (kept,) = r.lrange(parts.failed_list, 0, -1)
    assert kept.startswith(b'{"Args":[],"ErrorMessage":"parseQueueTask(): not JSON')
    assert kept.endswith(b'"Entry":"not json"}')


@pytest.mark.parametrize("where", ["make", "run"])
def test_a_fault_of_the_runner_is_a_failed_task(
    make: Make, r: "redis.Redis[bytes]", caplog: pytest.LogCaptureFixture, where: str
) -> None:
    parts = make(failed_tasks_ttl=100)
    worker = parts.worker()

    def fail(job: Job | None = None) -> Outcome:
        raise OSError(24, "Too many open files")

    if where == "make":
        worker._make_runner = fail  # type: ignore[assignment]
    else:
        parts.runner.act = fail

    assert worker.live(taken(parts, r))

    assert b"goophry could not run it: OSError" in r.lrange(parts.failed_list, 0, -1)[0]
    assert "The runner failed" in caplog.text


def test_an_interrupted_task_goes_back_uncounted(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    parts.runner.act = lambda job: Outcome(Verdict.INTERRUPTED)

    assert not parts.worker().live(taken(parts, r))

    assert r.lrange(parts.q, 0, -1) == [entry("1")]
    assert parts.exchange.clean
    assert parts.observer.of(TaskFinished)[0].final is False


def test_an_interrupted_task_that_cannot_go_back_is_remembered(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis]
) -> None:
    path = path_to()
    parts = make(address=path.address)
    task = taken(parts, r)
    path.cut()
    parts.runner.act = lambda job: Outcome(Verdict.INTERRUPTED)

    assert not parts.worker().live(task)

    assert len(parts.observer.of(StoreLost)) == 1
    assert parts.exchange.in_doubt
    assert r.lrange(parts.running, 0, -1) == [entry("1")]


@pytest.mark.parametrize("outcome", [Outcome(Verdict.SUCCESS), FAILURE, Outcome(Verdict.INTERRUPTED)])
def test_nothing_is_settled_for_what_others_have_taken_over(
    make: Make, r: "redis.Redis[bytes]", outcome: Outcome
) -> None:
    parts = make(failed_tasks_ttl=100)
    task = taken(parts, r)
    task.taken = True
    parts.runner.act = lambda job: outcome

    assert not parts.worker().live(task)

    assert not r.exists(parts.q, parts.failed_list)
    assert parts.observer.of(TaskFinished)[0].final is False


def test_a_runner_serves_all_tasks_of_its_worker_and_is_closed_once(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    worker: Worker = parts.worker()
    worker.close()
    assert parts.runner.closed == 0

    for _ in range(3):
        worker.live(taken(parts, r))
    worker.close()
    worker.close()

    assert len(parts.runner.jobs) == 3
    assert parts.runner.closed == 1


def test_run_ids_are_never_used_twice() -> None:
    next_run_id = RunIds("me")

    assert [next_run_id() for _ in range(3)] == ["me-1", "me-2", "me-3"]
