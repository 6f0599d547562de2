"""One Python script in three ways: started per task, with its modules preloaded, and kept alive (kind `persistent`).

    python benchmarks/persistent.py [--workers 2] [--seconds 4] [--rounds 3]

The script imports a heavy set of standard modules and then has next to nothing to do, so the table shows what
start-up costs and what each way saves of it. Beside it a light script without those imports.
"""

import argparse
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import BenchmarkError, Workshop, drained, span, workshop
from report import machine, note, publish

HEAVY = (
    "asyncio",
    "concurrent.futures",
    "ctypes",
    "decimal",
    "email.mime.multipart",
    "http.client",
    "http.server",
    "logging.config",
    "multiprocessing.pool",
    "sqlite3",
    "unittest.mock",
    "urllib.request",
    "xml.etree.ElementTree",
    "xmlrpc.client",
)
LIGHT = ("json",)

# Called with --serve it answers line by line, else it does one task, whose Args are its arguments.
SCRIPT = """#!{python}
import json, sys
import {modules}

def work(args):
    return sum(int(arg) for arg in args)

if sys.argv[1:] == ["--serve"]:
    for line in sys.stdin:
        work(json.loads(line)["Args"])
        print('{{"ok":true}}', flush=True)
else:
    work(sys.argv[1:])
"""

# How each way is written in the configuration, and how many tasks it may be expected to do in a second at most;
# the number only decides how many are put in.
WAYS: dict[str, float] = {"per task": 120, "preload": 1500, "persistent": 25_000}


def main() -> None:
    """Measure each way with the heavy and the light script, in interleaved rounds."""
    options = _options()
    runs: list[dict[str, Any]] = []
    with workshop() as shop:
        about = machine(shop.client)
        scripts = {"heavy": _script(shop, "heavy", HEAVY), "light": _script(shop, "light", LIGHT)}
        start_ms = {name: _start_ms(script) for name, script in scripts.items()}
        for number in range(options.rounds):
            for name, script in scripts.items():
                for way in options.ways:
                    run = _drain(shop, script, way=way, modules=HEAVY if name == "heavy" else LIGHT, options=options)
                    runs.append({"script": name, "start_ms": start_ms[name], "way": way, **run})
            note(f"round {number + 1} of {options.rounds}")
    title = f"A Python script with {options.workers} workers, at-least-once, medians"
    publish("persistent", title, _rows(runs, options.ways), about=about, raw=runs)


def _script(shop: Workshop, name: str, modules: tuple[str, ...]) -> Path:
    script = shop.folder / f"{name}.py"
    script.write_text(SCRIPT.format(python=sys.executable, modules=", ".join(modules)))
    script.chmod(0o755)
    return script


def _start_ms(script: Path) -> float:
    """Return the median time of one run by itself."""
    took_ms = []
    for _ in range(10):
        begun_s = time.perf_counter()
        subprocess.run([script, "1"], check=True)
        took_ms.append((time.perf_counter() - begun_s) * 1e3)
    return statistics.median(took_ms)


def _drain(
    shop: Workshop, script: Path, *, way: str, modules: tuple[str, ...], options: argparse.Namespace
) -> dict[str, Any]:
    count = int(WAYS[way] * options.seconds)
    shop.client.flushdb()
    shop.fill("bench:python", count)
    task: dict[str, Any] = {"Type": "python", "Script": str(script), "Workers": options.workers}
    if way == "persistent":
        task |= {"Kind": "persistent", "Script": [str(script), "--serve"]}
    elif way == "preload":
        task |= {"Preload": list(modules)}
    with shop.goophry([task], Delivery="at-least-once") as runner:
        samples = drained(shop, runner, total=count, done=lambda: count - int(shop.client.llen("bench:python")))
    if shop.client.exists("bench:python:failed"):
        raise BenchmarkError(f"tasks failed: {shop.client.lindex('bench:python:failed', 0)!r}")
    # Children that live on need their start-up once; the measure begins after it, as the first twentieth is done.
    warm = [sample for sample in samples if sample.done >= count / 20]
    return asdict(span(warm[0], warm[-1]))


def _rows(runs: list[dict[str, Any]], ways: list[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in ("heavy", "light"):
        per_task = 0.0
        for way in ways:
            chosen = [run for run in runs if (run["script"], run["way"]) == (name, way)]
            rate = statistics.median(run["rate"] for run in chosen)
            per_task = per_task or rate
            rows.append(
                {
                    "script": name,
                    "alone, ms": float(chosen[0]["start_ms"]),
                    "way": way,
                    "tasks/s": float(rate),
                    f"÷ {ways[0]}": rate / per_task,
                    "goophry and helpers µs": statistics.median(run["own_us"] for run in chosen),
                    "ended children µs": statistics.median(run["children_us"] for run in chosen),
                    "others, cores": statistics.median(run["foreign_cores"] for run in chosen),
                }
            )
    return rows


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4, help="least length of one drain on a fast machine")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
