"""Log lines: one for each thing that happened, readable, harmless, and never in the way."""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from goophry import events
from goophry.errors import StartError
from goophry.log_lines import escaped, quoted
from goophry.logs import Log, LogObserver, set_up
from goophry.outcome import Outcome, Verdict


class FixedClock:
    """2026-11-21 04:01:02.123 in the local zone, until told otherwise."""

    def __init__(self) -> None:
        self.time_s = time.mktime((2026, 11, 21, 4, 1, 2, 0, 0, -1)) + 0.1234

    def now(self) -> float:
        return self.time_s

    def monotonic(self) -> float:
        return self.time_s


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "goophry.log"


@pytest.fixture
def begin(path: Path, clock: FixedClock) -> Iterator[Callable[..., Log]]:
    """Set the log up on the test's file; it is taken down afterwards."""
    logs: list[Log] = []

    def begin_log(**options: Any) -> Log:
        logs.append(set_up(**{"path": path, "clock": clock, "names": ["resize"]} | options))
        return logs[-1]

    yield begin_log
    for log in logs:
        log.close()


def finished(verdict: Verdict = Verdict.SUCCESS, **changes: Any) -> events.TaskFinished:
    outcome = Outcome(verdict, **{"duration_s": 0.42} | changes.pop("outcome", {}))
    event = events.TaskFinished("resize", "run-1", None, ("in.png", "200"), outcome, final=True)
    return event._replace(**changes)


FAILED = {"message": "exit status 3\n\nno such image", "exit_code": 3}

EVENTS = [
    (finished(), 'done in 0.42 s  args="in.png" "200"'),
    (finished(args=(), entry_id="7"), "done in 0.42 s  id=7"),
    (finished(outcome={"duration_s": 0.0042}, args=()), "done in 4.2 ms"),
    (finished(outcome={"duration_s": 3600.4}, args=()), "done in 3600.40 s"),
    (
        finished(Verdict.FAILED, outcome=FAILED),
        'WARNING failed after 0.42 s: exit status 3  args="in.png" "200"',
    ),
    (
        finished(Verdict.FAILED, outcome=FAILED, args=(), final=False),
        "WARNING failed after 0.42 s: exit status 3, goes back to the queue",
    ),
    (
        finished(Verdict.OUTPUT, outcome={"message": "\nhello\nworld\n"}, args=()),
        "WARNING failed after 0.42 s: wrote to stdout: hello",
    ),
    (
        finished(Verdict.TIMEOUT, outcome={"message": "timeout after 1 s"}, args=()),
        "WARNING timed out after 0.42 s: timeout after 1 s",
    ),
    (finished(Verdict.INTERRUPTED, args=(), final=False), "interrupted after 0.42 s, goes back to the queue"),
    (
        events.EntryUnreadable("resize", b"rubbish", "not JSON:\x1b[31m"),
        r"WARNING unreadable entry, kept in the failed list: not JSON:\x1b[31m",
    ),
    (
        events.EntriesRecovered("resize", "host-1", 1),
        "WARNING 1 entry of the dead instance host-1 went back to the queue",
    ),
    (
        events.ScheduleSkipped("nightly", "resize", 1_782_874_800, "overlap"),
        "the schedule nightly left out its run of 2026-07-01 03:00:00 UTC: the one before is still there",
    ),
    (
        events.ScheduleSkipped("nightly", "resize", 1_782_874_800, "missed"),
        "WARNING the schedule nightly left out its run of 2026-07-01 03:00:00 UTC: missed for longer than CatchUp, as are those that followed it",
    ),
    (
        events.ScheduleSkipped("nightly", "resize", 1_782_874_800, "invalid", "too long"),
        "WARNING the schedule nightly left out its run of 2026-07-01 03:00:00 UTC: it would be no task: too long",
    ),
    (events.StoreLost("resize", "Connection refused"), "ERROR Redis is out of reach, trying again: Connection refused"),
    (events.StoreBack("resize", 12.5), "WARNING Redis is back after 12.50 s"),
    (
        events.ErrorScriptFinished("resize", "failed", "exit status 1\nmore"),
        "WARNING Error calling ErrorScript: exit status 1",
    ),
    (
        events.ErrorScriptFinished("resize", "output", "some text"),
        "WARNING Error calling ErrorScript (created output): some text",
    ),
]


@pytest.mark.parametrize(("event", "text"), EVENTS, ids=[text for _, text in EVENTS])
def test_an_event_is_one_line_with_time_type_and_what_happened(
    event: events.Event, text: str, path: Path, begin: Callable[..., Log]
) -> None:
    LogObserver(begin()).notify(event)
    assert path.read_text() == f"2026-11-21 04:01:02.123 resize   {text}\n"


