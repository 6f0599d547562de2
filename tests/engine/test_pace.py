"""What the heartbeat tells of what gets done."""

import threading

from fakes import FAILURE, SUCCESS, FakeClock

from goophry.engine.pace import Pace
from goophry.events import EntryUnreadable, TaskFinished, TaskStarted
from goophry.outcome import Outcome


def ended(pace: Pace, task_type: str, outcome: Outcome = SUCCESS, *, final: bool = True, times: int = 1) -> None:
    for _ in range(times):
        pace.notify(TaskFinished(task_type, "run", None, (), outcome, final))


def test_what_has_ended_for_good_is_counted() -> None:
    pace = Pace(clock=FakeClock())
    ended(pace, "a", times=3)
    ended(pace, "a", FAILURE)
    ended(pace, "a", FAILURE, final=False)
    pace.notify(TaskStarted("b", "run", None, (), 1, 0))
    pace.notify(EntryUnreadable("c", b"rubbish", "not JSON"))

    told = pace.told()

    assert {name: (each["Finished"], each["Failed"]) for name, each in told.items()} == {"a": (4, 1), "c": (1, 1)}


def test_the_rate_is_that_of_the_last_few_beats() -> None:
    clock = FakeClock()
    pace = Pace(clock=clock)
    assert pace.told() == {}
    rates = []
    for _ in range(8):
        ended(pace, "a", times=5)
        clock.forward(2.5)
        rates.append(pace.told()["a"]["PerS"])
    for _ in range(6):
        clock.forward(2.5)
        rates.append(pace.told()["a"]["PerS"])

    assert rates[:8] == [2.0] * 8
    assert rates[8:] == [1.5, 1.0, 0.5, 0.0, 0.0, 0.0]


def test_no_end_is_lost_between_threads() -> None:
    pace = Pace(clock=FakeClock())
    threads = [threading.Thread(target=ended, args=(pace, "a"), kwargs={"times": 5000}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert pace.told()["a"]["Finished"] == 20_000
