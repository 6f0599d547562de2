"""Types that come, change and go while an instance runs: nothing lost, nothing twice, nothing interrupted."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from conftest import eventually
from engine.parts import entry, push
from engine.service_contract import stress
from fakes import (
    FAILURE,
    Gate,
    PathToRedis,
    RecordingErrorScript,
    RecordingObserver,
    ScriptedRunner,
    settings_for,
    task_type,
)

from goophry.clock import SystemClock
from goophry.config import TaskType
from goophry.engine import loop as loop_module
from goophry.engine.error_scripts import ErrorScripts
from goophry.engine.ledger import no_endings
from goophry.engine.running import RunningTasks
from goophry.engine.types import Served, Types
from goophry.engine.worker import RunIds
from goophry.errors import StartError
from goophry.events import TaskFinished, TypeChanged
from goophry.outcome import Outcome
from goophry.runners.base import Job
from goophry.runners.guardian import Guardian
from goophry.runners.live import LivePids
from goophry.store import keys
from goophry.store.client import LinkPool, RedisServer
from goophry.store.leases import Leases
from goophry.store.records import Records
from goophry.store.tasks import Tasks
from goophry.wiring.types import TypeFactory


class Instance:
    """The types of one instance, wired as in the real program, with a runner of the test's for each definition."""

    def __init__(self, address: str, queue_key: str, name: str) -> None:
        self.queue_key, self.name = queue_key, name
        self.alive = True
        self.observer = RecordingObserver()
        self.settings = settings_for(address, queue_key)
        self.server = RedisServer(self.settings)
        self.links = LinkPool(self.server)
        self.leases = Leases(self.links, queue_key=queue_key, instance=name)
        self.runners: dict[str, ScriptedRunner] = {}
        self.error_scripts = ErrorScripts(RecordingErrorScript(), observer=self.observer, clock=SystemClock())
        factory = TypeFactory(
            settings=lambda: self.settings,
            server=self.server,
            links=self.links,
            instance=name,
            environ={},
            alive=lambda: self.alive,
            live=LivePids(),
            guardian=Guardian(LivePids()),
            error_scripts=self.error_scripts,
            give_up=threading.Event(),
            next_run_id=RunIds(name),
            tasks=Tasks(self.links, queue_key=queue_key),
            records=Records(self.links, queue_key=queue_key),
            running=RunningTasks(clock=SystemClock()),
            endings=no_endings,
            observer=self.observer,
            clock=SystemClock(),
        )
        self.types = Types(factory, self.leases, observer=self.observer)

    def runner(self, program: str) -> ScriptedRunner:
        """Return what runs the types whose Script is `program`."""
        return self.runners.setdefault(program, ScriptedRunner())

    def q(self, name: str) -> str:
        return keys.queue(self.queue_key, name)

    def ran(self, program: str) -> list[str]:
        return [job.entry.args[0] for job in list(self.runner(program).jobs)]

    def changes(self, name: str) -> list[str]:
        return [event.change for event in self.observer.of(TypeChanged) if event.type == name]

    def close(self) -> None:
        self.types.finish()
        for loop in self.types.loops():
            loop.interrupt(grace_s=0)
        self.types.stop()
        for loop in self.types.loops():
            loop.close()
        self.error_scripts.stop()
        self.links.close()


@pytest.fixture
def make(redis_address: str, queue_key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Instance]]:
    made: list[Instance] = []

    def make_one(name: str = "me", *, address: str = "") -> Instance:
        made.append(Instance(address or redis_address, queue_key, name))
        return made[-1]

    def factory(definition: TaskType, *, instance_id: str, **_: Any) -> Callable[[], ScriptedRunner]:
        instance = next(each for each in made if each.name == instance_id)
        return lambda: instance.runner(definition.script[0])

    monkeypatch.setattr("goophry.wiring.types.runner_factory", factory)
    yield make_one
    for instance in made:
        instance.close()


