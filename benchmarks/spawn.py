"""How many processes a second: goophry's ScriptRunner, a C loop of posix_spawn, threads with subprocess.Popen.

    python benchmarks/spawn.py [TASKS] [ROUNDS]

No Redis and no engine: what starting, watching and burying a process costs. The program that is
started is a static C program that does nothing; the C loop is the limit that the kernel sets. All
three run in every round, one after the other, and the figures are medians over the rounds. CPU is
that of the starting process alone, in microseconds per task. Needs `cc`.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from goophry.config import TaskType
from goophry.entry import TaskEntry
from goophry.runners.base import Job
from goophry.runners.build import runner_factory

WORKERS = (1, 2, 4, 16)

NOOP = "int main(void) { return 0; }\n"

LIMIT = r"""
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#define SETSID 0x80

extern char **environ;
static char *program;
static int tasks_each;

static void *work(void *unused) {
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, SETSID);
    char *argv[] = {program, NULL};
    for (int i = 0; i < tasks_each; i++) {
        pid_t pid;
        int status;
        if (posix_spawn(&pid, program, NULL, &attributes, argv, environ)) abort();
        if (waitpid(pid, &status, 0) != pid || status) abort();
    }
    return unused;
}

int main(int count, char **args) {
    int workers = atoi(args[2]), tasks = atoi(args[3]);
    program = args[1];
    tasks_each = tasks / workers;
    pthread_t threads[64];
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < workers; i++) pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < workers; i++) pthread_join(threads[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double seconds = (end.tv_sec - begin.tv_sec) + (end.tv_nsec - begin.tv_nsec) / 1e9;
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("%f %f\n", tasks_each * workers / seconds, cpu / (tasks_each * workers) * 1e6);
    return 0;
}
"""

Figures = tuple[float, float]
"""Tasks per second, and microseconds of the starter's CPU per task."""


def compiled(folder: Path, *, name: str, source: str, options: tuple[str, ...]) -> Path:
    """Compile `source` and return the program."""
    (folder / f"{name}.c").write_text(source)
    subprocess.run(["cc", "-O2", *options, "-o", folder / name, folder / f"{name}.c"], check=True)
    return folder / name


def limit(loop: Path, noop: Path, *, workers: int, tasks: int) -> Figures:
    """Measure the C loop."""
    printed = subprocess.run([loop, noop, str(workers), str(tasks)], check=True, stdout=subprocess.PIPE)
    rate, cpu = printed.stdout.split()
    return float(rate), float(cpu)


def in_threads(work: Callable[[int], None], *, workers: int, tasks: int) -> Figures:
    """Measure `work(tasks of one worker)` in so many threads."""
    threads = [threading.Thread(target=work, args=(tasks // workers,)) for _ in range(workers)]
    cpu_before, begin = _own_cpu_s(), time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = tasks // workers * workers
    return done / (time.monotonic() - begin), (_own_cpu_s() - cpu_before) / done * 1e6


def script_runner(noop: Path) -> Callable[[int], None]:
    """Return one worker's part with goophry's runner."""
    make = runner_factory(TaskType(Type="noop", Script=[str(noop)]), instance_id="benchmark")

    def work(tasks: int) -> None:
        runner = make()
        for _ in range(tasks):
            if not runner.run(Job(TaskEntry(), uuid.uuid4().hex)).ok:
                raise SystemExit("a run failed")
        runner.close()

    return work


def popen(noop: Path) -> Callable[[int], None]:
    """Return one worker's part as one would write it with subprocess."""

    def work(tasks: int) -> None:
        for _ in range(tasks):
            process = subprocess.Popen(
                [noop],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            process.communicate()

    return work


def _own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure all, round by round, and print a table and JSON."""
    tasks, rounds = (int(value) for value in (*sys.argv[1:], *("3000", "5")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        noop = compiled(Path(folder), name="noop", source=NOOP, options=("-static",))
        loop = compiled(Path(folder), name="limit", source=LIMIT, options=("-pthread",))
        rows = []
        for workers in WORKERS:
            seen: dict[str, list[Figures]] = {"limit": [], "goophry": [], "popen": []}
            for _ in range(rounds):
                seen["limit"].append(limit(loop, noop, workers=workers, tasks=tasks))
                seen["goophry"].append(in_threads(script_runner(noop), workers=workers, tasks=tasks))
                seen["popen"].append(in_threads(popen(noop), workers=workers, tasks=tasks))
            rows.append({"workers": workers} | {name: _medians(figures) for name, figures in seen.items()})
    print(
        f"{os.cpu_count()} cores, {tasks} tasks, medians of {rounds} rounds: tasks/s (ratio to the limit; CPU µs/task)"
    )
    for row in rows:
        cells = [f"{name} {_cell(row[name], row['limit'])}" for name in ("limit", "goophry", "popen")]
        print(f"W = {row['workers']:2}   " + "   ".join(cells))
    print(json.dumps(rows))


def _medians(figures: list[Figures]) -> dict[str, float]:
    return {
        "tasks_per_s": statistics.median(rate for rate, _ in figures),
        "cpu_us": statistics.median(cpu for _, cpu in figures),
    }


def _cell(figures: dict[str, float], yardstick: dict[str, float]) -> str:
    ratio = figures["tasks_per_s"] / yardstick["tasks_per_s"]
    return f"{figures['tasks_per_s']:6.0f} ({ratio:.2f}; {figures['cpu_us']:4.0f})"


if __name__ == "__main__":
    main()
