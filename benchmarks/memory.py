"""What goophry holds: idle with many types, before a large backlog, and after many tasks.

    python benchmarks/memory.py [--full] [--types 1 100 1000]

The idle part runs without the HTTP server. The long drain compares its first and last tenth, and looks at memory,
descriptors, threads and zombies on the way: 200,000 entries, with --full 1,000,000 (some minutes).
"""

import argparse
import os
import subprocess
import time
from dataclasses import asdict
from typing import Any

import procfs
from harness import Sample, Workshop, drained, span, wait_until, workshop
from report import machine, note, publish

IDLE_S = 10.0
Runner = subprocess.Popen[bytes]


def main() -> None:
    """Measure the idle footprints first, then the long drain."""
    options = _options()
    with workshop() as shop:
        about = machine(shop.client)
        idle = []
        for types in options.types:
            idle.append(_idle(shop, types=types))
            note(f"idle with {types} types")
        _add_cost_per_type(idle)
        total = options.entries or (1_000_000 if options.full else 200_000)
        stages, speed = _long_drain(shop, total=total, workers=options.workers)
    publish("memory-idle", f"Idle, no HTTP server, CPU over {IDLE_S:.0f} s", idle, about=about, raw=idle)
    publish("memory-drain", f"Footprint on the way through {total:,} entries", stages, about=about, raw=stages)
    publish("memory-speed", f"Speed on the way through {total:,} entries", speed, about=about, raw=speed)


def _idle(shop: Workshop, *, types: int) -> dict[str, Any]:
    """Run goophry with so many types until it is at rest, then look for `IDLE_S` seconds."""
    noop = str(shop.compiled("noop"))
    last = f"type{types - 1}"
    shop.client.flushdb()
    shop.fill(f"bench:{last}", 1)
    with shop.goophry([{"Type": f"type{n}", "Script": noop} for n in range(types)]) as runner:
        wait_until(lambda: not shop.client.llen(f"bench:{last}"), "the last type takes its entry", within_s=120)
        _wait_for_rest(runner)
        before_s = sum(procfs.cpu_s(runner.pid))
        time.sleep(IDLE_S)
        used_s = sum(procfs.cpu_s(runner.pid)) - before_s
        return {"types": types, **asdict(procfs.footprint(runner.pid)), "CPU %": used_s / IDLE_S * 100}


def _wait_for_rest(runner: Runner) -> None:
    """Return when two seconds in a row cost the same CPU time, give or take 20 ms, or after 30 s."""
    spent_s = [sum(procfs.cpu_s(runner.pid))]
    for _ in range(30):
        time.sleep(1)
        spent_s.append(sum(procfs.cpu_s(runner.pid)))
        if len(spent_s) > 2 and abs(spent_s[-1] - 2 * spent_s[-2] + spent_s[-3]) <= 0.02:
            return


def _add_cost_per_type(rows: list[dict[str, Any]]) -> None:
    base = rows[0]
    for row in rows:
        more = row["types"] - base["types"]
        row["KB per further type"] = (row["rss_kb"] - base["rss_kb"]) / more if more else None


def _long_drain(shop: Workshop, *, total: int, workers: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Drain `total` entries; return the footprints at each tenth, and the speeds of each tenth."""
    shop.client.flushdb()
    shop.fill("bench:noop", total)
    task = {"Type": "noop", "Script": str(shop.compiled("noop")), "Workers": workers}
    marks = [total * tenth // 10 for tenth in range(1, 10)]
    stages: list[dict[str, Any]] = []
    with shop.goophry([task]) as runner:

        def done() -> int:
            count = total - int(shop.client.llen("bench:noop"))
            if len(stages) < len(marks) and count >= marks[len(stages)]:
                stages.append(_stage(runner, count))
                note(f"{count:,} of {total:,}")
            return count

        samples = drained(shop, runner, total=total, done=done)
        _wait_for_rest(runner)
        stages.append(_stage(runner, total))
    return stages, _speed_by_tenth(samples, total)


def _stage(runner: Runner, count: int) -> dict[str, Any]:
    return {"tasks": count, **asdict(procfs.footprint(runner.pid))}


def _speed_by_tenth(samples: list[Sample], total: int) -> list[dict[str, Any]]:
    """Return rate and CPU of each tenth, and how it compares with the first.

    The last column leaves out what other programs took: rate ÷ cores that they left, compared with the first tenth.
    """
    cores = len(os.sched_getaffinity(0))
    rows: list[dict[str, Any]] = []
    for tenth in range(10):
        low, high = total * tenth // 10, total * (tenth + 1) // 10
        part = [sample for sample in samples if low <= sample.done <= high]
        if len(part) < 2:
            continue
        seen = span(part[0], part[-1])
        per_core = seen.rate / (cores - min(seen.foreign_cores, cores - 0.1))
        first, first_per_core = (rows[0]["tasks/s"], rows[0]["per free core"]) if rows else (seen.rate, per_core)
        rows.append(
            {
                "until task": high,
                "tasks/s": seen.rate,
                "÷ first": seen.rate / first,
                "goophry µs": seen.own_us,
                "scripts µs": seen.children_us,
                "others, cores": seen.foreign_cores,
                "per free core": per_core,
                "÷ first, per free core": per_core / first_per_core,
            }
        )
    return rows


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--types", type=int, nargs="+", default=[1, 100, 1000])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--full", action="store_true", help="1,000,000 entries in the long drain")
    parser.add_argument("--entries", type=int, default=0, help="so many entries instead")
    return parser.parse_args()


if __name__ == "__main__":
    main()
