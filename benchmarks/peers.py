"""goophry beside other task queues, each running the same static program from Redis with the same number of workers.

    python benchmarks/peers.py [--workers 4] [--tasks 4000] [--rounds 3] [--only NAME ...]

The others are installed from the package index into an environment of their own (`.venv-peers`, or --environment)
on the first run, and run the program by `subprocess.run([...], check=True)`, as their users would. The program adds
one byte to a file, so completions are counted from outside and alike for all.
"""

import argparse
import json
import os
import statistics
import subprocess
import venv
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from harness import SOURCES, Workshop, drained, span, wait_until, workshop
from report import machine, note, publish

PACKAGES = ("huey", "dramatiq[redis]", "celery[redis]", "rq")

# The name of each, the module in peer_apps/, and the worker's command for so many workers.
PEERS: dict[str, tuple[str, Callable[[int], list[str]]]] = {
    "Huey, threads": ("huey_app", lambda n: ["huey_consumer", "huey_app.huey", "-k", "thread", "-w", str(n), "-q"]),
    "Huey, processes": ("huey_app", lambda n: ["huey_consumer", "huey_app.huey", "-k", "process", "-w", str(n), "-q"]),
    "Dramatiq, threads": ("dramatiq_app", lambda n: ["dramatiq", "dramatiq_app", "-p", "1", "-t", str(n)]),
    "Dramatiq, processes": ("dramatiq_app", lambda n: ["dramatiq", "dramatiq_app", "-p", str(n), "-t", "1"]),
    "Celery, threads": ("celery_app", lambda n: _celery("threads", n)),
    "Celery, prefork": ("celery_app", lambda n: _celery("prefork", n)),
    "RQ, fork per job": ("rq_app", lambda n: _rq("rq.worker.Worker", n)),
    "RQ, simple workers": ("rq_app", lambda n: _rq("rq.worker.SimpleWorker", n)),
}


def main() -> None:
    """Measure goophry and every peer in interleaved rounds."""
    options = _options()
    names = [name for name in PEERS if not options.only or any(part.lower() in name.lower() for part in options.only)]
    runs: list[dict[str, Any]] = []
    _prepare(options.environment)
    with workshop() as shop:
        about = machine(shop.client) | _versions(options.environment)
        for number in range(options.rounds):
            for workers in options.workers:
                runs.append(_goophry(shop, workers=workers, tasks=options.tasks))
                for name in names:
                    run = _peer(shop, name, workers=workers, tasks=options.tasks, environment=options.environment)
                    runs.append(run)
                    note(f"round {number + 1} of {options.rounds}: {name}, {workers} workers, {run['rate']:.0f}/s")
        rows = [row for workers in options.workers for row in _rows(runs, workers)]
        publish("peers", "The same program by different task queues, medians", rows, about=about, raw=runs)


def _goophry(shop: Workshop, *, workers: int, tasks: int) -> dict[str, Any]:
    shop.client.flushdb()
    shop.fill("bench:count", tasks)
    counter = _new_counter(shop)
    script = [str(shop.compiled("noop")), "--count", str(counter)]
    with shop.goophry([{"Type": "count", "Script": script, "Workers": workers}]) as runner:
        samples = drained(shop, runner, total=tasks, done=lambda: counter.stat().st_size)
    return {"name": "goophry", "workers": workers, **asdict(span(samples[0], samples[-1]))}


def _peer(shop: Workshop, name: str, *, workers: int, tasks: int, environment: Path) -> dict[str, Any]:
    module, worker_command = PEERS[name]
    shop.client.flushdb()
    counter = _new_counter(shop)
    env = {
        "PYTHONPATH": str(SOURCES / "peer_apps"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PEER_REDIS_URL": f"redis://127.0.0.1:{shop.redis_port}/0",
        "RQ_REDIS_URL": f"redis://127.0.0.1:{shop.redis_port}/0",
        "PEER_PROGRAM": json.dumps([str(shop.compiled("noop")), "--count", str(counter)]),
    }
    enqueue = [str(environment / "bin" / "python"), "-c", f"import {module}; {module}.enqueue({tasks})"]
    subprocess.run(enqueue, env={**os.environ, **env}, check=True, timeout=600)
    program, *arguments = worker_command(workers)
    with shop.process([str(environment / "bin" / program), *arguments], env=env) as runner:
        wait_until(lambda: counter.stat().st_size, f"{name} completes a task", within_s=60)
        samples = drained(shop, runner, total=tasks, done=lambda: counter.stat().st_size)
    return {"name": name, "workers": workers, **asdict(span(samples[0], samples[-1]))}


def _new_counter(shop: Workshop) -> Path:
    counter = shop.folder / "count"
    counter.write_bytes(b"")
    return counter


def _celery(pool: str, workers: int) -> list[str]:
    # Without the chatter between Celery's own workers, which would only cost it time here.
    quiet = ["--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    return ["celery", "-A", "celery_app", "worker", "-P", pool, "-c", str(workers), *quiet]


def _rq(worker_class: str, workers: int) -> list[str]:
    return ["rq", "worker-pool", "peer", "-n", str(workers), "-w", worker_class, "--quiet"]


def _prepare(environment: Path) -> None:
    """Make the peers' environment, if it is not there."""
    if not (environment / "bin" / "huey_consumer").exists():
        note(f"installing the peers into {environment}")
        venv.create(environment, with_pip=True)
        subprocess.run([environment / "bin" / "pip", "install", "--quiet", *PACKAGES], check=True, timeout=600)


def _versions(environment: Path) -> dict[str, str]:
    names = {package.partition("[")[0] for package in PACKAGES}
    folders = [str(folder) for folder in environment.glob("lib/python*/site-packages")]
    installed = metadata.distributions(path=folders)
    return {found.name: found.version for found in installed if found.name.lower() in names}


def _rows(runs: list[dict[str, Any]], workers: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys(run["name"] for run in runs):
        chosen = [run for run in runs if (run["name"], run["workers"]) == (name, workers)]
        middle = {key: statistics.median(run[key] for run in chosen) for key in chosen[0] if key != "name"}
        ours = rows[0]["tasks/s"] if rows else middle["rate"]
        rows.append(
            {
                "task queue": name,
                "workers": workers,
                "tasks/s": float(middle["rate"]),
                "goophry ÷ it": ours / middle["rate"],
                "its processes µs": middle["own_us"],
                "children µs": middle["children_us"],
                "Redis µs": middle["redis_us"],
                "CPU µs per task": middle["own_us"] + middle["children_us"] + middle["redis_us"],
                "others, cores": middle["foreign_cores"],
            }
        )
    return rows


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[4])
    parser.add_argument("--tasks", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[], help="parts of names, as `huey`")
    parser.add_argument("--environment", type=Path, default=SOURCES.parent / ".venv-peers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
