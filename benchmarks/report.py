"""What a benchmark leaves behind: a table on the terminal, JSON in `results/`, and on which machine it was."""

import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis

from goophry import __version__

RESULTS = Path(__file__).parent / "results"


def machine(client: redis.Redis) -> dict[str, Any]:
    """Return what a figure depends on."""
    info: Any = client.info("server")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu_model(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "redis": info["redis_version"],
        "goophry": __version__,
        "load_before": round(os.getloadavg()[0], 2),
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def publish(name: str, title: str, rows: Sequence[dict[str, Any]], *, about: dict[str, Any], raw: object) -> None:
    """Print `rows` as a table and write everything to `results/NAME.json`, replacing the last run's."""
    print(f"\n{title}\n")
    print(table(rows))
    print("\n" + " · ".join(f"{key} {value}" for key, value in about.items()))
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{name}.json"
    kept = {"benchmark": name, "command": sys.argv, "machine": about, "table": list(rows), "raw": raw}
    target.write_text(json.dumps(kept, indent=1) + "\n")
    print(f"written to {target}")


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return `rows` as a Markdown table; the keys of the first row are its head."""
    head = list(rows[0])
    cells = [head, *([_cell(row.get(key)) for key in head] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(_padded(row, widths)) + " |" for row in cells)


def note(message: str) -> None:
    """Tell on stderr how far the run is."""
    print(f"  … {message}", file=sys.stderr, flush=True)


def _padded(row: Iterable[str], widths: Iterable[int]) -> Iterable[str]:
    return (cell.ljust(width) for cell, width in zip(row, widths, strict=True))


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
