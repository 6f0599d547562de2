"""What a failure entails."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from conftest import eventually
from engine.parts import ERROR_SCRIPT, Parts, entry
from fakes import FAILURE, PathToRedis

from goophry.engine.task import Task
from goophry.entry import parse
from goophry.events import StoreBack, StoreLost
from goophry.runners.base import Job
from goophry.store import keys
from goophry.store.queues import MARK

pytest_plugins = ("engine.fixtures",)

Make = Callable[..., Parts]


def held(parts: Parts, r: "redis.Redis[bytes]", raw: bytes = entry("1")) -> Task:
    r.rpush(parts.q, raw)
    parts.exchange.reconcile()
    (task,) = parts.exchange.swap(want=1)
    return task


def failed(parts: Parts, task: Task) -> bool:
    return parts.failures.failed(task, Job(parse(task.text), "me-1"), FAILURE)


def test_a_failed_task_is_kept_before_it_is_acknowledged(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make(failed_tasks_ttl=100)
    task = held(parts, r)

    assert failed(parts, task)

    assert r.lrange(parts.failed_list, 0, -1) == [b'{"Args":["1"],"ErrorMessage":"exit status 3"}']
    assert 90 < r.ttl(parts.failed_list) <= 100
    assert r.lrange(parts.running, 0, -1) == [entry("1")], "acknowledged by whoever called"


def test_without_a_ttl_a_failed_task_is_told_but_not_kept(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make(error_script=ERROR_SCRIPT)

    assert failed(parts, held(parts, r))
    parts.error_scripts.stop()

    assert not r.exists(parts.failed_list)
    assert parts.caller.messages() == ['/bin/true "1"\n\nexit status 3']


def test_what_was_never_run_is_kept_even_so(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()

    assert parts.failures.unreadable(held(parts, r, b"\xff"), "why")

    assert r.llen(parts.failed_list) == 1
    assert r.ttl(parts.failed_list) == -1


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'{"Args":["a","b c"]}', '/bin/true "a" "b c"\n\nexit status 3'),
        (b"{}", '/bin/true ""\n\nexit status 3'),
    ],
)
def test_the_error_script_is_told_the_call_and_the_message(
    make: Make, r: "redis.Redis[bytes]", raw: bytes, message: str
) -> None:
    parts = make(error_script=ERROR_SCRIPT)

    failed(parts, held(parts, r, raw))
    parts.error_scripts.stop()

    path, notice = parts.caller.told.get_nowait()
    assert path == Path("/error-script")
    assert notice.message == message
    assert (notice.type, notice.run_id, notice.attempt, notice.outcome) == ("t", "me-1", 1, "failed")


def test_the_error_script_is_told_of_unreadable_entries(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make(error_script=ERROR_SCRIPT)

    parts.failures.unreadable(held(parts, r, b"x"), "not JSON: …")
    parts.error_scripts.stop()

    assert parts.caller.messages() == ["parseQueueTask(): not JSON: …"]


@pytest.mark.parametrize("text", [b'{"Args":["1"]}', b"not json"])
def test_a_lost_entry_is_kept_without_its_marks(make: Make, r: "redis.Redis[bytes]", text: bytes) -> None:
    parts = make(error_script=ERROR_SCRIPT)
    task = held(parts, r, MARK * 2 + text)

    assert parts.failures.lost(task, "lost: so often")
    parts.error_scripts.stop()

    (kept,) = r.lrange(parts.failed_list, 0, -1)
    assert b'"ErrorMessage":"lost: so often"' in kept
    assert MARK not in kept
    assert parts.caller.messages()[0].endswith("\n\nlost: so often")


def test_a_failed_list_that_is_none_is_left_alone_and_the_entry_kept_aside(
    make: Make, r: "redis.Redis[bytes]", caplog: pytest.LogCaptureFixture
) -> None:
    parts = make(failed_tasks_ttl=100)
    r.set(parts.failed_list, "somebody's")

    assert failed(parts, held(parts, r))

    assert r.get(parts.failed_list) == b"somebody's"
    kept = b'{"Args":["1"],"ErrorMessage":"exit status 3"}'
    aside = keys.failed_aside(parts.q)
    assert r.lrange(aside, 0, -1) == [kept]
    assert 0 < r.ttl(aside) <= 100
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.__dict__["key"] == parts.failed_list

    r.delete(aside)
    r.set(aside, "somebody's too")
    assert failed(parts, held(parts, r))
    assert caplog.records[-1].__dict__["entry"] == kept


def test_while_redis_is_away_it_insists_and_writes_when_it_is_back(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis]
) -> None:
    path = path_to()
    parts = make(address=path.address, failed_tasks_ttl=100)
    task = held(parts, r)
    path.cut()
    found: list[bool] = []
    failing = threading.Thread(target=lambda: found.append(failed(parts, task)))
    failing.start()
    eventually(lambda: parts.observer.of(StoreLost))
    assert failing.is_alive()

    path.mend()
    failing.join(10)

    assert found == [True]
    assert r.llen(parts.failed_list) == 1
    assert len(parts.observer.of(StoreLost)) == len(parts.observer.of(StoreBack)) == 1


@pytest.mark.parametrize("why", ["give up", "taken"])
def test_it_insists_no_longer_than_it_makes_sense(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis], why: str
) -> None:
    path = path_to()
    parts = make(address=path.address, failed_tasks_ttl=100, error_script=ERROR_SCRIPT)
    task = held(parts, r)
    path.cut()
    found: list[bool] = []
    failing = threading.Thread(target=lambda: found.append(failed(parts, task)))
    failing.start()
    eventually(lambda: parts.observer.of(StoreLost))

    if why == "give up":
        parts.give_up.set()
    else:
        task.taken = True
    failing.join(10)
    parts.error_scripts.stop()

    assert found == [False]
    assert parts.caller.messages() == []
    assert r.lrange(parts.running, 0, -1) == [entry("1")]


def test_what_others_took_over_meanwhile_is_not_kept_here(make: Make, r: "redis.Redis[bytes]") -> None:
    frozen, other = make(failed_tasks_ttl=100, error_script=ERROR_SCRIPT), make(name="other")
    task = held(frozen, r)
    other.leases.recover("t", "me", max_recoveries=3)
    frozen.exchange.doubt()

    assert not failed(frozen, task)
    frozen.error_scripts.stop()

    assert not r.exists(frozen.failed_list)
    assert frozen.caller.messages() == []