Make = Callable[..., Instance]


def define(name: str, program: str = "p", **fields: Any) -> TaskType:
    return task_type(name, script=(program,), **fields)


def test_a_type_that_is_added_is_served_and_one_that_is_removed_leaves_what_waits(
    make: Make, r: "redis.Redis[bytes]"
) -> None:
    one = make()
    one.types.start()
    push(r, one.q("a"), "1")

    one.types.add(define("a"))
    eventually(lambda: one.ran("p") == ["1"])
    assert list(one.types.serving()) == ["a"]
    one.types.remove("a")
    assert not one.types.serving()
    push(r, one.q("a"), "2")
    eventually(lambda: not one.types.all(), within=40)

    assert one.ran("p") == ["1"]
    assert r.lrange(one.q("a"), 0, -1) == [entry("2")]
    eventually(lambda: not list(r.scan_iter(f"{{{one.q('a')}}}:*")), what="it has signed off")
    eventually(lambda: one.changes("a") == ["added", "removed", "drained"], what="it is told of")
    eventually(
        lambda: (
            not [thread for thread in threading.enumerate() if thread.name.startswith(("goophry-a", "goophry-leaving"))]
        )
    )


def test_what_runs_when_its_type_is_removed_is_finished_and_settled(make: Make, r: "redis.Redis[bytes]") -> None:
    one = make()
    one.types.start()
    gate = one.runner("p").act = Gate(FAILURE)
    one.types.add(define("a", failed_tasks_ttl=100))
    push(r, one.q("a"), "1", "2")
    eventually(lambda: one.ran("p") == ["1"])

    one.types.remove("a")
    assert list(one.types.all()) == ["a"], "as long as it holds something, it is looked after"
    gate.open()
    eventually(lambda: not one.types.all(), within=40)

    assert one.ran("p") == ["1"]
    assert r.llen(keys.failed(one.q("a"))) == 1
    assert r.lrange(one.q("a"), 0, -1) == [entry("2")]


def test_a_type_that_comes_again_while_it_leaves_goes_on_with_its_loop_and_the_new_definition(
    make: Make, r: "redis.Redis[bytes]"
) -> None:
    one = make()
    one.types.start()
    gate = one.runner("p").act = Gate()
    one.types.add(define("a"))
    push(r, one.q("a"), "1", "2")
    eventually(lambda: one.ran("p") == ["1"])
    (loop,) = one.types.loops()

    one.types.remove("a")
    one.types.remove("a")
    one.types.add(define("a", "new"))
    assert one.types.loops() == [loop]
    assert one.types.serving()["a"].script == ("new",)
    gate.open()

    eventually(lambda: one.ran("new") == ["2"])
    assert one.ran("p") == ["1"]
    assert one.changes("a") == ["added", "removed", "added"]


def test_a_type_that_comes_again_after_it_left_is_served_anew(make: Make, r: "redis.Redis[bytes]") -> None:
    one = make()
    one.types.start()
    for number in range(3):
        one.types.add(define("a"))
        push(r, one.q("a"), str(number))
        eventually(lambda number=number: one.ran("p")[-1:] == [str(number)])
        one.types.remove("a")
        eventually(lambda: not one.types.all())

    assert one.ran("p") == ["0", "1", "2"]
    assert not r.exists(one.q("a"))


@pytest.mark.parametrize("other", ["at-most-once", "at-least-once"])
def test_a_type_that_comes_again_with_another_delivery_begins_when_the_old_one_has_left(
    make: Make, r: "redis.Redis[bytes]", other: str
) -> None:
    one = make()
    one.types.start()
    gate = one.runner("p").act = Gate()
    first = "at-least-once" if other == "at-most-once" else "at-most-once"
    one.types.add(define("a", delivery=first))
    push(r, one.q("a"), "1", "2")
    eventually(lambda: one.ran("p") == ["1"])
    one.types.remove("a")
    one.types.add(define("a", "new", delivery=other))
    assert not one.types.serving()
    gate.open()

    eventually(lambda: one.ran("new") == ["2"], within=40)

    assert one.types.serving()["a"].delivery == other
    assert one.changes("a") == ["added", "removed", "drained", "added"]


