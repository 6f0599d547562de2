"""A fleet of instances at work on one Redis: started, looked at twice, and stopped."""

import contextlib
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import procfs
from fleet_model import Fleet
from harness import BenchmarkError, Workshop, free_port, wait_until
from slow_redis import SlowRedis

SETTLE_S = 1.5
"""Seconds from when all workers have begun until the first look."""


@dataclass(frozen=True, slots=True)
class Look:
    """Sums at one moment."""

    at_s: float
    taken: int
    redis_s: float
    reads: int
    own_s: float
    running_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What happened between two looks."""

    rate: float
    redis_us: float
    """CPU of Redis for each task."""
    trips: float
    """Round trips for each task."""
    own_us: float
    """CPU of the instances and their scripts for each task."""
    redis_share: float
    """Cores that Redis used."""
    could_share: float
    """Cores that it was let have."""


def measured(
    shop: Workshop,
    fleet: Fleet,
    *,
    delivery: str,
    ids: bool,
    seconds: float,
    expected: float,
    share: float = 1.0,
) -> Measured:
    """Have a fleet work off a list; `expected` is the most that it may do in a second."""
    entries = int(expected * (seconds + 2 * SETTLE_S + 1))
    with contextlib.ExitStack() as stack:
        pids = stack.enter_context(running(shop, fleet, delivery=delivery, ids=ids, entries=entries))
        slow = None if share == 1 else stack.enter_context(SlowRedis(shop.redis_pid, share))
        time.sleep(SETTLE_S)
        found = between(look(shop, pids, slow), seconds, shop, pids, slow)
        if not shop.client.llen("bench:t"):
            raise BenchmarkError(f"{entries} tasks were too few for {seconds:.0f} s")
    if shop.client.exists("bench:t:failed"):
        raise BenchmarkError(f"tasks failed: {shop.client.lindex('bench:t:failed', 0)!r}")
    return found


@contextlib.contextmanager
def running(shop: Workshop, fleet: Fleet, *, delivery: str, ids: bool, entries: int) -> Iterator[list[int]]:
    """Start the instances, then fill the list; yield their pids once all workers have begun."""
    shop.client.flushdb()
    config = {
        "RedisAddress": f"127.0.0.1:{shop.redis_port}",
        "RedisQueueKey": "bench",
        "Delivery": delivery,
        "FailedTasksTTL": 3600,
        "ShutdownTimeout": 0,
        "Tasks": [
            {
                "Type": "t",
                "Kind": "persistent",
                "Script": [str(shop.compiled("sleeper"))],
                "Workers": fleet.workers,
                "KillGrace": 0.1,
            }
        ],
    }
    file = shop.folder / "fleet.config.json"
    file.write_text(json.dumps(config))
    program = str(Path(sys.executable).with_name("goophry"))
    with contextlib.ExitStack() as stack:
        pids = []
        for number in range(fleet.instances):
            env = {"GOOPHRY_STATS_INTERFACE": f"127.0.0.1:{free_port()}"}
            command = [program, "-c", str(file), "-l", str(shop.folder / f"fleet-{number}.log")]
            pids.append(stack.enter_context(shop.process(command, env=env)).pid)
        wait_until(lambda: shop.client.zcard("bench:instances:seen") == fleet.instances, "all instances are there")
        _fill(shop, fleet.length_s, entries, ids=ids)
        if entries:
            busy = fleet.instances * fleet.workers
            wait_until(lambda: entries - shop.client.llen("bench:t") >= busy, "all workers have begun")
        yield pids


def _fill(shop: Workshop, length_s: float, count: int, *, ids: bool) -> None:
    """Put entries into the list whose lengths are spread evenly from none to twice `length_s`."""
    lengths = random.Random(count)
    for first in range(0, count, 10_000):
        entries = []
        for number in range(first, min(first + 10_000, count)):
            args = {"Args": [f"{lengths.random() * 2 * length_s * 1000:.3f}"]}
            entries.append(json.dumps(args | ({"Id": f"task-{number}"} if ids else {})))
        shop.client.rpush("bench:t", *entries)


def plant(shop: Workshop, count: int) -> None:
    """Have it look as if so many other instances were there, on hosts of their own, as busy as the one that is."""
    if not count:
        return
    (alive,) = shop.client.zrange("bench:instances:seen", 0, -1)
    beat: Any = shop.client.get(b"bench:instance:" + alive)
    about = json.loads(beat) | {"Host": "elsewhere"}
    for number in range(count):
        name = f"elsewhere-{number}"
        shop.client.set(f"bench:instance:{name}", json.dumps(about))
        shop.client.sadd("{bench:t}:instances", name)
        shop.client.zadd("bench:instances:seen", {name: time.time()})


def look(shop: Workshop, pids: Sequence[int], slow: SlowRedis | None) -> Look:
    """Look at the list, at Redis, and at the CPU time of the instances."""
    own_s = sum(sum(procfs.cpu_s(pid)) for pid in pids)
    info: Any = shop.client.info("everything")
    left: Any = shop.client.llen("bench:t")
    return Look(
        time.monotonic(),
        -left,
        info["used_cpu_user"] + info["used_cpu_sys"],
        info["total_reads_processed"],
        own_s,
        slow.running_s if slow else time.monotonic(),
    )


def between(first: Look, seconds: float, shop: Workshop, pids: Sequence[int], slow: SlowRedis | None) -> Measured:
    """Wait for so many seconds, look again, and return what happened meanwhile."""
    time.sleep(seconds)
    last = look(shop, pids, slow)
    took_s, tasks = last.at_s - first.at_s, last.taken - first.taken
    redis_s = last.redis_s - first.redis_s
    each = max(1, tasks)
    return Measured(
        rate=tasks / took_s,
        redis_us=redis_s / each * 1e6,
        trips=(last.reads - first.reads) / each,
        own_us=(last.own_s - first.own_s) / each * 1e6,
        redis_share=redis_s / took_s,
        could_share=(last.running_s - first.running_s) / took_s,
    )
