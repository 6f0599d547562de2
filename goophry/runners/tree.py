"""All processes of one run, however far they strayed.

A process belongs to the run when it is in the leader's session or group, carries the run's mark in
its environment, was seen as a member before, or descends from a member. The leader is not waited
for before the tree is gone: while it is a zombie, its number cannot be anybody else's.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Seconds after which a sweep gives up on what will not die (a process stuck in the kernel).
SWEEP_S: Final = 5.0

#: Looks in a row that must find nothing: one alone may miss a process between fork and exec.
_CLEAN_LOOKS: Final = 2

#: How many of the killed are watched at a time; each costs a descriptor for a moment.
_WATCHED: Final = 64


@dataclass(frozen=True, slots=True)
class Process:
    """A line of the process table. `start` is in clock ticks since boot."""

    pid: int
    parent: int
    group: int
    session: int
    start: int
    is_zombie: bool


class Tree:
    """The processes of the run whose first process is `leader`, which nobody has waited for yet."""

    def __init__(self, leader: int, mark: bytes) -> None:
        self._leader = leader
        self._mark = mark
        self._seen: set[tuple[int, int]] = set()
        self._leader_start = next((p.start for p in _read_all([leader])), 0)

    def members(self) -> set[int]:
        """Return the pids that run now, zombies left out, and remember them."""
        table = processes()
        found = with_descendants({p.pid for p in table if self._is_member(p)}, table)
        self._seen.update((p.pid, p.start) for p in table if p.pid in found)
        return {p.pid for p in table if p.pid in found and not p.is_zombie}

    def terminate(self) -> None:
        """Ask all members to end; the stopped ones are set going, or they could not."""
        members = self.members()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._leader, signal.SIGTERM)
            os.killpg(self._leader, signal.SIGCONT)
        outside = [pid for pid in members if _group(pid) != self._leader]
        _signal(outside, signal.SIGTERM)
        _signal(outside, signal.SIGCONT)

    def destroy(self) -> bool:
        """Kill all members, again and again until none is found any more; return whether that came."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._leader, signal.SIGKILL)
        return kill_all(self.members)

    def _is_member(self, process: Process) -> bool:
        if self._leader in (process.pid, process.session, process.group) or (process.pid, process.start) in self._seen:
            return True
        # Nothing of the run is older than its leader; that spares reading most environments.
        return process.start >= self._leader_start and self._is_marked(process.pid)

    def _is_marked(self, pid: int) -> bool:
        return self._mark in environment_of(pid)


def kill_all(members: Callable[[], Collection[int]]) -> bool:
    """Kill what `members` finds, again and again until that is nothing; return whether it came to that."""
    give_up = time.monotonic() + SWEEP_S
    clean_looks = 0
    while clean_looks < _CLEAN_LOOKS:
        found = members()
        # Stopped first, all of them: what is stopped forks no more while the others are killed.
        _signal(found, signal.SIGSTOP)
        _signal(found, signal.SIGKILL)
        clean_looks = 0 if found else clean_looks + 1
        if found and time.monotonic() > give_up:
            return False
        _await_death(found, timeout_s=0.1)
    return True


def with_descendants(pids: set[int], table: Iterable[Process]) -> set[int]:
    """Return `pids` and all processes of `table` that descend from them."""
    children: dict[int, list[int]] = {}
    for process in table:
        children.setdefault(process.parent, []).append(process.pid)
    found = set(pids)
    fresh = list(pids)
    while fresh:
        fresh = [child for pid in fresh for child in children.get(pid, ()) if child not in found]
        found.update(fresh)
    return found


def environment_of(pid: int) -> list[bytes]:
    """Return the lines of its environment; none if it is gone, or somebody else's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def processes() -> list[Process]:
    """Return all processes but this one."""
    return list(_read_all(_pids()))


def _pids() -> Iterator[int]:
    own = os.getpid()
    return (int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != own)  # noqa: PTH208 - a Path for each takes 10 times as long


def _read_all(pids: Iterable[int]) -> Iterator[Process]:
    for pid in pids:
        try:
            line = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:  # ended since it was listed
            continue
        # The name is in brackets and may hold anything, brackets too.
        state, parent, group, session, *rest = line[line.rindex(b")") + 2 :].split()
        yield Process(pid, int(parent), int(group), int(session), int(rest[15]), state in {b"Z", b"X"})


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return 0


def _signal(pids: Iterable[int], sig: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, sig)


def _await_death(pids: Iterable[int], *, timeout_s: float) -> None:
    """Wait until one of `pids` ended, if there is any."""
    poll = select.poll()
    fds = []
    try:
        for pid in list(pids)[:_WATCHED]:
            with contextlib.suppress(OSError):
                fds.append(os.pidfd_open(pid))
                poll.register(fds[-1], select.POLLIN)
        if fds:
            poll.poll(timeout_s * 1000)
    finally:
        for fd in fds:
            os.close(fd)