def test_events_of_goophry_itself_carry_its_name(path: Path, begin: Callable[..., Log]) -> None:
    observer = LogObserver(begin())
    observer.notify(events.OwnershipLost("host-1", 20.5))
    observer.notify(events.HelperRepaired("{q}:instances", "a list stood there"))
    for ahead_s in (60.25, -60.25, 0.0):
        observer.notify(events.ClockDiffers(ahead_s))
    first, second, *clock = path.read_text().splitlines()
    assert " goophry  ERROR silent for 20.50 s: other instances may have taken" in first
    assert " goophry  WARNING repaired the key {q}:instances: a list stood there" in second
    assert [line.partition(" WARNING ")[2] for line in clock] == [
        "the clock here is 60.25 s ahead of Redis's, which counts",
        "the clock here is 60.25 s behind Redis's, which counts",
        "the clock here is right again",
    ]


def test_pops_and_starts_are_told_with_verbose_only_and_never_what_may_be_secret(
    path: Path, begin: Callable[..., Log]
) -> None:
    popped = events.TaskPopped("resize", b'{"Env":{"TOKEN":"s3cret"}}')
    started = events.TaskStarted("resize", "run-1", "7", ("a b",), 2, 1)
    log = begin()
    for event in (popped, started, events.StoreFailed("resize", "gone"), events.ErrorScriptFinished("resize", "", "")):
        LogObserver(log).notify(event)
    assert not path.read_text()

    LogObserver(log, verbose=True).notify(popped)
    LogObserver(log, verbose=True).notify(started)
    LogObserver(log, verbose=True).notify(events.ScheduleFired("nightly", "resize", "nightly@x", 0.25))

    first, second, third = path.read_text().splitlines()
    assert first.endswith("resize   popped an entry of 26 bytes")
    assert second.endswith('resize   started  args="a b"  id=7  attempt=2  recovered=1')
    assert third.endswith("resize   the schedule nightly fired, 0.25 s late  id=nightly@x")


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("event", [event for event, _ in EVENTS] + [events.TaskPopped("resize", b"{}")])
def test_a_json_line_is_one_object_with_time_zone_level_action_and_message(
    event: events.Event, verbose: bool, path: Path, begin: Callable[..., Log]
) -> None:
    LogObserver(begin(layout="json"), verbose=verbose).notify(event)
    for line in path.read_text().splitlines():
        fields = json.loads(line)
        assert fields["time"].startswith("2026-11-21T04:01:02.123")
        assert fields["time"][-6] in "+-"
        assert {"level", "action", "message"} <= fields.keys()
        assert "resize" in (fields.get("type"), fields.get("who"))


def test_a_json_line_of_a_failure_has_all_that_is_known(path: Path, begin: Callable[..., Log]) -> None:
    LogObserver(begin(layout="json")).notify(finished(Verdict.FAILED, outcome=FAILED, entry_id="7", args=("é\x1b\n",)))
    text = path.read_text()
    assert text.isascii()
    assert text.count("\n") == 1
    fields = json.loads(text)
    del fields["time"]
    assert fields == {
        "level": "warning",
        "action": "task.finished",
        "message": "task finished",
        "type": "resize",
        "run": "run-1",
        "args": ["é\x1b\n"],
        "outcome": "failed",
        "duration_s": 0.42,
        "error": "exit status 3",
        "exit_code": 3,
        "id": "7",
    }


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        ((), ""),
        (("",), '""'),
        (("a", "b c"), '"a" "b c"'),
        (('say "hi"', "\\"), '"say \\"hi\\"" "\\\\"'),
        (("a\nb\t\x1b[2J",), r'"a\nb\t\x1b[2J"'),
        (("caf\udce9", "é"), '"caf\\xe9" "é"'),
        (("x" * 300,), '"' + "x" * 200 + '…"'),
    ],
)
def test_arguments_stand_in_quotes_escaped_and_cut(args: tuple[str, ...], shown: str) -> None:
    assert quoted(args) == shown


def test_thousands_of_arguments_make_one_bounded_line() -> None:
    text = quoted(["x" * 150] * 5000)
    assert len(text) < 2000
    assert text.endswith("more")


def test_escaping_leaves_no_control_character_and_no_line_end() -> None:
    everything = "".join(map(chr, range(0x3000)))
    assert escaped(everything, limit=0x3000).isprintable()


def test_records_of_other_parts_show_their_fields_and_a_traceback(path: Path, begin: Callable[..., Log]) -> None:
    begin()
    logger = logging.getLogger("goophry.engine.loop")
    logger.warning("put %s right", "it", extra={"action": "loop.repair", "key": "a\nb"})
    logger.debug("not told")
    try:
        int("oops")
    except ValueError:
        logger.exception("a loop broke", extra={"action": "loop.broken", "type": "resize"})
    lines = path.read_text().splitlines()
    assert lines[0].endswith(r" goophry  WARNING put it right  key=a\nb")
    assert lines[1].endswith(" resize   ERROR a loop broke")
    assert lines[2] == "    Traceback (most recent call last):"
    assert lines[-1].startswith("    ValueError: invalid literal")


