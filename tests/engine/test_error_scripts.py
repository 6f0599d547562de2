"""The ErrorScript, beside the workers."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import eventually
from engine.service_contract import stress
from fakes import RecordingErrorScript, RecordingObserver

from goophry.clock import SystemClock
from goophry.engine import error_scripts as module
from goophry.engine.error_scripts import THREADS, ErrorScripts
from goophry.events import ErrorScriptFinished
from goophry.runners.base import Notice

SCRIPT = Path("/error-script")


class Pool:
    def __init__(self, *, hold: bool = False) -> None:
        self.caller = RecordingErrorScript(hold=hold)
        self.observer = RecordingObserver()
        self.scripts = ErrorScripts(self.caller, observer=self.observer, clock=SystemClock())

    def tell(self, count: int) -> None:
        for number in range(count):
            self.scripts.tell(SCRIPT, Notice(str(number), type="t"))


@pytest.fixture
def holding() -> Iterator[Pool]:
    pool = Pool(hold=True)
    yield pool
    pool.caller.release()
    pool.scripts.stop()


def test_no_thread_before_the_first_notice() -> None:
    pool = Pool()
    before = threading.active_count()
    pool.scripts.start()
    assert threading.active_count() == before
    pool.tell(1)
    pool.scripts.stop()

    assert pool.caller.messages() == ["0"]
    assert pool.observer.events == [ErrorScriptFinished("t", "ok", "")]


def test_only_so_many_run_at_once(holding: Pool) -> None:
    holding.tell(50)

    eventually(lambda: holding.caller.running == THREADS)
    holding.caller.release()
    holding.scripts.stop()

    assert sorted(holding.caller.messages(), key=int) == [str(n) for n in range(50)]


def test_a_full_backlog_holds_back_whoever_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKLOG", 8)
    pool = Pool(hold=True)
    pool.tell(THREADS)
    eventually(lambda: pool.caller.running == THREADS)
    pool.tell(8)

    telling = threading.Thread(target=pool.tell, args=(1,))
    telling.start()
    telling.join(0.05)
    assert telling.is_alive()
    pool.scripts.tell(SCRIPT, Notice("dropped"), or_drop=True)
    pool.caller.release()
    telling.join(10)
    pool.scripts.stop()

    assert len(pool.caller.messages()) == THREADS + 9
    assert len(pool.observer.of(ErrorScriptFinished)) == THREADS + 9


def test_a_stop_runs_what_is_in_the_backlog(holding: Pool) -> None:
    holding.tell(20)
    stopping = threading.Thread(target=holding.scripts.stop)
    stopping.start()
    stopping.join(0.05)
    assert stopping.is_alive()

    holding.caller.release()
    stopping.join(10)

    assert len(holding.caller.messages()) == 20


def test_a_second_stop_waits_for_the_first_and_hurries_nothing(holding: Pool) -> None:
    holding.tell(20)
    stops = [threading.Thread(target=holding.scripts.stop) for _ in range(3)]
    for stop in stops:
        stop.start()
    stops[-1].join(0.05)
    holding.caller.release()
    for stop in stops:
        stop.join(10)

    assert len(holding.caller.messages()) == 20


def test_what_hangs_when_the_time_is_up_is_ended(holding: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRAIN_S", 0.05)
    holding.tell(20)

    holding.scripts.stop()

    assert holding.caller.messages() == []
    assert {event.verdict for event in holding.observer.of(ErrorScriptFinished)} == {"interrupted"}


def test_hurry_ends_what_runs_and_drops_the_rest(holding: Pool) -> None:
    holding.tell(20)
    stopping = threading.Thread(target=holding.scripts.stop)
    stopping.start()

    holding.scripts.hurry()
    stopping.join(10)

    assert not stopping.is_alive()
    assert holding.caller.messages() == []


def test_a_fault_of_goophrys_own_is_told_and_the_threads_go_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pool = Pool()
    monkeypatch.setattr(pool.caller, "run", lambda *args, **kwargs: int("x"))

    pool.tell(THREADS + 4)
    pool.scripts.stop()

    assert [event.verdict for event in pool.observer.of(ErrorScriptFinished)] == ["failed"] * (THREADS + 4)
    assert "An ErrorScript could not be run" in caplog.text


def test_error_scripts_keep_the_contract_of_a_service() -> None:
    def make() -> ErrorScripts:
        pool = Pool()
        pool.tell(6)
        return pool.scripts

    stress(make)
