"""How fast goophry empties a full list, as a share of what the kernel allows.

    python benchmarks/drain.py [--workers 1 2 4 16] [--seconds 4] [--rounds 3]

Each drain stands between two runs of `limit`, and only its ratio to their mean is compared. The list is filled
first; then goophry starts, with stats server, metrics and log. Rate: entries that left the list between the first
and the last look at it. Rounds in which other programs kept a quarter of a core busy are left out, if there are others.
"""

import argparse
import json
import statistics
import subprocess
from dataclasses import asdict
from typing import Any
from urllib.request import urlopen

from harness import BenchmarkError, Workshop, drained, free_port, span, wait_until, workshop
from procfs import machine_busy_s
from report import machine, note, publish

DELIVERIES = ("at-most-once", "at-least-once")
LIMITS = ("loop", "threads")
DISTURBED_CORES = 0.25
"""A round in which other programs took more than this is left out, if an undisturbed one is there."""


def main() -> None:
    """Measure every number of workers with both deliveries, in interleaved rounds."""
    options = _options()
    runs: list[dict[str, Any]] = []
    with workshop() as shop:
        about = machine(shop.client)
        for number in range(options.rounds):
            for workers in options.workers:
                runs.extend(_pair(shop, workers=workers, seconds=options.seconds))
                note(f"round {number + 1} of {options.rounds}, {workers} workers")
        publish("drain", "Drain of a full list, medians", _rows(runs, options.workers), about=about, raw=runs)


def limits(shop: Workshop, *, slots: int, seconds: float) -> dict[str, float]:
    """Return the no-ops a second of the C loop and of the C threads, and the cores that others kept busy meanwhile."""
    found: dict[str, float] = {"foreign_cores": 0.0}
    for way in LIMITS:
        command = [str(shop.compiled("limit")), way, str(slots), str(seconds), str(shop.compiled("noop"))]
        before_s = machine_busy_s()
        done = subprocess.run(command, check=True, capture_output=True, timeout=seconds + 30)
        result = json.loads(done.stdout)
        foreign_s = machine_busy_s() - before_s - result["own_cpu_s"] - result["children_cpu_s"]
        found[way] = float(result["rate"])
        found["foreign_cores"] = max(found["foreign_cores"], foreign_s / result["seconds"])
    return found


def _pair(shop: Workshop, *, workers: int, seconds: float) -> list[dict[str, Any]]:
    """Measure both deliveries, each between two looks at the limits."""
    before = limits(shop, slots=workers, seconds=seconds / 3)
    runs: list[dict[str, Any]] = []
    for delivery in DELIVERIES:
        run = _drain(shop, workers=workers, delivery=delivery, count=int(before["loop"] * seconds))
        after = limits(shop, slots=workers, seconds=seconds / 3)
        for way in LIMITS:
            run[way] = (before[way] + after[way]) / 2
            run[f"ratio_{way}"] = run["rate"] / run[way]
        run["foreign_cores"] = max(run["foreign_cores"], before["foreign_cores"], after["foreign_cores"])
        runs.append(run)
        before = after
    return runs


def _drain(shop: Workshop, *, workers: int, delivery: str, count: int) -> dict[str, Any]:
    stats = f"127.0.0.1:{free_port()}"
    shop.client.flushdb()
    shop.fill("bench:noop", count)
    task = {"Type": "noop", "Script": str(shop.compiled("noop")), "Workers": workers}
    with shop.goophry([task], Delivery=delivery, StatsInterface=stats) as runner:
        samples = drained(shop, runner, total=count, done=lambda: count - int(shop.client.llen("bench:noop")))
        wait_until(lambda: _succeeded(stats) == count, f"all {count} tasks are counted as successes")
    if shop.client.exists("bench:noop:failed"):
        raise BenchmarkError("tasks failed")
    return {"workers": workers, "delivery": delivery, **asdict(span(samples[0], samples[-1]))}


def _succeeded(stats: str) -> int:
    """Return the successes that the stats page counts."""
    with urlopen(f"http://{stats}/", timeout=10) as page:
        lines = page.read().decode().splitlines()
    wanted = (line for line in lines if line.startswith("goophry_tasks_finished_total{") and '"success"' in line)
    return round(sum(float(line.rpartition(" ")[2]) for line in wanted))


def _rows(runs: list[dict[str, Any]], workers: list[int]) -> list[dict[str, Any]]:
    rows = []
    for count in workers:
        ratios = {}
        for delivery in DELIVERIES:
            made = [run for run in runs if (run["workers"], run["delivery"]) == (count, delivery)]
            chosen = [run for run in made if run["foreign_cores"] <= DISTURBED_CORES] or made
            middle = {key: statistics.median(run[key] for run in chosen) for key in chosen[0] if key != "delivery"}
            ratios[delivery] = middle["ratio_loop"]
            rows.append(
                {
                    "workers": count,
                    "delivery": delivery,
                    "tasks/s": float(middle["rate"]),
                    "limit/s": float(middle["loop"]),
                    "ratio": middle["ratio_loop"],
                    "threads/s": float(middle["threads"]),
                    "÷ threads": middle["ratio_threads"],
                    "least ÷ most": ratios[delivery] / ratios["at-most-once"],
                    "goophry µs": middle["own_us"],
                    "scripts µs": middle["children_us"],
                    "Redis µs": middle["redis_us"],
                    "others, cores": middle["foreign_cores"],
                    "rounds": f"{len(chosen)} of {len(made)}",
                }
            )
    return rows


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 16])
    parser.add_argument("--seconds", type=float, default=4, help="length of one drain at the speed of the limit")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
