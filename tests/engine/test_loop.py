"""The loop: a slot first, then an entry; nothing lost at a stop, nothing stuck after trouble."""

import threading
from collections.abc import Callable

import pytest
import redis
from conftest import RedisServer as OwnServer
from conftest import eventually
from engine.parts import Parts, entry, push
from engine.service_contract import stress
from fakes import FAILURE, FakeClock, Gate, PathToRedis

from goophry.engine.holds import Hold
from goophry.engine.loop import POP_S, SECOND_LOOK_S, STUCK_S
from goophry.errors import StartError, StoreFull
from goophry.events import HelperRepaired, StoreBack, StoreLost, TaskFinished, TaskPopped, TasksTaken
from goophry.outcome import Verdict
from goophry.rate import RateLimit
from goophry.store import keys
from goophry.store.limited import LimitedAtLeastOnce
from goophry.store.queues import AtLeastOnce

pytest_plugins = ("engine.fixtures",)

Make = Callable[..., Parts]


def settled(parts: Parts, r: "redis.Redis[bytes]") -> bool:
    return parts.exchange.clean and not r.exists(parts.q, parts.running)


@pytest.mark.parametrize("at_most_once", [False, True])
@pytest.mark.parametrize("workers", [1, 5])
def test_entries_are_run_in_order_and_leave_nothing(
    make: Make, r: "redis.Redis[bytes]", workers: int, at_most_once: bool
) -> None:
    parts = make(workers=workers, at_most_once=at_most_once)
    push(r, parts.q, *map(str, range(100)))

    parts.loop.start()
    eventually(lambda: len(parts.ran()) == 100)
    push(r, parts.q, "last")
    eventually(lambda: "last" in parts.ran())
    eventually(lambda: settled(parts, r))

    if workers == 1:
        assert parts.ran() == [*map(str, range(100)), "last"]
    assert sorted(parts.ran()) == sorted([*map(str, range(100)), "last"])
    popped = [event.raw for event in parts.observer.of(TaskPopped)]
    assert sorted(popped) == sorted(entry(arg) for arg in parts.ran())
    assert len(parts.observer.of(TaskFinished)) == 101


@pytest.mark.parametrize("at_most_once", [False, True])
def test_nothing_is_popped_while_all_workers_are_busy(make: Make, r: "redis.Redis[bytes]", at_most_once: bool) -> None:
    parts = make(workers=2, at_most_once=at_most_once)
    gate = parts.runner.act = Gate()
    push(r, parts.q, *"12345")

    parts.loop.start()
    eventually(lambda: len(parts.ran()) == 2)
    eventually(lambda: parts.loop._slots._changed._waiters)

    assert r.llen(parts.q) == 3
    gate.open()
    eventually(lambda: len(parts.ran()) == 5)


