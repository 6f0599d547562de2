"""How long it takes from a push to the script's first instruction, beside a bare C loop that does the same.

    python benchmarks/latency.py [--slots 4] [--seconds 10] [--rounds 5]

A pusher sends entries at an even pace, each with the moment of its push; the script, a small static program, looks
at the clock before all else and writes both moments into a file. goophry and the C loop take turns, each alone on
the machine, once at 100 entries a second and once at half of goophry's drain rate, measured first with this script.
"""

import argparse
import contextlib
import socket
import statistics
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import BenchmarkError, Workshop, drained, span, wait_until, workshop
from report import machine, note, publish

RUNNERS = ("bare C loop", "goophry")
WARM_UP = 50
KEY = "bench:probe"


def main() -> None:
    """Measure both runners at both paces, in turns."""
    options = _options()
    rounds: list[dict[str, Any]] = []
    with workshop() as shop:
        about = machine(shop.client)
        half = _drain_rate(shop, slots=options.slots, count=options.drain_tasks) / 2
        for number in range(options.rounds):
            for pace, rate in (("100/s", 100.0), ("half of drain", half)):
                for name in RUNNERS:
                    waits_us = _measure(shop, name, rate=rate, slots=options.slots, seconds=options.seconds)
                    rounds.append({"pace": pace, "rate": rate, "runner": name, **_percentiles(waits_us)})
            note(f"round {number + 1} of {options.rounds}")
    publish("latency", "Push → first instruction, µs, medians of the rounds", _rows(rounds), about=about, raw=rounds)


def _drain_rate(shop: Workshop, *, slots: int, count: int) -> float:
    """Return how many probes a second goophry drains from a full list."""
    seen = shop.folder / "drained"
    shop.client.rpush(KEY, *[b'{"Args":["0"]}'] * count)
    with _running(shop, "goophry", slots=slots, seen=seen) as runner:
        samples = drained(shop, runner, total=count, done=lambda: count - int(shop.client.llen(KEY)))
    return span(samples[0], samples[-1]).rate


def _measure(shop: Workshop, name: str, *, rate: float, slots: int, seconds: float) -> list[float]:
    """Push at `rate` for `seconds` and return the waits in microseconds, those of the warm-up left out."""
    shop.client.delete(KEY)
    seen = shop.folder / "seen"
    seen.unlink(missing_ok=True)
    seen.touch()
    count = max(int(rate * seconds), 10)
    with _running(shop, name, slots=slots, seen=seen), socket.create_connection(("127.0.0.1", shop.redis_port)) as to:
        to.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _push(to, count=WARM_UP, rate=100)
        wait_until(lambda: seen.stat().st_size == 16 * WARM_UP, f"{name} has run the {WARM_UP} tasks of the warm-up")
        _push(to, count=count, rate=rate)
        wait_until(lambda: seen.stat().st_size == 16 * (WARM_UP + count), f"{name} has run {count} tasks")
    return _waits_us(seen)[WARM_UP:]


@contextlib.contextmanager
def _running(shop: Workshop, name: str, *, slots: int, seen: Path) -> Iterator["subprocess.Popen[bytes]"]:
    probe = str(shop.compiled("probe"))
    if name == "goophry":
        task = {"Type": "probe", "Script": [probe, str(seen)], "Workers": slots}
        with shop.goophry([task]) as runner:
            yield runner
    else:
        command = [str(shop.compiled("bare_latency")), str(shop.redis_port), KEY, str(slots), probe, str(seen)]
        with shop.process(command) as runner:
            yield runner


def _push(to: socket.socket, *, count: int, rate: float) -> None:
    """RPUSH `count` entries at an even pace; the moment in an entry is that before it is sent."""
    head = b"*3\r\n$5\r\nRPUSH\r\n$%d\r\n%s\r\n" % (len(KEY), KEY.encode())
    begun_s = time.monotonic()
    for number in range(count):
        wait_s = begun_s + number / rate - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        entry = b'{"Args":["%d"]}' % time.monotonic_ns()
        to.sendall(b"%s$%d\r\n%s\r\n" % (head, len(entry), entry))
        if not to.recv(64).startswith(b":"):
            raise BenchmarkError("Redis did not take an entry")


def _waits_us(seen: Path) -> list[float]:
    pairs = sorted(struct.iter_unpack("=qq", seen.read_bytes()))
    return [(started_ns - pushed_ns) / 1e3 for pushed_ns, started_ns in pairs]


def _percentiles(waits_us: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(waits_us, n=1000, method="inclusive")
    return {"tasks": len(waits_us), "p50": cuts[499], "p90": cuts[899], "p99": cuts[989], "max": max(waits_us)}


def _rows(rounds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for pace in dict.fromkeys(entry["pace"] for entry in rounds):
        bare: dict[str, float] = {}
        for name in RUNNERS:
            chosen = [entry for entry in rounds if (entry["pace"], entry["runner"]) == (pace, name)]
            middle = {key: statistics.median(entry[key] for entry in chosen) for key in ("p50", "p90", "p99", "max")}
            bare = bare or middle
            ratios = {f"{key} ÷ bare": middle[key] / bare[key] for key in ("p50", "p99")}
            rows.append({"pace": pace, "tasks/s": float(chosen[0]["rate"]), "runner": name, **middle, **ratios})
    return rows


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=4, help="workers of goophry, threads of the C loop")
    parser.add_argument("--seconds", type=float, default=10, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--drain-tasks", type=int, default=6000, help="tasks of the drain that finds the second pace")
    return parser.parse_args()


if __name__ == "__main__":
    main()
