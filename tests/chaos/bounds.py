"""What takes too long for the test suite: a queue of ten million, and an ErrorScript that hangs to its limit."""

import time
from pathlib import Path
from typing import Final

from acceptance.goophry_process import Goophry, pids_with_name
from chaos.fleet import KEY, Fleet
from chaos.invariants import Row
from chaos.soak import rss_kib
from conftest import eventually

from goophry import exit_codes

#: Pushes ARGV[1] entries, in Redis itself: ten million through a client take minutes.
_PUSH: Final = """
local args = {}
for i = 1, 1000 do args[i] = ARGV[2] end
for _ = 1, tonumber(ARGV[1]) / 1000 do redis.call('RPUSH', KEYS[1], unpack(args)) end
"""

#: Seconds that an ErrorScript may take, and that a killed one may take on top to be gone.
ERROR_SCRIPT_S: Final = 60
SPARE_S: Final = 15


def huge_queue(folder: Path, *, seed: int, entries: int) -> Row:
    """Push `entries` to a goophry that waits, then start another on the full queue: both begin at once and do not grow."""
    row = Row("huge queue", tasks=entries)
    with Fleet(folder, seed=seed) as fleet:
        fleet.configure({"Type": "t", "Script": "/bin/true", "Workers": 2}, StatsInterface="127.0.0.1:0")
        waiting = fleet.start(0)
        for _ in range(entries // 1_000_000 or 1):
            fleet.client.eval(_PUSH, 1, f"{KEY}:t", min(entries, 1_000_000), b'{"Args":["x"]}')
        _judge(row, fleet, waiting, "that waited")
        row.require(waiting.stop() == exit_codes.OK, "the exit status is another")
        began = time.monotonic()
        late = fleet.start(1, ready=False)
        row.require(eventually(lambda: late.events("task.finished"), every=0.02), "nothing runs")
        row.resume_s = time.monotonic() - began
        row.note = f"first task {row.resume_s:.2f} s after the start of a process; {row.note}"
        _judge(row, fleet, late, "that came late")
        left = fleet.client.llen(f"{KEY}:t")
        row.require(left > entries * 0.9, f"only {left} are left: they were taken ahead")
        row.require(not fleet.faults(), f"goophry's own faults in the log: {fleet.faults()[:2]}")
    return row


def _judge(row: Row, fleet: Fleet, member: Goophry, which: str) -> None:
    done = len(member.events("task.finished"))
    early = rss_kib(member.pid)
    eventually(lambda: len(member.events("task.finished")) >= done + 5000, within=120, every=0.5, what="tasks run")
    late = rss_kib(member.pid)
    row.require(late < early * 1.1 + 2048, f"RSS of the one {which} grew from {early} to {late} KiB")
    row.note += f"{', ' if row.note else ''}RSS of the one {which} {early} → {late} KiB"


def hanging_error_script(folder: Path, *, seed: int) -> Row:
    """An ErrorScript that is deaf to TERM: ended by its time limit with all its processes, tasks go on meanwhile."""
    row = Row("ErrorScript hangs")
    with Fleet(folder, seed=seed) as fleet:
        hangs = folder / "hangs"
        hangs.write_text(
            '#!/bin/sh\ntrap "" TERM\nsetsid sh -c \'trap "" TERM; sleep 600\' &\nwhile :; do sleep 1; done\n'
        )
        hangs.chmod(0o755)
        fleet.configure(fleet.record_type(), ErrorScript=str(hangs))
        member = fleet.start(0)
        fleet.push(6, acts=lambda: ("fail", 0))
        fleet.drain()
        began = time.monotonic()
        fleet.push(100, acts=lambda: ("ok", 0))
        fleet.drain()
        row.require(time.monotonic() - began < ERROR_SCRIPT_S / 2, "the tasks were held up")
        first = member.wait_event("error_script.finished", within=ERROR_SCRIPT_S + SPARE_S)
        row.require(first["outcome"] == "timeout", f"it ended as {first['outcome']}")
        eventually(lambda: len(member.events("error_script.finished")) == 4, what="the four that ran at once are ended")
        row.recovery_s = time.monotonic() - began
        # The two that waited run now; a stop gives them their time.
        member.send(15)
        row.require(member.wait(ERROR_SCRIPT_S + SPARE_S) == exit_codes.OK, "the exit status is another")
        left = pids_with_name("GOOPHRY_NOTICE") & fleet.processes()
        row.require(not left, f"{len(left)} processes are left")
        row.tasks = len(fleet.pushed)
        row.note = f"ended after {row.recovery_s:.1f} s, tasks went on"
    return row