def test_a_stop_while_blocked_takes_less_than_the_pop(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    parts.loop.start()
    eventually(lambda: parts.exchange.popping)

    stopping = threading.Thread(target=parts.loop.stop)
    stopping.start()
    stopping.join(2)

    assert not stopping.is_alive()


def test_a_user_who_may_not_unblock_pops_for_a_second_at_a_time(
    own_redis: Callable[..., OwnServer], make: Make
) -> None:
    server = own_redis()
    with server.client() as r:
        r.execute_command("ACL", "SETUSER", "default", "-client")
        parts = make(address=server.address)
        parts.loop.start()
        push(r, parts.q, "1")

        eventually(lambda: parts.ran() == ["1"])
        eventually(lambda: parts.exchange.popping)
        stopping = threading.Thread(target=parts.loop.stop)
        stopping.start()
        stopping.join(4)

        assert not stopping.is_alive()


def test_quiet_lets_run_what_runs_and_leaves_the_rest(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make(workers=1)
    gate = parts.runner.act = Gate()
    push(r, parts.q, "1", "2")
    parts.loop.start()
    eventually(lambda: parts.ran() == ["1"])

    parts.loop.quiet()
    assert not parts.loop.ended()
    gate.open()
    eventually(parts.loop.ended)

    assert parts.ran() == ["1"]
    assert r.lrange(parts.q, 0, -1) == [entry("2")]
    assert not r.exists(parts.running)


@pytest.mark.parametrize("at_most_once", [False, True])
def test_stopped_at_any_moment_under_load_what_ran_and_what_is_left_is_what_was_pushed(
    make: Make, r: "redis.Redis[bytes]", at_most_once: bool
) -> None:
    for number in range(12):
        parts = make(name=f"me{number}", workers=4, at_most_once=at_most_once)
        r.delete(parts.q)
        pushed = [f"{number}-{n}" for n in range(number * 40)]
        parts.loop.start()
        for arg in pushed:
            push(r, parts.q, arg)
        if number % 2:
            parts.loop.quiet()
            parts.loop.interrupt(grace_s=0)
        parts.loop.stop()
        assert parts.loop.settle_rest()

        left = [raw.decode() for raw in r.lrange(parts.q, 0, -1)]
        done = [event.args[0] for event in parts.observer.of(TaskFinished) if event.final]
        assert sorted([entry(arg).decode() for arg in done] + left) == sorted(entry(arg).decode() for arg in pushed)
        assert not r.exists(parts.running)


def test_interrupted_runs_go_back_to_the_head_in_order(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make(workers=3)
    parts.runner.act = Gate()
    push(r, parts.q, *"12345")
    parts.loop.start()
    eventually(lambda: len(parts.ran()) == 3)

    parts.loop.quiet()
    parts.loop.interrupt(grace_s=0)
    parts.loop.stop()

    assert sorted(r.lrange(parts.q, 0, 2)) == [entry("1"), entry("2"), entry("3")]
    assert r.lrange(parts.q, 3, -1) == [entry("4"), entry("5")]
    assert {event.final for event in parts.observer.of(TaskFinished)} == {False}


def test_what_is_popped_after_the_interrupt_is_interrupted_too(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    parts.runner.act = Gate()
    parts.loop.start()
    eventually(lambda: parts.exchange.popping)

    parts.loop.interrupt(grace_s=0)
    push(r, parts.q, "1")
    eventually(lambda: parts.observer.of(TaskFinished))
    parts.loop.quiet()

    assert parts.observer.of(TaskFinished)[0].outcome.verdict is Verdict.INTERRUPTED


def test_a_failure_of_goophrys_own_does_not_end_the_loop(
    make: Make, r: "redis.Redis[bytes]", monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    parts = make()
    monkeypatch.setattr(parts.loop, "_agree", lambda: int("x"))
    parts.loop.start()
    eventually(lambda: "The loop failed and goes on" in caplog.text)

    monkeypatch.undo()
    push(r, parts.q, "1")

    eventually(lambda: parts.ran() == ["1"])
    assert parts.loop.problem() is None


@pytest.mark.parametrize("at_most_once", [False, True])
def test_when_no_thread_can_be_had_entries_go_back_in_order_and_slots_stay(
    make: Make, r: "redis.Redis[bytes]", monkeypatch: pytest.MonkeyPatch, at_most_once: bool
) -> None:
    parts = make(workers=4, at_most_once=at_most_once)
    gate = parts.runner.act = Gate()
    refused = threading.Event()
    hand_over = parts.loop._crew.hand_over

    def refuse(task: object) -> None:
        if task.text != entry("1"):  # type: ignore[attr-defined]
            refused.set()
            raise RuntimeError("can't start new thread")
        hand_over(task)  # type: ignore[arg-type]

    monkeypatch.setattr(parts.loop._crew, "hand_over", refuse)
    push(r, parts.q, *"1234")
    parts.loop.start()
    assert refused.wait(10)
    parts.loop.quiet()
    gate.open()
    eventually(parts.loop.ended)

    assert parts.ran() == ["1"]
    assert r.lrange(parts.q, 0, -1) == [entry("2"), entry("3"), entry("4")]
    assert parts.loop._slots._free == 4


def test_an_outage_is_told_twice_and_nothing_is_lost(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis]
) -> None:
    path = path_to()
    parts = make(workers=2, address=path.address)
    gate = parts.runner.act = Gate()
    push(r, parts.q, *"123456")
    parts.loop.start()
    eventually(lambda: len(parts.ran()) == 2)

    path.cut()
    gate.open()
    eventually(lambda: parts.observer.of(StoreLost))
    push(r, parts.q, "7")
    path.mend()
    eventually(lambda: len(parts.ran()) == 7)
    eventually(lambda: settled(parts, r))

    assert sorted(parts.ran()) == list("1234567")
    assert len(parts.observer.of(StoreLost)) == len(parts.observer.of(StoreBack)) == 1


def test_a_late_pop_of_a_broken_connection_is_found_by_the_second_look(make: Make, r: "redis.Redis[bytes]") -> None:
    clock = FakeClock()
    parts = make(clock=clock)
    parts.exchange.reconcile()
    parts.loop._agree()
    r.rpush(parts.running, entry("late"))

    clock.forward(SECOND_LOOK_S - 1)
    parts.loop._agree()
    assert r.lrange(parts.running, 0, -1) == [entry("late")]
    clock.forward(2)
    parts.loop._agree()

    assert r.lrange(parts.q, 0, -1) == [entry("late")]
    assert [event.what for event in parts.observer.of(HelperRepaired)] == ["1 entries that nobody held, put back"]
    clock.forward(SECOND_LOOK_S + 1)
    before = parts.exchange._steps
    parts.loop._agree()
    assert parts.exchange._steps == before, "there is no third look"


def test_a_run_that_others_took_over_is_ended_also_while_all_workers_are_busy(
    make: Make, r: "redis.Redis[bytes]"
) -> None:
    frozen, other = make(workers=1), make(name="other")
    frozen.runner.act = Gate()
    push(r, frozen.q, "1")
    frozen.loop.start()
    eventually(lambda: frozen.ran() == ["1"])
    frozen.loop.quiet()
    eventually(lambda: not frozen.loop._thread.alive())
    other.exchange.recover(other.leases, "me", task_type="t", max_recoveries=3)

    frozen.exchange.doubt()
    frozen.loop._agree()
    eventually(lambda: frozen.observer.of(TaskFinished))

    assert [event.tasks for event in frozen.observer.of(TasksTaken)] == [1]
    assert not frozen.observer.of(TaskFinished)[0].final
    assert r.llen(frozen.q) == 1, "it is put back once, by the one who took it over"


def test_a_doubt_is_settled_while_every_worker_is_busy(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make(workers=1)
    parts.runner.act = Gate()
    push(r, parts.q, "1")
    parts.loop.start()
    eventually(lambda: parts.ran() == ["1"])
    r.delete(parts.running)

    parts.loop.doubt()

    eventually(lambda: r.lrange(parts.running, 0, -1) == [entry("1")])


def test_a_loop_whose_workers_are_all_busy_waits_no_longer_than_until_the_second_look(make: Make) -> None:
    clock = FakeClock()
    parts = make(clock=clock)
    parts.loop._agree()
    assert parts.loop._patience_s() == POP_S
    parts.exchange.doubt()
    parts.loop._agree()

    assert parts.loop._patience_s() == POP_S
    clock.forward(SECOND_LOOK_S - 1)
    assert parts.loop._patience_s() == 1
    clock.forward(2)
    assert parts.loop._patience_s() == 0
    parts.loop._agree()
    assert parts.loop._patience_s() == POP_S


def test_an_instance_that_counts_as_dead_takes_nothing(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    parts.alive = False
    push(r, parts.q, "1")
    parts.loop.start()
    before = parts.loop._last_turn
    eventually(lambda: parts.loop._last_turn > before + 0.2)
    assert parts.ran() == []

    parts.alive = True

    eventually(lambda: parts.ran() == ["1"])


def test_a_failed_task_leaves_the_running_list_too(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make(failed_tasks_ttl=100)
    parts.runner.act = lambda job: FAILURE
    push(r, parts.q, "1")

    parts.loop.start()

    eventually(lambda: settled(parts, r) and parts.ran() == ["1"])
    assert r.lrange(keys.failed(parts.q), 0, -1) == [b'{"Args":["1"],"ErrorMessage":"exit status 3"}']


def test_a_loop_tells_what_is_wrong_with_it(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    parts = make(clock=clock)
    assert parts.loop.problem() is None
    parts.loop.start()
    eventually(lambda: parts.exchange.popping)
    assert parts.loop.problem() is None

    clock.forward(STUCK_S + 1)
    assert parts.loop.problem() == "t: no turn for 61 s"
    monkeypatch.setattr(parts.loop._thread, "alive", lambda: False)
    assert parts.loop.problem() == "t: the loop has died"
    parts.loop.quiet()
    assert parts.loop.problem() is None
    monkeypatch.undo()


def test_a_loop_starts_once(make: Make) -> None:
    parts = make()
    parts.loop.stop()

    with pytest.raises(StartError):
        parts.loop.start()


def test_a_loop_keeps_the_contract_of_a_service(make: Make) -> None:
    stress(lambda: make().loop, rounds=2)


@pytest.mark.parametrize("at_most_once", [False, True])
def test_a_held_loop_takes_nothing_and_goes_on_when_it_is_let_go(
    make: Make, r: "redis.Redis[bytes]", at_most_once: bool
) -> None:
    parts = make(workers=2, at_most_once=at_most_once)
    gate = parts.runner.act = Gate()
    push(r, parts.q, *"12345")
    parts.loop.start()
    eventually(lambda: len(parts.ran()) == 2)

    parts.loop.hold(Hold.PAUSED)
    parts.loop.hold(Hold.QUIET)
    gate.open()
    eventually(lambda: parts.exchange.clean)
    parts.loop.let_go(Hold.PAUSED)
    before = parts.loop._last_turn
    eventually(lambda: parts.loop._last_turn > before)
    assert len(parts.ran()) == 2
    assert r.lrange(parts.q, 0, -1) == [entry(arg) for arg in "345"]
    parts.loop.let_go(Hold.QUIET)

    eventually(lambda: len(parts.ran()) == 5)


@pytest.mark.parametrize("at_most_once", [False, True])
def test_held_at_any_moment_entries_keep_their_order_and_run_once(
    make: Make, r: "redis.Redis[bytes]", at_most_once: bool
) -> None:
    parts = make(workers=1, at_most_once=at_most_once)
    parts.loop.start()
    pushed = [str(number) for number in range(400)]
    for number, arg in enumerate(pushed):
        push(r, parts.q, arg)
        if number % 3 == 0:
            parts.loop.hold(Hold.PAUSED)
        if number % 3 == 1:
            parts.loop.let_go(Hold.PAUSED)
    parts.loop.let_go(Hold.PAUSED)

    eventually(lambda: len(parts.ran()) >= len(pushed))
    eventually(lambda: settled(parts, r))
    assert parts.ran() == pushed


def test_what_cannot_be_put_back_is_run_rather_than_lost(
    make: Make, r: "redis.Redis[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = make(at_most_once=True)

    def full(*_: object) -> None:
        raise StoreFull("Redis is at its maxmemory")

    monkeypatch.setattr(parts.exchange.queue, "requeue", full)
    parts.loop.start()
    eventually(lambda: parts.exchange.popping)
    parts.loop._holds._reasons = frozenset({Hold.PAUSED})  # and nobody wakes it

    push(r, parts.q, "1")

    eventually(lambda: parts.ran() == ["1"])


def test_a_held_loop_agrees_with_redis_all_the_same(make: Make, r: "redis.Redis[bytes]") -> None:
    frozen, other = make(workers=1), make(name="other")
    frozen.runner.act = Gate()
    push(r, frozen.q, "1")
    frozen.loop.start()
    eventually(lambda: frozen.ran() == ["1"])
    frozen.loop.hold(Hold.QUIET)
    other.exchange.recover(other.leases, "me", task_type="t", max_recoveries=3)

    frozen.exchange.doubt()
    frozen.loop._holds.wake()

    eventually(lambda: frozen.observer.of(TaskFinished))
    assert [event.tasks for event in frozen.observer.of(TasksTaken)] == [1]
    assert frozen.loop.problem() is None


@pytest.mark.parametrize("at_most_once", [False, True])
def test_a_limited_loop_takes_as_many_as_the_limit_says_and_holds_nothing_while_it_waits(
    make: Make, r: "redis.Redis[bytes]", at_most_once: bool
) -> None:
    parts = make(workers=4, rate=RateLimit(2, 3600), at_most_once=at_most_once)
    push(r, parts.q, *"12345")
    parts.loop.start()

    eventually(lambda: len(parts.ran()) == 2)
    eventually(lambda: parts.exchange.queue.limited_s and parts.exchange.clean and parts.loop._slots._free == 4)
    assert r.lrange(parts.q, 0, -1) == [entry(arg) for arg in "345"]
    assert not r.exists(parts.running)


@pytest.mark.parametrize("at_most_once", [False, True])
def test_a_limited_loop_goes_on_when_the_limit_allows_it(
    make: Make, r: "redis.Redis[bytes]", at_most_once: bool
) -> None:
    parts = make(workers=4, rate=RateLimit(3, 1), at_most_once=at_most_once)
    push(r, parts.q, *"12345")

    parts.loop.start()

    eventually(lambda: len(parts.ran()) == 5)
    eventually(lambda: settled(parts, r))
    assert sorted(parts.ran()) == list("12345")


def test_a_wait_for_the_limit_ends_with_a_hold_a_change_and_a_stop(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make(rate=RateLimit(1, 3600))
    push(r, parts.q, *"123")
    parts.loop.start()

    def waits() -> bool:
        return parts.ran() == ["1"] and bool(parts.exchange.queue.limited_s) and not parts.exchange.popping

    for act in (
        lambda: parts.loop.hold(Hold.PAUSED),
        lambda: parts.loop.let_go(Hold.PAUSED),
        lambda: parts.loop.change(workers=2, make_worker=None),
    ):
        eventually(waits)
        turn = parts.loop._last_turn
        act()
        eventually(lambda turn=turn: parts.loop._last_turn > turn, within=3)
    parts.exchange.use(AtLeastOnce(queue_key=parts.queue_key, task_type="t", instance="me"))
    parts.loop.change(workers=1, make_worker=None)
    eventually(lambda: parts.ran() == ["1", "2", "3"], within=3)
    parts.exchange.use(LimitedAtLeastOnce(RateLimit(1, 3600), queue_key=parts.queue_key, task_type="t", instance="me"))
    push(r, parts.q, "4", "5")
    stopping = threading.Thread(target=parts.loop.stop)
    stopping.start()
    stopping.join(3)

    assert not stopping.is_alive()


def test_an_idle_limited_loop_blocks_and_looks_seldom(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis]
) -> None:
    path = path_to()
    parts = make(address=path.address, rate=RateLimit(100, 1))
    parts.loop.start()
    eventually(lambda: parts.exchange.popping)
    eventually(lambda: any(client["cmd"] == "blmove" for client in r.client_list()))
    before = path.requests
    threading.Event().wait(0.3)
    assert path.requests == before

    push(r, parts.q, "1")

    eventually(lambda: parts.ran() == ["1"])
