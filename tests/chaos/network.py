"""A network that swallows packets silently: goophry and Redis on two hosts, and nothing between them any more."""

import time
from pathlib import Path
from typing import Final

from chaos.fleet import DURABLE, Fleet
from chaos.invariants import Row, account, longest_gap_s
from conftest import eventually
from hosts.network import Host, HostRedis, Network

#: Seconds within which a dead path must be noticed, and a further beat and back-off until work goes on.
NOTICE_LIMIT_S: Final = 15.0
RESUME_LIMIT_S: Final = 20.0


def network_cut(folder: Path, *, seed: int, times: int, away_s: float) -> Row:
    """Drop all packets between goophry and Redis, both ways; every loop notices and goes on afterwards."""
    row = Row("network cut")
    with Network() as network:
        here = network.host("goophry")
        server = HostRedis(folder / "redis", *DURABLE, host=network.host("redis"))
        with Fleet(folder, seed=seed, prefix=here.prefix, server=server) as fleet:
            fleet.configure(fleet.record_type(), fleet.record_type("idle"), MaxRecoveries=1_000_000)
            member = fleet.start(0)
            for turn in range(times):
                _cut_once(fleet, row, here, away_s=away_s, turn=turn)
            fleet.drain(within=90)
            account(row, fleet)
            lost = [line for line in member.events("store.lost") if line["who"] != "heartbeat"]
            row.require(len(lost) >= 2, "a loop did not notice that the path was dead")
            row.require(fleet.alive(), "an instance ended")
            row.note = f"{times} × {away_s:g} s, noticed after {row.resume_s:.1f} s at most"
    return row


def _cut_once(fleet: Fleet, row: Row, here: Host, *, away_s: float, turn: int) -> None:
    member = fleet.members[0]
    known = len(member.events("store.lost"))
    fleet.push(300, acts=fleet.mixed)
    size = fleet.recorder.size()
    eventually(lambda: fleet.recorder.size() > size, what="tasks run")
    began = time.monotonic()
    begin_ns = time.monotonic_ns()
    here.cut_off()
    # Three parts speak with Redis: both loops and the heartbeat.
    eventually(lambda: len(member.events("store.lost")) >= known + 3, within=30, every=0.1, what="all notice")
    noticed_s = time.monotonic() - began
    time.sleep(max(0, away_s - noticed_s))
    here.plug_in()
    back_ns = time.monotonic_ns()
    fleet.push(20, name="idle", acts=lambda: ("ok", 5))
    fleet.push(20, acts=lambda: ("ok", 5))
    eventually(lambda: not fleet.waiting(), within=60, every=0.1, what=f"work goes on after cut {turn}")
    runs = fleet.recorder.runs()
    resumed_ns = min(run.started_ns for run in runs if run.started_ns > back_ns)
    row.resume_s = max(row.resume_s, noticed_s)
    row.outage_s = max(row.outage_s, longest_gap_s(runs, begin_ns=begin_ns, end_ns=resumed_ns))
    row.require(noticed_s < NOTICE_LIMIT_S, f"the dead path was noticed after {noticed_s:.1f} s")
    row.require((resumed_ns - back_ns) / 1e9 < RESUME_LIMIT_S, "work did not go on in time")
