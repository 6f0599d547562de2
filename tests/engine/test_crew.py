"""Worker threads: as few as needed, as many as slots, none left behind."""

import threading
from collections.abc import Callable, Iterator

import pytest
from conftest import eventually

from goophry.engine import crew as crew_module
from goophry.engine.crew import Crew, Slots
from goophry.engine.task import Task


class Bench:
    """A crew whose workers do what `act` says, and its slots."""

    def __init__(self, workers: int) -> None:
        self.slots = Slots(workers)
        self.crew = Crew("t", slots=self.slots, make_worker=lambda: self, after=self.after)
        self.threads: list[str] = []
        self.closed = 0
        self.act: Callable[[Task], None] = lambda task: None
        self.next: list[Task] = []

    def live(self, task: Task) -> bool:
        self.threads.append(threading.current_thread().name)
        self.act(task)
        return True

    def close(self) -> None:
        self.closed += 1

    def after(self, task: Task, remove: bool) -> Task | None:
        return self.next.pop() if self.next else None

    def give(self, raw: bytes = b"{}") -> None:
        assert self.slots.claim(10)
        self.crew.hand_over(Task(raw))

    def alive(self) -> int:
        return len([thread for thread in threading.enumerate() if thread in self.crew._threads])


@pytest.fixture
def bench() -> Iterator[Callable[[int], Bench]]:
    made: list[Bench] = []

    def make(workers: int) -> Bench:
        made.append(Bench(workers))
        return made[-1]

    yield make
    for each in made:
        each.crew.close()
        eventually(lambda each=each: each.crew.join(0))
        assert each.alive() == 0


def test_slots_are_claimed_and_given_back() -> None:
    slots = Slots(3)

    assert slots.claim(0)
    assert slots.claim_rest() == 2
    assert slots.claim_rest() == 0
    assert not slots.claim(0.001)
    slots.release(2)
    assert slots.claim_rest() == 2


def test_a_wait_for_a_slot_ends_with_a_release_or_a_wake() -> None:
    for end, claimed in ((lambda slots: slots.release(), True), (lambda slots: slots.wake(), False)):
        slots = Slots(0)
        found: list[bool] = []
        waiting = threading.Thread(target=lambda slots=slots, found=found: found.append(slots.claim(60)))
        waiting.start()
        eventually(lambda slots=slots: slots._changed._waiters)
        end(slots)
        waiting.join(10)

        assert found == [claimed]


def test_slots_grow_at_once_and_shrink_as_they_come_back() -> None:
    slots = Slots(3)
    assert slots.claim_rest() == 3

    slots.resize(5)
    assert slots.claim_rest() == 2
    slots.resize(2)
    assert slots.too_many
    slots.release(3)
    assert not slots.too_many
    assert not slots.claim(0)
    slots.release()

    assert slots.claim_rest() == 1


def test_a_wait_for_a_slot_ends_when_there_are_more() -> None:
    slots = Slots(0)
    found: list[bool] = []
    waiting = threading.Thread(target=lambda: found.append(slots.claim(60)))
    waiting.start()
    eventually(lambda: slots._changed._waiters)

    slots.resize(1)
    waiting.join(10)

    assert found == [True]


def test_renewed_workers_begin_after_the_old_ones_are_closed(bench: Callable[[int], Bench]) -> None:
    old, new = bench(2), bench(0)
    busy = threading.Event()
    old.act = lambda task: busy.wait(10) and None
    closed_before: list[int] = []
    new.act = lambda task: closed_before.append(old.closed)
    old.give()
    eventually(lambda: len(old.threads) == 1)
    old.act = lambda task: None
    old.give()
    eventually(lambda: old.crew._parked == 1)

    old.crew.renew(lambda: new)
    eventually(lambda: old.closed == 1)
    old.next = [Task(b"{}")]
    busy.set()
    eventually(lambda: len(new.threads) == 1)
    old.give()
    eventually(lambda: len(new.threads) == 2)

    assert len(old.threads) == 2
    assert closed_before == [2, 2]


