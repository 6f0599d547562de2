"""An outage is told when it begins and when it is over."""

import threading

from fakes import FakeClock, RecordingObserver

from goophry.engine.outage import Outage, insist
from goophry.errors import StoreUnavailable
from goophry.events import Event, StoreBack, StoreFailed, StoreLost

GONE = StoreUnavailable("gone")


def test_it_is_told_twice_and_each_failure_is_counted() -> None:
    observer, clock = RecordingObserver(), FakeClock()
    outage = Outage("t", observer=observer, clock=clock)

    outage.worked()
    outage.failed(GONE)
    assert outage.on
    clock.forward(3)
    outage.failed(GONE)
    outage.worked()
    outage.worked()

    assert not outage.on
    assert observer.events == [
        StoreFailed("t", "gone"),
        StoreLost("t", "gone"),
        StoreFailed("t", "gone"),
        StoreBack("t", 3.0),
    ]


def test_nobody_hears_of_the_end_before_the_beginning() -> None:
    told: list[Event] = []
    in_lost, back = threading.Event(), threading.Event()

    class Slow:
        def notify(self, event: Event) -> None:
            if isinstance(event, StoreLost):
                in_lost.set()
                back.wait(0.05)
            told.append(event)

    outage = Outage("t", observer=Slow(), clock=FakeClock())
    failing = threading.Thread(target=outage.failed, args=(GONE,))
    failing.start()
    in_lost.wait(10)
    outage.worked()
    failing.join(10)

    assert [type(event) for event in told] == [StoreFailed, StoreLost, StoreBack]


class Failing:
    """Fails so many times, then works."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> None:
        if self.left:
            self.left -= 1
            raise GONE


def test_it_insists_until_it_works() -> None:
    observer = RecordingObserver()
    outage = Outage("t", observer=observer, clock=FakeClock())

    assert insist(Failing(2), outage=outage, give_up=threading.Event())

    assert [type(event) for event in observer.events] == [StoreFailed, StoreLost, StoreFailed, StoreBack]


def test_it_gives_up_when_told_but_tries_once() -> None:
    outage = Outage("t", observer=RecordingObserver(), clock=FakeClock())
    give_up = threading.Event()
    give_up.set()

    assert not insist(Failing(1), outage=outage, give_up=give_up)
    assert insist(Failing(0), outage=outage, give_up=give_up)


def test_it_ends_when_it_is_no_longer_worth_it() -> None:
    outage = Outage("t", observer=RecordingObserver(), clock=FakeClock())
    answers = [True, False]

    assert not insist(Failing(9), outage=outage, give_up=threading.Event(), worth_it=lambda: answers.pop(0))
