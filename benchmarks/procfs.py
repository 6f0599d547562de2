"""What the kernel tells about processes: CPU time, memory, descriptors, threads, zombies."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process and its children hold at one moment."""

    rss_kb: int
    pss_kb: int
    threads: int
    descriptors: int
    zombies: int


def tree(pid: int) -> Iterator[int]:
    """Yield `pid` and all its living descendants."""
    yield pid
    for thread in _names(Path(f"/proc/{pid}/task")):
        try:
            children = Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
        except OSError:  # the thread ended meanwhile
            continue
        for child in children:
            yield from tree(int(child))


def cpu_s(pid: int) -> tuple[float, float]:
    """Return the CPU seconds of the tree below `pid`: of its living processes, and of those that they waited for."""
    own = children = 0
    for member in tree(pid):
        try:
            fields = _stat(member)
        except OSError:  # it ended meanwhile, and is in its parent's sum
            continue
        own += int(fields[11]) + int(fields[12])
        children += int(fields[13]) + int(fields[14])
    return own / _TICKS, children / _TICKS


def machine_busy_s() -> float:
    """Return the CPU seconds that all cores together have worked since boot."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / _TICKS


def footprint(pid: int) -> Footprint:
    """Return what `pid` holds now; zombies are counted below it."""
    base = Path(f"/proc/{pid}")
    status = _kilobytes(base / "status")
    return Footprint(
        rss_kb=status["VmRSS"],
        pss_kb=_kilobytes(base / "smaps_rollup")["Pss"],
        threads=status["Threads"],
        descriptors=len(_names(base / "fd")),
        zombies=sum(_is_zombie(member) for member in tree(pid)),
    )


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; the name before them may hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _names(folder: Path) -> list[str]:
    try:
        return [item.name for item in folder.iterdir()]
    except OSError:  # the process ended meanwhile
        return []


def _is_zombie(pid: int) -> bool:
    try:
        return _stat(pid)[0] == "Z"
    except OSError:
        return False


def _kilobytes(file: Path) -> dict[str, int]:
    lines = (line.split() for line in file.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}
