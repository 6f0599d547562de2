"""Bringing back what dead instances held."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis
from conftest import eventually
from engine.parts import ERROR_SCRIPT, Parts, entry, push
from engine.service_contract import stress
from fakes import FAILURE, Gate, PathToRedis

from goophry.engine import recovery as module
from goophry.events import EntriesRecovered, HelperRepaired, StoreBack, StoreLost, TaskFinished
from goophry.outcome import Verdict
from goophry.store import keys
from goophry.store.queues import MARK

pytest_plugins = ("engine.fixtures",)

Make = Callable[..., Parts]


def left_behind(parts: Parts, r: "redis.Redis[bytes]", *entries: bytes, owner: str = "dead") -> None:
    r.sadd(keys.instances(parts.q), owner)
    r.rpush(keys.running(parts.q, owner), *entries)


def beats(r: "redis.Redis[bytes]", queue_key: str, owner: str, **about: Any) -> None:
    r.set(keys.heartbeat(queue_key, owner), json.dumps(about), ex=10)


def test_what_the_dead_held_is_back_at_the_head_in_order(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    push(r, parts.q, "3")
    left_behind(parts, r, entry("1"), entry("2"))

    parts.recovery.turn()

    assert r.lrange(parts.q, 0, -1) == [MARK + entry("1"), MARK + entry("2"), entry("3")]
    assert parts.observer.of(EntriesRecovered) == [EntriesRecovered("t", "dead", 2)]
    parts.recovery.turn()
    assert len(parts.observer.of(EntriesRecovered)) == 1


def test_what_the_dead_still_run_here_is_ended_before_their_entries_wait_again(
    make: Make, r: "redis.Redis[bytes]"
) -> None:
    parts = make()
    parts.exchange.reconcile()
    left_behind(parts, r, entry("1"))

    parts.recovery.turn()

    assert parts.leftovers == [("dead", ["t"], 0)]
    assert parts.waiting() == 1
    parts.recovery.turn()
    assert len(parts.leftovers) == 1, "the dead are gone from the set"


def test_a_missing_heartbeat_means_death_only_while_beats_are_steady(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    left_behind(parts, r, entry("1"))
    parts.steady = False

    parts.recovery.turn()
    assert not r.exists(parts.q)
    parts.steady = True
    parts.recovery.turn()

    assert r.llen(parts.q) == 1


def test_who_beats_is_left_alone(make: Make, r: "redis.Redis[bytes]", queue_key: str) -> None:
    parts = make()
    left_behind(parts, r, entry("1"), owner="other")
    beats(r, queue_key, "other", Pid=7)

    parts.recovery.turn()

    assert r.lrange(keys.running(parts.q, "other"), 0, -1) == [entry("1")]


def test_who_is_known_to_be_dead_is_recovered_before_its_beat_expires(
    make: Make, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    parts = make()
    parts.steady = False
    parts.dead.add(7)
    left_behind(parts, r, entry("1"), owner="other")
    beats(r, queue_key, "other", Pid=7)

    parts.recovery.turn()

    assert r.llen(parts.q) == 1
    assert not r.exists(keys.heartbeat(queue_key, "other"))


def test_this_instance_never_recovers_itself(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    push(r, parts.q, "1")
    parts.exchange.reconcile()
    (task,) = parts.exchange.swap(want=1)

    parts.recovery.turn()

    assert parts.exchange.held() == [task]
    assert r.llen(parts.running) == 1


def test_what_was_recovered_too_often_is_lost_kept_told_and_gone(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make(error_script=ERROR_SCRIPT)
    left_behind(parts, r, MARK * 2 + entry("poison"), entry("1"))

    parts.recovery.turn()
    parts.error_scripts.stop()

    (kept,) = r.lrange(parts.failed_list, 0, -1)
    message = json.loads(kept)["ErrorMessage"]
    assert message.startswith("lost: its instance died 3 times while it was running\n\ndead at ")
    assert parts.caller.messages() == [f'/bin/true "poison"\n\n{message}']
    assert r.lrange(parts.q, 0, -1) == [MARK + entry("1")]
    assert not r.exists(parts.running)
    assert parts.exchange.clean
    (finished,) = parts.observer.of(TaskFinished)
    assert finished.outcome.verdict is Verdict.LOST


def test_an_entry_that_kills_every_instance_ends_as_lost(make: Make, r: "redis.Redis[bytes]") -> None:
    first = make()
    push(r, first.q, "poison")
    for number in range(3):
        parts = make(name=f"victim{number}")
        parts.exchange.reconcile()
        assert len(parts.exchange.swap(want=1)) == 1
        make(name=f"survivor{number}").recovery.turn()

    assert r.llen(first.failed_list) == 1
    assert not r.exists(first.q)


def test_two_that_recover_at_once_do_it_once(make: Make, r: "redis.Redis[bytes]") -> None:
    both = [make(name="a"), make(name="b")]
    left_behind(both[0], r, *(entry(str(n)) for n in range(200)))
    together = threading.Barrier(2)

    def recover(parts: Parts) -> None:
        together.wait(10)
        parts.recovery.turn()

    threads = [threading.Thread(target=recover, args=(parts,)) for parts in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert r.lrange(both[0].q, 0, -1) == [MARK + entry(str(n)) for n in range(200)]
    assert [event.entries for parts in both for event in parts.observer.of(EntriesRecovered)] == [200]


def test_a_type_that_is_now_at_most_once_still_recovers_what_it_left(make: Make, r: "redis.Redis[bytes]") -> None:
    """The recovery's exchange is of the other delivery than the loop's, as the wiring has it."""
    loop, recovering = make(at_most_once=True), make()
    left_behind(recovering, r, entry("1"), MARK * 2 + entry("poison"))

    recovering.recovery.turn()
    loop.loop.start()

    eventually(lambda: loop.ran() == ["1"])
    assert r.llen(recovering.failed_list) == 1
    assert not r.exists(recovering.running)


def test_an_instance_that_was_frozen_and_given_up_does_not_settle_what_others_run(
    make: Make, r: "redis.Redis[bytes]"
) -> None:
    frozen, other = make(workers=2, failed_tasks_ttl=100), make(name="other", workers=2)
    hold = threading.Event()

    def fail_when_thawed(job: object) -> Any:
        hold.wait(20)
        return FAILURE

    frozen.runner.act = fail_when_thawed
    push(r, frozen.q, "1", "2")
    frozen.loop.start()
    eventually(lambda: len(frozen.ran()) == 2)
    frozen.alive = False
    gate = other.runner.act = Gate()
    other.recovery.turn()
    other.loop.start()
    eventually(lambda: len(other.ran()) == 2)

    frozen.exchange.doubt()
    frozen.alive = True
    hold.set()
    eventually(lambda: len(frozen.observer.of(TaskFinished)) == 2)

    assert not r.exists(frozen.failed_list)
    assert r.llen(other.running) == 2
    assert {event.final for event in frozen.observer.of(TaskFinished)} == {False}
    gate.open()
    eventually(lambda: other.exchange.clean)
    eventually(lambda: not r.exists(frozen.q, frozen.running, other.running))
    assert len(frozen.ran() + other.ran()) == 4


def test_who_was_taken_from_the_set_of_owners_enters_again(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    parts.recovery.turn()
    assert parts.observer.events == [], "before the first reconciliation this is no news"
    parts.exchange.reconcile()
    r.delete(keys.instances(parts.q))

    parts.recovery.turn()
    parts.loop._agree()

    assert [type(event) for event in parts.observer.events] == [HelperRepaired]
    assert r.smembers(keys.instances(parts.q)) == {b"me"}


def test_the_dead_are_found_also_when_a_reconciliation_was_quicker_to_mend_the_set(
    make: Make, r: "redis.Redis[bytes]"
) -> None:
    """The set of owners is gone, the dead one with it; this instance enters itself before the recovery looks."""
    parts = make()
    parts.exchange.reconcile()
    parts.recovery.turn()
    r.rpush(keys.running(parts.q, "dead"), entry("1"))
    r.delete(keys.instances(parts.q))

    parts.exchange.reconcile()
    parts.recovery.turn()

    assert parts.observer.of(EntriesRecovered) == [EntriesRecovered("t", "dead", 1)]
    assert parts.observer.of(HelperRepaired)[0].what == "this instance missing from the set of owners"
    told = len(parts.observer.events)
    parts.recovery.turn()
    assert len(parts.observer.events) == told


def test_a_stop_lets_a_recovery_end_and_begins_no_other(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    left_behind(parts, r, entry("1"))
    parts.recovery.quiet()

    parts.recovery.turn()

    assert parts.recovery.ended()
    assert not r.exists(parts.q)


def test_while_redis_is_away_it_goes_on_looking(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    path = path_to()
    parts = make(address=path.address)
    path.cut()
    parts.recovery.start()
    eventually(lambda: parts.observer.of(StoreLost))
    left_behind(parts, r, entry("1"))

    path.mend()

    eventually(lambda: r.exists(parts.q))
    eventually(lambda: len(parts.observer.of(StoreBack)) == 1)


def test_no_fault_ends_the_looking(
    make: Make, r: "redis.Redis[bytes]", monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    parts = make()
    monkeypatch.setattr(parts.leases, "owners", lambda types: int("x"))
    parts.recovery.start()
    eventually(lambda: "The look for dead instances failed" in caplog.text)
    left_behind(parts, r, entry("1"))

    monkeypatch.undo()

    eventually(lambda: r.exists(parts.q))


def test_recovery_keeps_the_contract_of_a_service(make: Make) -> None:
    stress(lambda: make().recovery, rounds=3)
