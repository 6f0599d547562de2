"""How late delayed tasks begin, with a million of them waiting, and what that costs goophry in memory.

    python benchmarks/delayed.py [--waiting 1000000] [--burst 10000] [--seconds 20]

Three measures with one goophry: entries that come due evenly, 100 a second, on an idle machine; the same while
another type drains a backlog with two workers; and a burst that is due within one second. The script is the small
static program of the latency measurement. Lateness is from the moment in the sorted set to the script's first
instruction, so for the burst it holds the time that running so many takes.
"""

import argparse
import statistics
import struct
import time
from pathlib import Path
from typing import Any

import procfs
from harness import BenchmarkError, Workshop, wait_until, workshop
from report import machine, publish

KEY = "{bench:probe}:delayed"
LEAD_S = 2.0
WORKERS = 4


def main() -> None:
    """Fill the set, measure, tell."""
    options = _options()
    rows: list[dict[str, Any]] = []
    with workshop() as shop:
        about = machine(shop.client)
        empty_kb = _rss_kb(shop)
        _fill(shop, count=options.waiting)
        seen = shop.folder / "seen"
        with shop.goophry(_types(shop, seen)) as runner:
            rows.append(_measure(shop, seen, "100/s", count=int(100 * options.seconds), over_s=options.seconds))
            shop.fill("bench:load", int(4000 * (options.seconds + 2 * LEAD_S)))
            rows.append(
                _measure(shop, seen, "100/s beside a drain", count=int(100 * options.seconds), over_s=options.seconds)
            )
            shop.client.delete("bench:load")
            rows.append(_measure(shop, seen, f"{options.burst} within 1 s", count=options.burst, over_s=1))
            full_kb = procfs.footprint(runner.pid).rss_kb
        left = int(shop.client.zcard(KEY))
    if left != options.waiting:
        raise BenchmarkError(f"{options.waiting - left} entries that are due in ten days have gone")
    for row in rows:
        row |= {"waiting": options.waiting, "RSS MB without": empty_kb / 1024, "RSS MB at the end": full_kb / 1024}
    publish("delayed", "Lateness of delayed tasks, ms", rows, about=about, raw=rows)


def _types(shop: Workshop, seen: Path) -> list[dict[str, Any]]:
    return [
        {"Type": "probe", "Script": [str(shop.compiled("probe")), str(seen)], "Workers": WORKERS},
        {"Type": "load", "Script": str(shop.compiled("noop")), "Workers": 2},
    ]


def _rss_kb(shop: Workshop) -> int:
    """Return what goophry takes with the same types, some tasks behind it and nothing waiting."""
    seen = shop.folder / "warm"
    with shop.goophry(_types(shop, seen)) as runner:
        _measure(shop, seen, "", count=500, over_s=1)
        return procfs.footprint(runner.pid).rss_kb


def _fill(shop: Workshop, *, count: int) -> None:
    far_ms = int((time.time() + 10 * 86_400) * 1000)
    for first in range(0, count, 10_000):
        entries = {b'{"Args":["%d"]}' % n: far_ms + n for n in range(first, min(first + 10_000, count))}
        shop.client.zadd(KEY, entries)


def _measure(shop: Workshop, seen: Path, name: str, *, count: int, over_s: float) -> dict[str, Any]:
    seen.unlink(missing_ok=True)
    seen.touch()
    begin_ns, to_unix_ns = time.monotonic_ns() + int(LEAD_S * 1e9), time.time_ns() - time.monotonic_ns()
    due_ms = [(begin_ns + to_unix_ns) // 1_000_000 + int(n * over_s * 1000 / count) for n in range(count)]
    # Each with a number of its own behind the moment, so that no two are the same member.
    entries = {b'{"Args":["%d"],"N":%d}' % (ms * 1_000_000 - to_unix_ns, n): ms for n, ms in enumerate(due_ms)}
    shop.client.zadd(KEY, entries)
    shop.client.publish("bench:events", '{"Event":"delayed","Type":"probe"}')
    wait_until(lambda: seen.stat().st_size == 16 * count, f"{count} tasks have run", within_s=over_s + 120)
    late_ms = sorted((started - due) / 1e6 for due, started in struct.iter_unpack("=qq", seen.read_bytes()))
    if late_ms[0] < 0:
        raise BenchmarkError(f"a task began {-late_ms[0]:.3f} ms early")
    cuts = statistics.quantiles(late_ms, n=100, method="inclusive")
    return {"load": name, "tasks": count, "p50": cuts[49], "p90": cuts[89], "p99": cuts[98], "max": late_ms[-1]}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=1_000_000, help="entries that wait meanwhile")
    parser.add_argument("--burst", type=int, default=10_000, help="entries that are due within one second")
    parser.add_argument("--seconds", type=float, default=20, help="length of the even measures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
