"""What scripts do wrong on purpose or by mistake, and what goophry costs while it has nothing to do."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from acceptance.goophry_process import Goophry, pids_with
from acceptance.tally import FULL
from conftest import eventually

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
MakeScript = Callable[..., Path]

MIB = 1_048_576
FLOOD_MIB = 1024 if FULL else 200


def memory_kib(pid: int, field: str) -> int:
    """Return VmRSS, what is in memory now, or VmHWM, the most that ever was."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{field}:")]
    return int(line.split()[1])


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_child_left_behind_with_stdout_open_delays_nothing_and_lives_on(goophry: Start, script: MakeScript) -> None:
    process = goophry({"Type": "t", "Script": str(script("sleep 300 & exit 0"))})
    process.push("t")
    done = process.wait_event("task.finished")
    assert done["outcome"] == "success"
    assert done["duration_s"] < 10
    assert pids_with(f"GOOPHRY_RUN={done['run']}"), "what it left behind on purpose is left alone"
    assert process.stop() == 0


def test_a_tree_that_is_deaf_to_term_and_forked_away_is_gone_after_the_timeout(
    goophry: Start, script: MakeScript, tmp_path: Path
) -> None:
    body = f"""trap '' TERM
( setsid sh -c 'trap "" TERM; touch "{tmp_path}/away"; sleep 300; sleep 300' & ) &
sleep 300; sleep 300"""
    task = {"Type": "t", "Script": str(script(body)), "Timeout": 1, "KillGrace": 0.5, "FailedTasksTTL": 600}
    process = goophry(task)
    process.push("t", "x")
    eventually((tmp_path / "away").exists)
    done = process.wait_event("task.finished")
    assert not pids_with(f"GOOPHRY_RUN={done['run']}")
    assert done["outcome"] == "timeout"
    assert 1.5 <= done["duration_s"] < 1 + 0.5 + 1
    assert process.wait_failed("t") == [b'{"Args":["x"],"ErrorMessage":"timed out after 1 s"}']


@pytest.mark.parametrize("fail_on_output", [True, False])
def test_a_flood_of_output_does_not_grow_goophry_by_more_than_a_few_output_limits(
    goophry: Start, script: MakeScript, fail_on_output: bool
) -> None:
    body = f'[ -n "$1" ] || exit 0; head -c {FLOOD_MIB * MIB} /dev/zero | tr "\\0" x'
    keys = {"FailOnOutput": fail_on_output, "OutputLimit": MIB, "FailedTasksTTL": 600}
    process = goophry({"Type": "t", "Script": str(script(body)), **keys})
    process.push("t")  # what a first run takes for good is none of the flood's
    process.wait_event("task.finished", outcome="success")
    before = memory_kib(process.pid, "VmRSS")
    process.push("t", "flood")
    process.wait_event("task.finished", within=100, outcome="output" if fail_on_output else "success", args=["flood"])
    eventually(lambda: process.drained("t"))
    grown_mib = (memory_kib(process.pid, "VmHWM") - before) / 1024
    # The failed one is also made into a message, a failed entry and what the ErrorScript is told.
    assert grown_mib < (12 if fail_on_output else 6)
    if fail_on_output:
        (kept,) = process.wait_failed("t")
        assert MIB <= len(kept) < MIB + 200
        assert f"{FLOOD_MIB * MIB - MIB} bytes dropped".encode() in kept


def test_without_work_no_cpu_is_used(goophry: Start, script: MakeScript) -> None:
    path = str(script("exit 0"))
    process = goophry(*[{"Type": f"t{number}", "Script": path, "Workers": 4} for number in range(20)])
    process.push("t0")
    process.wait_event("task.finished")
    began, ticks = time.monotonic(), cpu_ticks(process.pid)
    eventually(lambda: time.monotonic() > began + 3, every=0.5)
    used_s = (cpu_ticks(process.pid) - ticks) / os.sysconf("SC_CLK_TCK")
    # Twenty pops that end and a heartbeat in this time: some milliseconds.
    assert used_s <= 0.05
