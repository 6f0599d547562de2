"""`goophry demo`: the whole of it in a few seconds, with real parts and nothing left behind.

A Redis of goophry's own, a real configuration, entries pushed by redis-cli as any producer
would, goophry itself as a child process, one script that fails, and the stats over HTTP.
"""

import json
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from goophry import exit_codes
from goophry.cli.configuration import DEFAULT_NAME
from goophry.errors import StartError
from goophry.store.embedded import find_program

#: Seconds that each step may take on a slow machine; usually all of it takes two.
_PATIENCE_S: Final = 30.0
_TICK_S: Final = 0.03

_SCRIPTS: Final = {
    "greet.sh": 'echo "Hello, $1!" >> greetings.txt',
    "count-words.sh": 'set -- $(wc -w < "$1")\necho "$1 words" >> greetings.txt',
    "backup.sh": 'echo "backup: no disk at $1" >&2\nexit 3',
    "on-error.sh": 'printf "%s\\n" "$1" >> told.txt',
}

_PUSHED: Final = (
    ("greet", ["World"]),
    ("greet", ["two words"]),
    ("count-words", ["goophry.config.json"]),
    ("backup", ["/mnt/usb"]),
    ("greet", ["Zoë"]),
)


@dataclass(frozen=True, slots=True)
class Demo:
    """Where everything is."""

    folder: Path
    redis_port: int
    stats_port: int

    @property
    def stats_url(self) -> str:
        """Address of the stats."""
        return f"http://127.0.0.1:{self.stats_port}/"


def demo() -> int:
    """Show it; OK only if everything happened as it should. Raises `StartError`."""
    find_program("redis-server")
    with tempfile.TemporaryDirectory(prefix="goophry-demo-") as name:
        there = Demo(Path(name), _free_port(), _free_port())
        _write_files(there)
        _title("The configuration")
        print((there.folder / DEFAULT_NAME).read_text(), end="")
        process = _start_goophry(there)
        try:
            surprises = _show(there, process)
        finally:
            surprise = _stop(process)
    return _conclude([*surprises, *surprise])


def _show(there: Demo, process: "subprocess.Popen[bytes]") -> list[str]:
    """Push, wait, print what came of it; return what was not as it should be."""
    _wait(process, lambda: _get(f"{there.stats_url}?format=json"), what="the stats server answers", there=there)
    _title("Any program pushes, here redis-cli")
    for task_type, args in _PUSHED:
        entry = json.dumps({"Args": args}, ensure_ascii=False)
        print(f"$ redis-cli rpush demo:{task_type} {shlex.quote(entry)}")
        _redis_cli(there, "rpush", f"demo:{task_type}", entry)
    told = there.folder / "told.txt"
    _wait(
        process,
        lambda: sum(_finished(there).values()) == len(_PUSHED) and told.exists(),
        what="all tasks end",
        there=there,
    )
    finished = _finished(there)
    failed = _redis_cli(there, "lrange", "demo:backup:failed", "0", "-1").splitlines()
    _title("goophry runs, and says")
    print((there.folder / "goophry.log").read_text(), end="")
    _title("The scripts wrote")
    print((there.folder / "greetings.txt").read_text(), end="")
    _title("What failed is in the list demo:backup:failed")
    print("\n".join(failed))
    _title("and was told to the ErrorScript")
    print(told.read_text().rstrip())
    _title(f"Stats, {there.stats_url}")
    print(f"{_get(f'{there.stats_url}?format=json')}    (?format=json)")
    print("\n".join(line for line in _metrics(there) if _is_count(line)))
    return _surprises(there, finished, failed)


def _surprises(there: Demo, finished: dict[str, int], failed: list[str]) -> list[str]:
    surprises = []
    if finished != {"success": len(_PUSHED) - 1, "failed": 1}:
        surprises.append(f"the metrics count {finished}")
    if len(failed) != 1 or json.loads(failed[0])["Args"] != ["/mnt/usb"]:
        surprises.append(f"the failed list holds {failed}")
    lines = set((there.folder / "greetings.txt").read_text().splitlines())
    if not {"Hello, World!", "Hello, two words!", "Hello, Zoë!"} <= lines:
        surprises.append(f"the scripts wrote {sorted(lines)}")
    return surprises


def _conclude(surprises: list[str]) -> int:
    if surprises:
        print("\nNot as it should be: " + "; ".join(surprises), file=sys.stderr)
        return exit_codes.FAILED
    print("\nAll as it should be. `goophry init` writes a configuration of your own.")
    return exit_codes.OK


def _write_files(there: Demo) -> None:
    for name, body in _SCRIPTS.items():
        script = there.folder / name
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
    config = {
        "RedisAddress": "embedded",
        "EmbeddedPort": there.redis_port,
        "RedisQueueKey": "demo",
        "ErrorScript": "./on-error.sh",
        "FailedTasksTTL": 3600,
        "StatsInterface": f"127.0.0.1:{there.stats_port}",
    }
    types = [("greet", 2), ("count-words", 1), ("backup", 1)]
    tasks = ",\n".join(
        f"    {json.dumps({'Type': name, 'Script': f'./{name}.sh', 'Workers': workers})}" for name, workers in types
    )
    head = json.dumps(config, indent=2).removesuffix("\n}")
    (there.folder / DEFAULT_NAME).write_text(f'{head},\n  "Tasks": [\n{tasks}\n  ]\n}}\n')


def _start_goophry(there: Demo) -> "subprocess.Popen[bytes]":
    with (there.folder / "goophry.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "goophry"], cwd=there.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


def _stop(process: "subprocess.Popen[bytes]") -> list[str]:
    process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return ["goophry did not stop"]
    return [] if status == exit_codes.OK else [f"goophry ended with status {status}"]


def _wait(process: "subprocess.Popen[bytes]", condition: Callable[[], object], *, what: str, there: Demo) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        try:
            status = process.wait(_TICK_S)
        except subprocess.TimeoutExpired:
            if time.monotonic() < end:
                continue
            status = None
        log = (there.folder / "goophry.log").read_text(errors="replace").rstrip()
        ended = f"goophry ended with status {status}" if status is not None else f"waited {_PATIENCE_S:.0f} s in vain"
        raise StartError(f"{ended} before {what}; it said:\n{log}")


def _redis_cli(there: Demo, *arguments: str) -> str:
    command = [str(find_program("redis-cli")), "-p", str(there.redis_port), "--raw", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=_PATIENCE_S).stdout


def _finished(there: Demo) -> dict[str, int]:
    """Return how many tasks ended, by outcome, as the Prometheus text has it."""
    counts: dict[str, int] = {}
    for line in _metrics(there):
        if _is_count(line):
            labels, _, value = line.rpartition(" ")
            outcome = labels.partition('outcome="')[2].partition('"')[0]
            counts[outcome] = counts.get(outcome, 0) + int(float(value))
    return counts


def _is_count(line: str) -> bool:
    return line.startswith("goophry_tasks_finished_total{") and not line.endswith(" 0.0")


def _metrics(there: Demo) -> list[str]:
    return _get(there.stats_url).splitlines()


def _get(url: str) -> str:
    """Return what the URL answers, empty while nobody does."""
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE_S) as response:  # noqa: S310 # our own http:// URL
            return str(response.read().decode())
    except (urllib.error.URLError, ConnectionError):
        return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _title(text: str) -> None:
    bold, plain = ("\x1b[1m", "\x1b[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}{text}{plain}", flush=True)