def test_a_worker_that_cannot_be_closed_costs_neither_the_task_nor_the_slot(
    bench: Callable[[int], Bench], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = bench(1), bench(0)
    busy = threading.Event()
    old.act = lambda task: busy.wait(10) and None
    monkeypatch.setattr(old, "close", lambda: int("x"))
    old.give()
    old.crew.renew(lambda: new)
    old.next = [Task(b"{}")]
    busy.set()

    eventually(lambda: len(new.threads) == 1)
    eventually(lambda: old.slots._free == 1)
    assert "A worker could not be closed" in caplog.text
    monkeypatch.undo()


def test_threads_start_only_when_they_are_needed(bench: Callable[[int], Bench]) -> None:
    one = bench(16)
    assert one.alive() == 0

    for _ in range(20):
        one.give()
        eventually(lambda: one.crew._parked == 1)

    assert set(one.threads) == {"goophry-t-1"}


def test_as_many_threads_as_tasks_at_once_and_never_more_than_slots(bench: Callable[[int], Bench]) -> None:
    one = bench(4)
    together = threading.Barrier(5)
    one.act = lambda task: together.wait(10) and None

    for _ in range(4):
        one.give()
    assert not one.slots.claim(0.01)
    together.wait(10)
    one.act = lambda task: None
    for _ in range(200):
        one.give()

    eventually(lambda: len(one.threads) == 204)
    assert set(one.threads) == {f"goophry-t-{n}" for n in (1, 2, 3, 4)}


def test_a_worker_goes_on_with_the_task_that_came_with_the_settling(bench: Callable[[int], Bench]) -> None:
    one = bench(2)
    one.next = [Task(b"{}"), Task(b"{}")]

    one.give()

    eventually(lambda: len(one.threads) == 3)
    assert set(one.threads) == {"goophry-t-1"}


def test_idle_threads_end_and_are_replaced_when_work_comes(
    bench: Callable[[int], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "IDLE_S", 0.01)
    one = bench(2)
    one.give()
    eventually(lambda: one.alive() == 0)
    assert one.closed == 1

    one.give()
    eventually(lambda: one.closed == 2)

    assert one.threads == ["goophry-t-1", "goophry-t-2"]


def test_no_task_is_lost_between_parking_and_leaving(
    bench: Callable[[int], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "IDLE_S", 0.0003)
    one = bench(3)

    for number in range(600):
        one.give()
        if number % 5 == 0:
            threading.Event().wait(0.0004)

    eventually(lambda: len(one.threads) == 600)
    eventually(lambda: one.slots._free == 3)


def test_close_wakes_parked_workers_and_lets_busy_ones_finish(bench: Callable[[int], Bench]) -> None:
    one = bench(3)
    busy = threading.Event()
    one.give()
    eventually(lambda: one.crew._parked == 1)
    one.act = lambda task: busy.wait(10) and None
    one.give()
    one.give()

    one.crew.close()
    assert not one.crew.join(0)
    busy.set()

    eventually(lambda: one.crew.join(0))
    assert one.closed == 2
    assert one.slots._free == 3


def test_a_fault_in_a_worker_costs_neither_the_slot_nor_the_thread(
    bench: Callable[[int], Bench], caplog: pytest.LogCaptureFixture
) -> None:
    one = bench(1)

    def fail(task: Task) -> None:
        raise ZeroDivisionError

    one.act = fail
    one.give()
    one.give()

    eventually(lambda: one.slots._free == 1)
    assert one.threads == ["goophry-t-1"] * 2
    assert "A worker failed and goes on" in caplog.text


def test_when_no_thread_can_be_had_the_task_is_still_the_callers(
    bench: Callable[[int], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = bench(1)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        one.give()
    one.crew.close()

    assert one.crew.join(0)