def test_running_tasks_keep_their_definition_and_the_next_have_the_new_one(make: Make, r: "redis.Redis[bytes]") -> None:
    one = make()
    one.types.start()
    gate = one.runner("old").act = Gate(FAILURE)
    one.types.add(define("a", "old", workers=2, failed_tasks_ttl=100))
    push(r, one.q("a"), "1", "2", "3")
    eventually(lambda: len(one.ran("old")) == 2)

    one.types.add(define("a", "new", workers=2))
    gate.open()
    eventually(lambda: one.ran("new") == ["3"])
    eventually(lambda: one.runner("old").closed == 2)

    assert r.llen(keys.failed(one.q("a"))) == 2, "with the FailedTasksTTL that they began with"
    assert {event.args[0]: event.outcome.verdict.value for event in one.observer.of(TaskFinished)} == {
        "1": "failed",
        "2": "failed",
        "3": "success",
    }
    assert one.changes("a") == ["added", "changed"]


def test_workers_that_wait_let_go_of_what_the_old_definition_gave_them(make: Make, r: "redis.Redis[bytes]") -> None:
    one = make()
    one.types.start()
    one.types.add(define("a", "old"))
    push(r, one.q("a"), "1")
    eventually(lambda: one.ran("old") == ["1"])

    one.types.add(define("a", "new"))

    eventually(lambda: one.runner("old").closed == 1)


