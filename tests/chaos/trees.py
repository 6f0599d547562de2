"""Runs that try to leave processes behind: after Timeout, forced stop or a killed goophry none is left."""

import contextlib
import os
import pwd
import signal
import tempfile
import time
from pathlib import Path
from typing import Final

from acceptance.goophry_process import Goophry, pids_with_name
from chaos.fleet import Fleet
from chaos.invariants import Row
from conftest import eventually

from goophry import exit_codes

#: Processes that the storm starts in all: counted, so that it can do no harm when it is not ended.
STORM: Final = 50

#: What each run does before it waits for ever; $1 is a file that it touches when all its processes are there.
BODIES: Final = {
    "plain": 'touch "$1"; sleep 300',
    "double fork": '( ( sleep 300 & ) & ); ( ( sh -c "sleep 300; :" & ) & ); touch "$1"; sleep 300',
    "setsid": 'setsid sleep 300 & setsid sh -c "setsid sleep 300 & sleep 300" & touch "$1"; wait',
    "ignored TERM": 'trap "" TERM; sleep 300 & sh -c "trap \\"\\" TERM; while :; do sleep 1; done" & touch "$1"; sleep 300',
    "stopped child": 'sleep 300 & kill -STOP $!; touch "$1"; kill -STOP $$',
    "held pipe": '( setsid sleep 300 & ); echo said; echo also >&2; touch "$1"; sleep 300',
    "fork storm": f'n=0; while [ $n -lt {STORM} ]; do sleep 300 & n=$((n+1)); done; touch "$1"; wait',
    "fork on TERM": 'trap "sleep 300 & setsid sleep 300 & sleep 300" TERM; touch "$1"; while :; do sleep 0.1; done',
}

#: How a run is ended, seconds that this may take.
ENDINGS: Final = {"timeout": 15.0, "forced stop": 15.0, "kill": 15.0}


#: A storm of forks without end, each deaf to TERM: it goes on as long as the user may have more processes.
STORM_BODY: Final = """trap '' TERM
storm() { while :; do storm & storm & wait; done; }
storm
"""

#: Processes that the storm may come to, and the user that it runs as where goophry runs as root.
STORM_LIMIT: Final = 150
NOBODY: Final = "nobody"


def fork_storm(folder: Path, *, seed: int, ending: str) -> Row:
    """Fork until the kernel refuses, as a user without rights, and end it: nothing is left, and others go on."""
    row = Row(f"storm to nproc: {ending}")
    with Fleet(folder, seed=seed) as fleet, tempfile.TemporaryDirectory(prefix="goophry-storm-") as place:
        # Where everybody may read, which `folder` need not be.
        Path(place).chmod(0o755)
        storm = Path(place) / "storm"
        # Bash tries again when the kernel refuses; other shells end, and the storm would be over by itself.
        storm.write_text(f"#!/usr/bin/env bash\n{STORM_BODY}")
        storm.chmod(0o755)
        user = {"User": NOBODY} if os.geteuid() == 0 else {}
        taken = _threads_of(pwd.getpwnam(NOBODY).pw_uid if user else os.geteuid())
        timeout_s = 2 if ending == "timeout" else 0
        limits = {"Timeout": timeout_s, "KillGrace": 0.5, "Limits": {"nproc": taken + STORM_LIMIT}}
        fleet.configure(
            {"Type": "storm", "Script": str(storm)} | limits | user, fleet.record_type(), FailedTasksTTL=600
        )
        member = fleet.start(0)
        member.push("storm", "storm")
        peak = 0

        def at_its_height() -> bool:
            nonlocal peak
            peak = max(peak, len(_left(fleet)))
            return peak > STORM_LIMIT * 0.9

        eventually(at_its_height, every=0.05, what="the storm comes to its limit")
        fleet.push(20, acts=lambda: ("ok", 0))
        if ending != "kill":
            eventually(lambda: len(fleet.recorder.runs()) == 20, what="other tasks go on in the storm")
        began = time.monotonic()
        row.require(_end(fleet, member, ending) in (None, exit_codes.FORCED), "the exit status is another")
        eventually(lambda: not _left(fleet), within=30, every=0.05, what="nothing of the storm is left")
        row.recovery_s = time.monotonic() - began
        row.tasks, row.kills = 1, int(ending == "kill")
        row.lost = 1 - len(fleet.failed()) - len([raw for raw in (*fleet.waiting(), *fleet.held()) if b"storm" in raw])
        row.require(not row.lost, "the entry is gone")
        row.require(not fleet.faults(), f"goophry's own faults in the log: {fleet.faults()[:2]}")
        row.note = f"{peak} processes at its height, all gone"
    return row


def _end(fleet: Fleet, member: Goophry, ending: str) -> int | None:
    """End what runs, and return the exit status if that ended goophry in order."""
    if ending == "kill":
        fleet.kill(0)
    elif ending == "forced stop":
        member.send(signal.SIGTERM)
        member.wait_event("stop")
        member.send(signal.SIGTERM)
        return member.wait()
    else:
        member.wait_event("task.finished", outcome="timeout")
    return None


def _threads_of(uid: int) -> int:
    """Return how much of the limit is taken already: the kernel counts threads."""
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == uid:
                found += len(list((folder / "task").iterdir()))
    return found


def trees(folder: Path, *, seed: int, ending: str) -> Row:
    """Run all bodies at once and end them; no process of any of them is left."""
    row = Row(f"tree: {ending}")
    with Fleet(folder, seed=seed) as fleet:
        tasks = []
        for number, body in enumerate(BODIES.values()):
            path = folder / f"tree-{number}"
            path.write_text(f"#!/bin/sh\n{body}\n")
            path.chmod(0o755)
            # The time-out comes when all processes are there: a busy machine needs a while for fifty.
            timeout_s = 3 if ending == "timeout" else 0
            tasks.append({"Type": str(number), "Script": str(path), "Timeout": timeout_s, "KillGrace": 0.5})
        fleet.configure(*tasks, FailedTasksTTL=600)
        member = fleet.start(0)
        ups = [folder / f"up-{number}" for number in range(len(BODIES))]
        for number, up in enumerate(ups):
            member.push(str(number), str(up))
        eventually(lambda: all(up.exists() for up in ups), what="all trees stand")
        before = _left(fleet)
        began = time.monotonic()
        if ending != "timeout":
            status = _end(fleet, member, ending)
            row.require(status in (None, exit_codes.FORCED), "the exit status of a forced stop is another")
        eventually(lambda: not _left(fleet), within=ENDINGS[ending] + 5, every=0.05, what="nothing of the runs is left")
        row.recovery_s = time.monotonic() - began
        row.tasks, row.kills = len(BODIES), int(ending == "kill")
        if ending == "timeout":
            eventually(lambda: len(fleet.failed()) == len(BODIES), what="all are in the failed list")
            row.require(fleet.alive(), "the instance ended")
        else:
            there = len(fleet.waiting()) + len(fleet.held())
            row.lost = len(BODIES) - there
            row.require(not row.lost, f"{there} of {len(BODIES)} entries are still there")
        row.require(not fleet.faults(), f"goophry's own faults in the log: {fleet.faults()[:2]}")
        row.note = f"{len(before)} processes, all gone"
    return row


def _left(fleet: Fleet) -> set[int]:
    """Return the living processes of any run; a run is known by GOOPHRY_RUN, and those of this fleet by its mark."""
    return pids_with_name("GOOPHRY_RUN") & fleet.processes()
