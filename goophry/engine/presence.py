"""Who this instance is, and whether an instance of this machine still lives."""

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Presence:
    """One goophry process. `id` never occurs twice: host, pid, start and random."""

    id: str
    host: str
    pid: int
    started: float
    """Unix seconds."""
    boot: str
    """Which boot of the machine, and which space of process numbers in it, `pid` belongs to."""
    ticks: str
    """Start of the process in clock ticks since boot: with it, a pid that was used again is told apart."""

    def about(self) -> dict[str, Any]:
        """Return what the heartbeat says."""
        return {
            "Host": self.host,
            "Pid": self.pid,
            "Started": self.started,
            "Boot": self.boot,
            "Ticks": self.ticks,
        }

    def knows_dead(self, about: Mapping[str, Any]) -> bool:
        """Whether the instance that said this of itself ran here and has ended, and its guardian too.

        As long as the guardian works, what the instance was running may go on. False when it
        cannot be known, as for another machine or container.
        """
        if not about or about.get("Boot") != self.boot or not isinstance(about.get("Pid"), int):
            return False
        return not _runs(about["Pid"], about.get("Ticks")) and not _runs(
            about.get("Guardian"), about.get("GuardianTicks")
        )


def this_process(*, now: float) -> Presence:
    """Return who this process is, with a new id."""
    host = socket.gethostname().split(".")[0] or "host"
    pid = os.getpid()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    id_ = f"{host}-{pid}-{int(now):x}-{secrets.token_hex(3)}"
    return Presence(id_, host, pid, now, f"{boot} {Path('/proc/self/ns/pid').readlink()}", process_ticks(pid))


def _runs(pid: Any, ticks: Any) -> bool:
    return isinstance(pid, int) and process_ticks(pid) == ticks != ""


def process_ticks(pid: int) -> str:
    """Return when process `pid` started, in clock ticks since boot; empty if there is none, or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    # The second field is the name in brackets and may hold anything; the third is the state,
    # the twenty-second the start (proc(5)).
    fields = stat[stat.rindex(b")") + 2 :].split()
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
