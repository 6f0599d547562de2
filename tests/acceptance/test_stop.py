"""The end of goophry, and of what it was running: when it is in a hurry, and when it is killed."""

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from acceptance.goophry_process import Goophry, entry, pids_with
from acceptance.tally import Tally
from conftest import eventually

from goophry import exit_codes

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
MakeScript = Callable[..., Path]


@pytest.fixture
def long_task(script: MakeScript, tmp_path: Path) -> str:
    """Return a script that notes its run id and environment, starts a child of its own, and takes for ever."""
    return str(
        script(f"""
cat /proc/$$/environ > "{tmp_path}/environ.$1.$GOOPHRY_RUN"
echo "GOOPHRY_RUN=$GOOPHRY_RUN" > "{tmp_path}/run.$1.tmp"; mv "{tmp_path}/run.$1.tmp" "{tmp_path}/run.$1"
sleep 300 & sleep 300""")
    )


@pytest.fixture
def stubborn_task(script: MakeScript, tmp_path: Path) -> str:
    """The same, deaf to TERM."""
    return str(
        script(f"""trap '' TERM
echo "GOOPHRY_RUN=$GOOPHRY_RUN" > "{tmp_path}/run.$1.tmp"; mv "{tmp_path}/run.$1.tmp" "{tmp_path}/run.$1"
sleep 300 & sleep 300; sleep 300""")
    )


def run_mark(folder: Path, name: str) -> str:
    path = folder / f"run.{name}"
    eventually(path.exists, what=f"{name} runs")
    return path.read_text().strip()


def test_after_shutdown_timeout_a_run_is_ended_with_its_tree_and_its_entry_is_at_the_head_again(
    goophry: Start, long_task: str, tmp_path: Path
) -> None:
    process = goophry({"Type": "t", "Script": long_task, "Workers": 2, "KillGrace": 1}, ShutdownTimeout=0.2)
    for name in "abc":
        process.push("t", name)
    marks = [run_mark(tmp_path, name) for name in "ab"]

    assert process.stop() == exit_codes.OK

    left = process.waiting("t")
    assert sorted(left[:2]) == [entry("a"), entry("b")]
    assert left[2:] == [entry("c")]
    assert process.held("t") == 0
    assert not process.failed("t")
    assert not [pid for mark in marks for pid in pids_with(mark)]


@pytest.mark.parametrize("delivery", ["at-least-once", "at-most-once"])
def test_a_second_signal_kills_at_once_and_puts_the_entries_back(
    goophry: Start, stubborn_task: str, tmp_path: Path, delivery: str
) -> None:
    process = goophry({"Type": "t", "Script": stubborn_task, "KillGrace": 100}, Delivery=delivery)
    process.push("t", "a")
    process.push("t", "b")
    mark = run_mark(tmp_path, "a")
    process.send(signal.SIGTERM)
    process.wait_event("stop")
    assert pids_with(mark), "the first signal lets it run"

    process.send(signal.SIGTERM)

    assert process.wait() == exit_codes.FORCED
    assert process.waiting("t") == [entry("a"), entry("b")]
    assert process.held("t") == 0
    assert not pids_with(mark)


def test_without_shutdown_timeout_a_stop_waits_for_what_runs(
    goophry: Start, script: MakeScript, tmp_path: Path
) -> None:
    body = f'touch "{tmp_path}/up"; while [ ! -e "{tmp_path}/go" ]; do sleep 0.02; done; touch "{tmp_path}/done"'
    process = goophry({"Type": "t", "Script": str(script(body))})
    process.push("t")
    eventually((tmp_path / "up").exists)
    process.send(signal.SIGTERM)
    process.wait_event("stop")
    assert process.process.poll() is None
    (tmp_path / "go").touch()
    assert process.wait() == exit_codes.OK
    assert (tmp_path / "done").exists()
    assert process.drained("t")


#: Makes the terminal on descriptor 0 the controlling one, then becomes the program that is named.
_ON_TERMINAL = (
    "import fcntl,os,sys,termios; os.setsid(); fcntl.ioctl(0,termios.TIOCSCTTY,0); os.execv(sys.argv[1],sys.argv[1:])"
)