def test_records_in_json_carry_action_fields_and_traceback(path: Path, begin: Callable[..., Log]) -> None:
    begin(layout="json", verbose=True)
    logging.getLogger("goophry.x").debug("here %d", 1, extra={"action": "x.here", "path": Path("/tmp")})
    fields = json.loads(path.read_text())
    assert (fields["action"], fields["message"], fields["path"]) == ("x.here", "here 1", "/tmp")


def test_the_file_is_appended_to_and_made_for_its_owner_alone(path: Path, begin: Callable[..., Log]) -> None:
    """It holds what tasks are given; one that is there keeps its mode."""
    old = os.umask(0o022)
    try:
        LogObserver(begin()).notify(finished())
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    LogObserver(begin()).notify(finished())
    assert path.read_text().count("done") == 2
    assert path.stat().st_mode & 0o777 == 0o640


def test_the_file_after_a_rotation_has_the_mode_of_the_one_before(path: Path, begin: Callable[..., Log]) -> None:
    path.touch()
    path.chmod(0o640)
    log = begin()
    path.rename(path.with_suffix(".1"))

    log.reopen()

    assert path.stat().st_mode & 0o777 == 0o640


def test_after_rotation_lines_go_to_the_new_file_with_and_without_reopen(
    path: Path, clock: FixedClock, begin: Callable[..., Log]
) -> None:
    log = begin()
    observer = LogObserver(log)
    observer.notify(finished(args=("1",)))
    path.rename(path.with_suffix(".1"))
    log.reopen()
    observer.notify(finished(args=("2",)))
    path.rename(path.with_suffix(".2"))
    clock.time_s += 1
    observer.notify(finished(args=("3",)))

    assert 'args="1"' in path.with_suffix(".1").read_text()
    assert 'args="2"' in path.with_suffix(".2").read_text()
    assert path.read_text().count("\n") == 1
    assert 'args="3"' in path.read_text()


def test_when_the_folder_is_gone_lines_stay_in_the_old_file(
    tmp_path: Path, clock: FixedClock, begin: Callable[..., Log]
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = begin(path=folder / "x.log")
    folder.rename(tmp_path / "moved")
    clock.time_s += 1
    LogObserver(log).notify(finished())
    log.reopen()
    assert "done" in (tmp_path / "moved" / "x.log").read_text()


def test_a_full_disk_costs_lines_but_no_task_and_is_told_once_afterwards(
    path: Path, clock: FixedClock, begin: Callable[..., Log]
) -> None:
    path.symlink_to("/dev/full")
    log = begin()
    observer = LogObserver(log)
    for _ in range(3):
        observer.notify(finished())
    path.unlink()
    clock.time_s += 1
    observer.notify(finished())
    observer.notify(finished())

    lines = path.read_text().splitlines()
    assert len(lines) == 3
    assert lines[0].endswith(" goophry  WARNING 3 log lines were dropped: No space left on device")


def test_a_reader_of_stdout_that_went_away_costs_lines_but_no_task(
    capfd: pytest.CaptureFixture[str], begin: Callable[..., Log]
) -> None:
    observer = LogObserver(begin(path=None))
    observer.notify(finished())
    assert "done in" in capfd.readouterr().out

    reader, writer = os.pipe()
    kept = os.dup(1)
    try:
        os.dup2(writer, 1)
        os.close(writer)
        os.close(reader)
        observer.notify(finished())
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    observer.notify(finished())

    out = capfd.readouterr().out
    assert "1 log lines were dropped: Broken pipe" in out
    assert out.count("done in") == 1


def test_a_line_written_in_part_does_not_spoil_the_next(path: Path, begin: Callable[..., Log]) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    log = begin(path=Path(f"/proc/self/fd/{writer}"))
    os.set_blocking(log._output._fd, False)
    observer = LogObserver(log)
    for _ in range(2000):  # more than a pipe holds
        observer.notify(finished(args=("x" * 100,)))
    first = os.read(reader, 1 << 20)
    observer.notify(finished(args=("last",)))
    rest = os.read(reader, 1 << 20)
    os.close(reader)
    os.close(writer)

    assert b"x" in first
    assert b"log lines were dropped" in rest
    assert rest.splitlines()[-1].endswith(b'done in 0.42 s  args="last"')


def test_a_log_file_that_cannot_be_opened_is_a_start_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"Logfile .*/none/x\.log: No such file or directory"):
        set_up(path=tmp_path / "none" / "x.log")


def test_after_close_lines_are_dropped_and_reach_no_other_descriptor(path: Path, begin: Callable[..., Log]) -> None:
    log = begin()
    log.close()
    other = os.open(path.with_suffix(".other"), os.O_CREAT | os.O_WRONLY)  # gets the number that became free
    LogObserver(log).notify(finished())
    log.reopen()
    log.close()
    os.close(other)
    assert not path.with_suffix(".other").read_bytes()
    assert log not in logging.getLogger().handlers