class Peak:
    """Counts how many run at once."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.going = threading.Event()

    def __call__(self, job: Job) -> Outcome:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        while not self.going.wait(0.002) and job.interrupt.reason is None:
            pass
        with self.lock:
            self.now -= 1
        return Outcome(job.interrupt.reason) if job.interrupt.reason else ScriptedRunner().act(job)


def test_workers_are_more_at_once_and_fewer_as_they_come_free(make: Make, r: "redis.Redis[bytes]") -> None:
    one = make()
    one.types.start()
    peak = one.runner("p").act = Peak()
    one.types.add(define("a", workers=2))
    push(r, one.q("a"), *map(str, range(40)))
    eventually(lambda: peak.now == 2)

    one.types.add(define("a", workers=6))
    eventually(lambda: peak.now == 6)
    one.types.add(define("a", workers=3))
    assert peak.now == 6, "none is interrupted"
    single = Peak()
    one.runner("p").act = single
    peak.going.set()
    eventually(lambda: single.now == 3)
    single.going.set()
    eventually(lambda: len(one.ran("p")) == 40)

    assert single.most == 3
    assert one.runner("p").closed == 0, "the programs that stay are not started anew for that"
    assert sorted(one.ran("p"), key=int) == [str(number) for number in range(40)]


@pytest.mark.parametrize("delivery", ["at-least-once", "at-most-once"])
def test_changed_removed_and_added_under_load_every_entry_runs_once(
    make: Make, r: "redis.Redis[bytes]", delivery: str
) -> None:
    both = [make("one"), make("two")]
    definition = define("a", workers=4, delivery=delivery)
    for instance in both:
        instance.types.start()
        instance.types.add(definition)
    pushed = [str(number) for number in range(600)]

    def produce() -> None:
        for arg in pushed:
            push(r, both[0].q("a"), arg)
            threading.Event().wait(0.001)

    producer = threading.Thread(target=produce)
    producer.start()
    number = 0
    while producer.is_alive():
        instance = both[number % 2]
        instance.types.remove("a")
        instance.types.add(define("a", str(number % 3), workers=1 + number % 5, delivery=delivery))
        number += 1
        threading.Event().wait(0.01)
    producer.join()
    eventually(lambda: not r.exists(both[0].q("a")))
    eventually(lambda: all(loop.exchange.clean for instance in both for loop in instance.types.loops()))

    ran = [arg for instance in both for program in list(instance.runners) for arg in instance.ran(program)]
    assert number > 5
    assert {arg: count for arg, count in Counter(ran).items() if count > 1} == {}
    assert sorted(ran, key=int) == pushed
    assert not r.exists(both[0].q("a"), *(keys.running(both[0].q("a"), each.name) for each in both))


def test_what_is_popped_in_the_moment_of_removal_goes_back_to_the_head(make: Make, r: "redis.Redis[bytes]") -> None:
    one = make()
    one.types.start()
    one.types.add(define("a", workers=3))
    (loop,) = one.types.loops()
    eventually(lambda: loop.exchange.popping)
    loop._holds._reasons = frozenset({loop_module.Hold.REMOVED})  # and nobody wakes it

    push(r, one.q("a"), "1", "2", "3")
    eventually(lambda: not loop.exchange.popping)
    eventually(lambda: loop.exchange.clean)

    assert r.lrange(one.q("a"), 0, -1) == [entry("1"), entry("2"), entry("3")]
    assert one.ran("p") == []


def test_a_paused_type_is_held_also_when_it_comes_later_and_others_go_on(make: Make, r: "redis.Redis[bytes]") -> None:
    one = make()
    one.types.pause({"a", "b", "never"})
    one.types.add(define("a"))
    one.types.start()
    one.types.add(define("b"))
    one.types.add(define("c", "free"))
    for name in "abc":
        push(r, one.q(name), name)
    eventually(lambda: one.ran("free") == ["c"])
    assert set(one.types.paused()) == {"a", "b"}

    one.types.pause({"b", "c"})
    eventually(lambda: one.ran("p") == ["a"])
    push(r, one.q("c"), "later")
    loop = one.types.all()["c"].loop
    turn = loop._last_turn
    loop._holds.wake()
    eventually(lambda: loop._last_turn > turn)
    assert one.ran("free") == ["c"]
    one.types.pause(())
    eventually(lambda: one.ran("free") == ["c", "later"])
    eventually(lambda: one.ran("p") == ["a", "b"])

    assert one.changes("a") == ["paused", "resumed"]
    assert one.changes("b") == ["paused", "added", "resumed"]
    assert one.changes("c") == ["added", "paused", "resumed"]


def test_quiet_holds_for_types_that_come_later_too(make: Make, r: "redis.Redis[bytes]") -> None:
    one = make()
    one.types.start()
    one.types.add(define("a"))
    assert not one.types.is_quiet
    one.types.be_quiet()
    one.types.add(define("b"))
    push(r, one.q("a"), "1")
    push(r, one.q("b"), "2")

    for loop in one.types.loops():
        turn = loop._last_turn
        loop._holds.wake()
        eventually(lambda loop=loop, turn=turn: loop._last_turn > turn)

    assert one.types.is_quiet
    assert one.ran("p") == []
    assert [r.llen(one.q(name)) for name in "ab"] == [1, 1]
    assert [loop.problem() for loop in one.types.loops()] == [None, None]


def test_a_type_leaves_when_redis_is_back(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goophry.engine.types.AGAIN_S", 0.05)
    path = path_to()
    one = make(address=path.address)
    one.types.start()
    gate = one.runner("p").act = Gate()
    one.types.add(define("a"))
    push(r, one.q("a"), "1")
    eventually(lambda: one.ran("p") == ["1"])

    one.types.all()["a"].loop._agreement._late_s = 0.1
    one.types.remove("a")
    path.cut()
    gate.open()
    eventually(lambda: one.observer.of(TaskFinished))
    assert one.types.all()
    path.mend()
    eventually(lambda: not one.types.all(), within=40)

    eventually(lambda: not list(r.scan_iter(f"{{{one.q('a')}}}:*")))
    assert not r.exists(one.q("a"))


def test_signing_off_is_tried_again_and_made_up_for_at_the_stop(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis]
) -> None:
    path = path_to()
    one = make(address=path.address)
    one.types.start()
    one.types.add(define("a"))
    eventually(lambda: r.smembers(keys.instances(one.q("a"))) == {b"me"})
    loop = one.types.all()["a"].loop
    one.types.be_quiet()
    loop.poke()
    eventually(lambda: not loop.exchange.popping)

    path.cut()
    one.types.remove("a")
    eventually(lambda: not one.types.all(), within=40)
    assert r.smembers(keys.instances(one.q("a"))) == {b"me"}
    path.mend()
    one.types.stop()
    one.types.sign_off()

    assert not r.exists(keys.instances(one.q("a")))


def test_the_recovery_of_a_type_that_leaves_and_knows_no_running_list_leaves_none_in_doubt(
    make: Make, r: "redis.Redis[bytes]"
) -> None:
    """At most once, entries of the dead come back through an exchange that no loop looks after."""
    one = make()
    one.types.start()
    one.types.add(define("a", delivery="at-most-once"))
    served = one.types.all()["a"]
    served.recovered_through.recover(one.leases, "dead", task_type="a", max_recoveries=3)
    r.rpush(keys.running(one.q("a"), "me"), entry("1"))  # as if the answer to that had been lost

    one.types.remove("a")
    eventually(lambda: not one.types.all(), within=40)

    assert r.lrange(one.q("a"), 0, -1) == [entry("1")]
    assert not list(r.scan_iter(f"{{{one.q('a')}}}:*"))


def test_a_type_half_closed_is_open_again_when_it_comes_again(make: Make, r: "redis.Redis[bytes]") -> None:
    one = make()
    one.types.start()
    one.types.add(define("a", delivery="at-most-once"))
    served = one.types.all()["a"]
    eventually(lambda: served.loop.exchange.popping)
    served.recovered_through._popping = True  # something that keeps it from being closed
    one.types.remove("a")
    eventually(lambda: served.loop.exchange.closed)

    one.types.add(define("a", delivery="at-most-once"))
    push(r, one.q("a"), "1")

    eventually(lambda: one.ran("p") == ["1"])


def test_a_stop_does_not_wait_for_what_else_would_let_a_type_go(make: Make, r: "redis.Redis[bytes]") -> None:
    one = make()
    one.types.start()
    gate = one.runner("p").act = Gate()
    one.types.add(define("a"))
    one.types.add(define("b"))
    push(r, one.q("a"), "1")
    eventually(lambda: one.ran("p") == ["1"])
    one.types.remove("a")

    one.types.finish()
    one.types.remove("b")
    assert not one.types.ended()
    with pytest.raises(StartError):
        one.types.add(define("c"))
    gate.open()
    for loop in one.types.loops():
        loop.poke()
    eventually(one.types.ended)
    one.types.sign_off()

    assert not list(r.scan_iter(f"{{{one.q('a')}}}:*"))


def test_a_type_for_which_no_thread_can_be_had_is_not_served(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = make()
    one.types.start()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(StartError, match="a cannot be added: can't start new thread"):
            one.types.add(define("a"))

    assert not one.types.all()
    one.types.add(define("a"))
    assert list(one.types.serving()) == ["a"]


def test_no_fault_ends_the_seeing_off(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("goophry.engine.types.AGAIN_S", 0.01)
    one = make()
    one.types.start()
    one.types.add(define("a"))
    with monkeypatch.context() as patch:
        patch.setattr(Served, "retire", lambda served: int("x"))
        one.types.remove("a")
        eventually(lambda: "Types that are leaving could not be seen off" in caplog.text)

    eventually(lambda: not one.types.all(), within=40)


def test_types_keep_the_contract_of_a_service(make: Make) -> None:
    def with_two() -> Types:
        types = make().types
        types.add(define("a"))
        types.add(define("b"))
        return types

    stress(with_two, rounds=2)