def test_the_terminals_ctrl_c_stops_goophry_and_is_not_seen_by_its_children(
    goophry: Start, script: MakeScript, tmp_path: Path
) -> None:
    keyboard, terminal = os.openpty()
    body = f"""trap 'touch "{tmp_path}/interrupted"' INT
touch "{tmp_path}/up"; while [ ! -e "{tmp_path}/go" ]; do sleep 0.02; done; touch "{tmp_path}/done" """
    options = {"prefix": (sys.executable, "-c", _ON_TERMINAL), "stdin": terminal}
    process = goophry({"Type": "t", "Script": str(script(body))}, process=options)
    process.push("t")
    eventually((tmp_path / "up").exists)

    os.write(keyboard, b"\x03")

    assert process.wait_event("stop")["signal"] == "SIGINT"
    (tmp_path / "go").touch()
    assert process.wait() == exit_codes.OK
    assert (tmp_path / "done").exists()
    assert not (tmp_path / "interrupted").exists()
    os.close(keyboard)
    os.close(terminal)


def test_an_entry_of_a_dead_instance_runs_again_and_its_script_is_told(
    goophry: Start, long_task: str, tmp_path: Path
) -> None:
    task = {"Type": "t", "Script": long_task}
    first = goophry(task)
    first.push("t", "a")
    first.push("t", "b")
    run_mark(tmp_path, "a")
    first.kill()
    (tmp_path / "run.a").unlink()

    second = goophry(task, ShutdownTimeout=0)
    mark = run_mark(tmp_path, "a")

    assert second.wait_event("entries.recovered")["count"] == 1
    again = (tmp_path / f"environ.a.{mark.partition('=')[2]}").read_bytes().split(b"\0")
    assert b"GOOPHRY_RECOVERED=1" in again
    environs = [path.read_bytes().split(b"\0") for path in tmp_path.glob("environ.a.*")]
    assert sorted(b"GOOPHRY_RECOVERED=1" in environ for environ in environs) == [False, True]
    assert second.waiting("t") == [entry("b")], "the recovered entry came before those that wait"
    assert second.stop() == exit_codes.OK


def has_ended(process: Goophry) -> bool:
    return process.process.poll() is not None


def test_an_entry_that_takes_down_its_instance_is_lost_after_max_recoveries_while_others_go_on(
    goophry: Start, script: MakeScript, tally: Callable[[str], Tally], queue_key: str, r: "redis.Redis[bytes]"
) -> None:
    made = tally("good")
    told = script('printf "%s" "$1" > "$0.told.tmp"; mv "$0.told.tmp" "$0.told"')
    poison = str(script("kill -9 $PPID"))
    tasks = [
        {"Type": "poison", "Script": poison, "ErrorScript": str(told), "FailedTasksTTL": 600},
        {"Type": "good", "Script": made.script},
    ]
    names = [f"{number:03d}" for number in range(200)]
    r.rpush(f"{queue_key}:poison", entry("x", Id="the-one"))
    r.rpush(f"{queue_key}:good", *[entry(name) for name in names])

    instances: list[Goophry] = []
    deaths = 0
    while not r.exists(f"{queue_key}:poison:failed"):
        instances.append(goophry(*tasks, MaxRecoveries=2, ready=False))
        eventually(lambda: has_ended(instances[-1]) or r.exists(f"{queue_key}:poison:failed"))
        deaths += has_ended(instances[-1])
    last = instances[-1]
    eventually(lambda: set(made.lines()) == set(names) and last.drained("good", "poison"))

    assert deaths == 3, "one run, and two recoveries"
    (kept,) = last.failed("poison")
    message = json.loads(kept)["ErrorMessage"]
    assert json.loads(kept) == {"Args": ["x"], "Id": "the-one", "ErrorMessage": message}
    sentence, _, history = message.partition("\n\n")
    assert sentence == "lost: its instance died 3 times while it was running"
    assert [each.pid for each in instances[:3]] == [
        int(death.split("-")[-3]) for death in re.findall(r"\S+(?= at )", history)
    ]
    path = Path(f"{told}.told")
    eventually(path.exists)
    assert path.read_text() == f'{poison} "x"\n\n{message}'
    assert last.stop() == exit_codes.OK
