"""The guardian: a process that outlives a killed goophry just long enough to end what it was running.

goophry starts this file as a program of its own, with nothing but the standard library:

    python -I -S guardian_program.py PIPE TABLE

PIPE is the read end of a pipe that nobody writes to. It ends when goophry is gone, however it
died. TABLE is a file in memory in which goophry keeps a slot for each run in progress; what
stands there at that moment is killed, with all its processes.

goophry starts it with all signals blocked: a terminal and an init system ask its helpers to end
too, and it may go on working for hours after it was asked to stop.
"""

import os
import signal
import struct
import sys
import time
from collections.abc import Iterator

#: Length of the mark and the mark; then boot time in ticks when the pid was noted; the pid, 0 = not known yet.
SLOT = struct.Struct("<H238sQQ")
MARK_BYTES = 238

#: Seconds after which a process that will not die is given up: one stuck in the kernel.
GIVE_UP_S = 5.0

#: Looks in a row that must find nothing: one alone may miss a process between fork and exec.
_CLEAN_LOOKS = 3
_LOOK_PAUSE_S = 0.01

Run = tuple[bytes, int, int]
"""Mark, ticks, pid."""


def main(pipe: int, table: int) -> None:
    """Wait for the end of goophry, then end what it was running."""
    while os.read(pipe, 512):
        pass
    runs = list(_runs(os.pread(table, os.fstat(table).st_size, 0)))
    if runs:
        _destroy(runs)


def _runs(table: bytes) -> Iterator[Run]:
    for length, mark, ticks, pid in SLOT.iter_unpack(table[: len(table) // SLOT.size * SLOT.size]):
        if length or pid:
            yield mark[:length], ticks, pid


def _destroy(runs: list[Run]) -> None:
    """Kill the processes of `runs`, again and again until none is found any more."""
    marks = {mark for mark, _, _ in runs if mark}
    leaders = {pid: ticks for _, ticks, pid in runs if pid}
    seen: set[tuple[int, int]] = set()
    give_up = time.monotonic() + GIVE_UP_S
    clean_looks = 0
    while clean_looks < _CLEAN_LOOKS and time.monotonic() < give_up:
        members = _members(marks, leaders, seen)
        # Stopped first, all of them: what is stopped forks no more while the others are killed.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in members:
                _kill(pid, number)
        clean_looks = 0 if members else clean_looks + 1
        time.sleep(_LOOK_PAUSE_S)


def _members(marks: set[bytes], leaders: dict[int, int], seen: set[tuple[int, int]]) -> set[int]:
    """Return the pids that belong to a run: by session, group, mark, an earlier look, or a parent that does."""
    own = os.getpid()
    table = [process for process in map(_process, _pids()) if process is not None and process[0] != own]
    # A number that was used again since is somebody else's.
    groups = leaders.keys() - {pid for pid, _, _, _, start in table if start > leaders.get(pid, start)}
    found: set[int] = set()
    children: dict[int, list[int]] = {}
    for pid, parent, group, session, start in table:
        children.setdefault(parent, []).append(pid)
        if group in groups or session in groups or (pid, start) in seen or _is_marked(pid, marks):
            found.add(pid)
    fresh = list(found)
    while fresh:
        fresh = [child for pid in fresh for child in children.get(pid, ()) if child not in found]
        found.update(fresh)
    seen.update((pid, start) for pid, _, _, _, start in table if pid in found)
    return found


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - pathlib costs memory


def _process(pid: int) -> tuple[int, int, int, int, int] | None:
    """Return pid, parent, group, session and start in ticks; None if it has ended."""
    line = _read(f"/proc/{pid}/stat")
    # The name is in brackets and may hold anything, brackets too.
    fields = line[line.rfind(b")") + 2 :].split()
    if not fields or fields[0] in (b"Z", b"X"):
        return None
    return pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19])


def _is_marked(pid: int, marks: set[bytes]) -> bool:
    return not marks.isdisjoint(_read(f"/proc/{pid}/environ").split(b"\0"))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - pathlib costs memory
            return file.readall()
    except OSError:  # gone, or somebody else's
        return b""


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:  # gone, or somebody else's
        return


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
