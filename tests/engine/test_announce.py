"""Observers, and who tells the ErrorScript of Redis."""

from pathlib import Path

import pytest
from fakes import RecordingErrorScript, RecordingObserver

from goophry.clock import SystemClock
from goophry.engine.announce import Announcer
from goophry.engine.error_scripts import ErrorScripts
from goophry.engine.redis_trouble import RedisTrouble
from goophry.events import Event, StoreBack, StoreLost, TaskPopped


class Broken:
    def notify(self, event: Event) -> None:
        raise ZeroDivisionError


def test_one_observer_that_fails_does_not_harm_the_others(caplog: pytest.LogCaptureFixture) -> None:
    first, last = RecordingObserver(), RecordingObserver()

    Announcer([first, Broken(), last]).notify(TaskPopped("t", b"{}"))

    assert first.events == last.events == [TaskPopped("t", b"{}")]
    assert "ZeroDivisionError" in caplog.text


def test_the_error_script_of_the_moment_is_told_of_redis_once_for_all_parts() -> None:
    caller = RecordingErrorScript()
    scripts = ErrorScripts(caller, observer=RecordingObserver(), clock=SystemClock())
    configured: list[Path | None] = [Path("/error-script")]
    trouble = RedisTrouble(lambda: configured[-1], scripts)

    for event in (
        StoreLost("a", "first"),
        StoreLost("b", "second"),
        StoreBack("a", 1.0),
        StoreLost("a", "third"),
        TaskPopped("t", b"{}"),
        StoreBack("a", 1.0),
        StoreBack("b", 1.0),
        StoreLost("b", "fourth"),
    ):
        trouble.notify(event)
    trouble.notify(StoreBack("b", 1.0))
    configured.append(None)
    trouble.notify(StoreLost("b", "fifth"))
    scripts.stop()

    assert sorted(caller.messages()) == ["Redis Error:\nfirst", "Redis Error:\nfourth"]
