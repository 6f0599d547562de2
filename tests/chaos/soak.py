"""A very long drain with failures and killed instances: nothing may grow."""

import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from chaos.fleet import KEY, Fleet
from chaos.invariants import Row, account

#: Windows that the drain is divided into; the first two are for warming up.
WINDOWS = 12
WARM = 2


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found; of the instance that is never killed, and of Redis without the failed list."""

    tasks: int
    rss_kib: int
    descriptors: int
    threads: int
    zombies: int
    redis_keys: int
    redis_kib: int


def soak(folder: Path, *, seed: int, tasks: int, show: Callable[[str], None]) -> Row:
    """Run `tasks` tasks with two instances, one of which is killed in every window."""
    row = Row("soak")
    with Fleet(folder, seed=seed) as fleet:
        fleet.configure(fleet.record_type(), MaxRecoveries=1_000_000)
        steady = fleet.start(0)
        fleet.start(1)
        looks: list[Look] = []
        show("  ".join(f"{item.name:>11}" for item in fields(Look)))
        for window in range(WINDOWS):
            goal = tasks * (window + 1) // WINDOWS
            _window(fleet, goal)
            looks.append(_look(fleet, steady.pid))
            show("  ".join(f"{value:>11}" for value in astuple(looks[-1])))
        _judge(row, looks)
        account(row, fleet)
        row.require(fleet.alive(), "an instance ended by itself")
        row.note = f"RSS {looks[WARM].rss_kib} → {looks[-1].rss_kib} KiB"
    return row


def _window(fleet: Fleet, goal: int) -> None:
    """Push up to `goal` tasks in all, little enough at a time that Redis' own size says something; kill once."""
    kill_at = fleet.random.randint(len(fleet.pushed), goal)
    killed = False
    while len(fleet.pushed) < goal:
        fleet.push(min(1000, goal - len(fleet.pushed)), acts=lambda: _act(fleet))
        if not killed and len(fleet.pushed) >= kill_at:
            killed = True
            fleet.kill(1)
            fleet.start(1, ready=False)
        while fleet.client.llen(f"{KEY}:t") > 1000:
            time.sleep(0.02)
    fleet.drain(within=120)


def _act(fleet: Fleet) -> tuple[str, int]:
    dice = fleet.random.random()
    if dice < 0.9:
        return "ok", 0
    return ("fail", 0) if dice < 0.96 else ("print", 0)


def _look(fleet: Fleet, pid: int) -> Look:
    failed = fleet.client.memory_usage(f"{KEY}:t:failed", samples=0) or 0
    return Look(
        tasks=len(fleet.pushed),
        rss_kib=rss_kib(pid),
        descriptors=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
        threads=int(_status(pid, "Threads")),
        zombies=_zombies_of(pid),
        # Without the marks for killed instances, which expire after a day.
        redis_keys=int(fleet.client.dbsize()) - len(fleet.keys(":taken:")),
        redis_kib=(int(fleet.client.info("memory")["used_memory_dataset"]) - failed) // 1024,
    )


def rss_kib(pid: int) -> int:
    """Return how much of a process is in memory."""
    return int(_status(pid, "VmRSS").split()[0])


def _status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split(":", 1)[1] for line in lines if line.startswith(f"{name}:"))


def _zombies_of(pid: int) -> int:
    """Return how many ended children `pid` has not waited for; at rest there is none."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, *_ = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found += state == "Z" and int(parent) == pid
    return found


def _judge(row: Row, looks: Sequence[Look]) -> None:
    """Compare the last third with the first looks after warming up."""
    early, late = looks[WARM : WARM + 3], looks[-3:]
    rss_early, rss_late = max(look.rss_kib for look in early), max(look.rss_kib for look in late)
    row.require(rss_late < rss_early * 1.1 + 1024, f"RSS grew from {rss_early} to {rss_late} KiB")
    for name in ("descriptors", "threads", "redis_keys"):
        before, after = (max(getattr(look, name) for look in part) for part in (early, late))
        row.require(after <= before + 3, f"{name} grew from {before} to {after}")
    row.require(not any(look.zombies for look in looks), "there are zombies at rest")
