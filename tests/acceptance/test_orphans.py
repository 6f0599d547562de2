"""`kill -9` of goophry: its scripts do not go on beside their second run."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from acceptance.goophry_process import Goophry, pids_with
from conftest import eventually
from runners.processes import is_running

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
MakeScript = Callable[..., Path]

#: Writes a line at its start, and then one each hundredth of a second for as long as it lives.
BEATS = 'echo start $$ >> "{out}"; while :; do echo $$ >> "{out}"; sleep 0.01; done'


def _command(path: Path) -> bytes:
    """The command line of a process; nothing if it has just ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def guardian_of(goophry: Goophry) -> int:
    return next(
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if b"guardian_program.py" in _command(path) and _parent(int(path.parent.name)) == goophry.pid
    )


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()[1])


def starts(path: Path) -> list[int]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith("start")]


@pytest.mark.parametrize("delivery", ["at-least-once", "at-most-once"])
def test_a_kill_ends_the_scripts_before_a_successor_runs_them_again(
    goophry: Start, script: MakeScript, tmp_path: Path, delivery: str
) -> None:
    out = tmp_path / "out"
    told = script(f'echo "$GOOPHRY_NOTICE" > {tmp_path}/told; sleep 1000')
    tasks = [
        {"Type": "t", "Script": str(script(BEATS.format(out=out))), "Delivery": delivery},
        {"Type": "bad", "Script": str(script("exit 1")), "ErrorScript": str(told)},
    ]
    first = goophry(*tasks)
    first.push("t", "a")
    first.push("bad", "b")
    eventually(lambda: starts(out) and (tmp_path / "told").exists())
    (pid,) = starts(out)
    guardian = guardian_of(first)
    left = pids_with(first.mark)
    assert len(left) > 2

    first.kill()
    second = goophry(*tasks)

    eventually(lambda: not is_running(pid))
    eventually(lambda: not any(is_running(each) for each in left), what="the ErrorScript is gone too")
    eventually(lambda: not is_running(guardian))
    if delivery == "at-least-once":
        eventually(lambda: len(starts(out)) == 2)
        lines = out.read_text().splitlines()
        begin = max(index for index, line in enumerate(lines) if line.startswith("start"))
        assert str(pid) not in lines[begin:], "the first run is over when the second begins"
    second.kill()


def test_when_the_guardian_is_killed_too_the_successor_ends_the_scripts(
    goophry: Start, script: MakeScript, tmp_path: Path
) -> None:
    """As by `kill -9 -1`. What no type of the successor wants ended is left alone."""
    out, kept = tmp_path / "out", tmp_path / "kept"
    body = BEATS.format(out=out)
    tasks = [
        {"Type": "t", "Script": str(script(f"setsid sleep 1000 & {body}"))},
        {"Type": "kept", "Script": str(script(BEATS.format(out=kept))), "KillOrphans": False},
    ]
    first = goophry(*tasks)
    first.push("t", "a")
    first.push("kept")
    eventually(lambda: starts(out) and starts(kept))
    (pid,) = starts(out)
    os.kill(guardian_of(first), signal.SIGKILL)
    first.kill()
    assert is_running(pid)

    second = goophry(*tasks)

    second.wait_event("leftovers")
    eventually(lambda: len(starts(out)) == 2)
    assert not is_running(pid)
    lines = out.read_text().splitlines()
    begin = max(index for index, line in enumerate(lines) if line.startswith("start"))
    assert str(pid) not in lines[begin:], "the first run is over when the second begins"
    assert is_running(starts(kept)[0])
    second.kill()


def test_a_type_may_have_its_orphans_left_alone(goophry: Start, script: MakeScript, tmp_path: Path) -> None:
    out = tmp_path / "out"
    running = goophry(
        {"Type": "kept", "Script": str(script(BEATS.format(out=out))), "KillOrphans": False},
        {"Type": "other", "Script": str(script("sleep 1000"))},
    )
    running.push("kept")
    eventually(lambda: starts(out))
    guardian = guardian_of(running)

    running.kill()
    eventually(lambda: not is_running(guardian))

    (pid,) = starts(out)
    assert is_running(pid)


def test_no_guardian_is_started_when_no_type_wants_one(goophry: Start, script: MakeScript) -> None:
    running = goophry({"Type": "t", "Script": str(script("exit 0")), "KillOrphans": False})

    with pytest.raises(StopIteration):
        guardian_of(running)

    assert running.stop() == 0


def test_a_guardian_that_is_killed_is_replaced_and_ends_with_goophry(
    goophry: Start, script: MakeScript, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    running = goophry({"Type": "t", "Script": str(script(BEATS.format(out=out)))})
    running.push("t")
    eventually(lambda: starts(out))
    os.kill(guardian_of(running), signal.SIGKILL)

    running.wait_event("guardian", level="warning")
    guardian = int(eventually(lambda: guardian_of(running)))  # type: ignore[call-overload]
    running.kill()

    (pid,) = starts(out)
    eventually(lambda: not is_running(pid))
    eventually(lambda: not is_running(guardian))


def test_a_stop_leaves_no_guardian(goophry: Start, script: MakeScript) -> None:
    running = goophry({"Type": "t", "Script": str(script("exit 0"))})
    guardian = guardian_of(running)
    os.kill(guardian, signal.SIGTERM)

    assert running.stop() == 0

    assert not is_running(guardian)


def test_the_successor_waits_for_the_guardian(goophry: Start, script: MakeScript, tmp_path: Path) -> None:
    """With the guardian frozen, nothing is run again, however dead goophry is."""
    out = tmp_path / "out"
    task = {"Type": "t", "Script": str(script(BEATS.format(out=out)))}
    first = goophry(task)
    first.push("t")
    eventually(lambda: starts(out))
    guardian = guardian_of(first)
    os.kill(guardian, signal.SIGSTOP)
    first.kill()
    begun = time.monotonic()

    second = goophry(task)
    # Two looks of the recovery, each 2.5 s; the heartbeat of the dead one lives for 10 s.
    eventually(lambda: time.monotonic() > begun + 5.5, every=0.1)
    assert len(starts(out)) == 1
    assert not second.events("entries.recovered")

    os.kill(guardian, signal.SIGCONT)
    second.wait_event("entries.recovered", count=1)
    eventually(lambda: len(starts(out)) == 2)
    second.kill()


def test_what_the_type_asks_for_and_cannot_have_is_refused_at_the_start(
    goophry: Start, script: MakeScript, r: "redis.Redis[bytes]"
) -> None:
    program = str(script("exit 0"))
    running = goophry(
        {"Type": "a", "Script": program, "User": "no-such-user"},
        {"Type": "b", "Script": program, "WorkDir": "nowhere"},
        ready=False,
    )

    assert running.wait(10) == 1
    (problem,) = running.events("start_failed")
    assert problem["message"].startswith("Type a: User: there is no user no-such-user; Type b: WorkDir: ")
