"""A task that records its own life outside Redis, and what the records say.

Each run appends a line at its start and one at its end, each in one O_APPEND write. While it
lives it holds a lock on the byte of the lock file whose offset is its number; the kernel frees it
with the process, however that ends. A run that finds its byte locked runs beside a living first
run of the same entry, and says so in its line.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from small_programs import compiled

_C = r"""
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}
static const char *word(const char *name) { const char *v = getenv(name); return v && *v ? v : "-"; }
int main(int argc, char **argv) {
  char line[1024], id[256];
  if (argc != 6) return 9;
  int runs = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0600);
  int locks = open(argv[2], O_RDWR | O_CREAT, 0600);
  int ms = atoi(argv[5]);
  struct flock own = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = atol(argv[3]), .l_len = 1};
  struct flock other = own;
  int holder = 0;
  if (fcntl(locks, F_SETLK, &own) && !fcntl(locks, F_GETLK, &other) && other.l_type != F_UNLCK) holder = other.l_pid;
  int size = snprintf(line, sizeof line, "S %s %d %lld %s %s %d %s\n", argv[3], getpid(), now(),
                      word("GOOPHRY_INSTANCE"), word("GOOPHRY_RECOVERED"), holder, word("GOOPHRY_ATTEMPT"));
  if (write(runs, line, size) != size) return 8;
  if (ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&t, 0);
  }
  if (!strcmp(argv[4], "poison")) {
    snprintf(id, sizeof id, "%s", word("GOOPHRY_INSTANCE"));
    char *at = strrchr(id, '-');
    for (int i = 0; i < 2 && at; i++) *at = 0, at = strrchr(id, '-');
    int pid = at ? atoi(at + 1) : 0;
    if (pid > 1) kill(pid, SIGKILL);
    pause();
  }
  size = snprintf(line, sizeof line, "E %s %d %lld\n", argv[3], getpid(), now());
  if (write(runs, line, size) != size) return 8;
  if (!strcmp(argv[4], "print")) return puts("said") < 0;
  if (!strcmp(argv[4], "retry")) return strcmp(word("GOOPHRY_ATTEMPT"), "1") ? 0 : 3;
  return strcmp(argv[4], "fail") ? 0 : 3;
}
"""

# For machines without a C compiler; much slower.
_PYTHON = r"""
import fcntl, os, signal, struct, sys, time
runs = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
locks = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT, 0o600)
number, act, ms = sys.argv[3], sys.argv[4], int(sys.argv[5])
holder = 0
try:
    fcntl.lockf(locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(number))
except OSError:
    asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, int(number), 1, 0)
    kind, _, _, _, pid = struct.unpack("hhqqi4x", fcntl.fcntl(locks, fcntl.F_GETLK, asked))
    holder = pid if kind != fcntl.F_UNLCK else 0
instance = os.environ.get("GOOPHRY_INSTANCE") or "-"
recovered = os.environ.get("GOOPHRY_RECOVERED") or "-"
attempt = os.environ.get("GOOPHRY_ATTEMPT") or "-"
line = f"S {number} {os.getpid()} {time.monotonic_ns()} {instance} {recovered} {holder} {attempt}\n"
os.write(runs, line.encode())
time.sleep(ms / 1000)
if act == "poison":
    os.kill(int(instance.split("-")[-3]), signal.SIGKILL)
    signal.pause()
os.write(runs, f"E {number} {os.getpid()} {time.monotonic_ns()}\n".encode())
if act == "print":
    print("said")
sys.exit(3 if act == "fail" or (act == "retry" and attempt == "1") else 0)
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one task, as it told of itself. Times are those of the monotonic clock."""

    number: int
    pid: int
    started_ns: int
    instance: str
    recovered: bool
    beside: int
    """Pid of a living earlier run of the same task, 0 = there was none."""
    attempt: int = 1
    ended_ns: int | None = None

    @property
    def instance_pid(self) -> int:
        return int(self.instance.split("-")[-3])


@dataclass(frozen=True, slots=True)
class Recorder:
    """The program and its files. Its arguments: number, act (ok, fail, print, retry, poison), milliseconds to sleep.

    `retry` fails at its first attempt.
    """

    program: list[str]
    folder: Path

    @property
    def script(self) -> list[str]:
        return [*self.program, str(self.folder / "runs"), str(self.folder / "locks")]

    def size(self) -> int:
        """Return how much is recorded, in bytes: it grows whenever something starts or ends."""
        path = self.folder / "runs"
        return path.stat().st_size if path.exists() else 0

    def runs(self) -> list[Run]:
        """Return every run, in the order in which they started."""
        path = self.folder / "runs"
        return _parse(path.read_text().splitlines()) if path.exists() else []


def make_recorder(folder: Path) -> Recorder:
    """Return a recorder whose files are in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    quick = compiled(_C)
    if quick is not None:
        return Recorder([quick], folder)
    program = folder / "record.py"
    program.write_text(_PYTHON)
    return Recorder([sys.executable, "-S", "-E", str(program)], folder)


def _parse(lines: Iterable[str]) -> list[Run]:
    runs: list[Run] = []
    open_runs: dict[tuple[str, str], int] = {}
    for line in lines:
        kind, number, pid, at_ns, *rest = line.split()
        if kind == "S":
            open_runs[number, pid] = len(runs)
            instance, recovered, beside, attempt = rest
            runs.append(Run(int(number), int(pid), int(at_ns), instance, recovered == "1", int(beside), int(attempt)))
        else:
            index = open_runs.pop((number, pid))
            runs[index] = replace(runs[index], ended_ns=int(at_ns))
    return runs


def by_number(runs: Iterable[Run]) -> Mapping[int, list[Run]]:
    """Return the runs of each task."""
    found: dict[int, list[Run]] = defaultdict(list)
    for run in runs:
        found[run.number].append(run)
    return found
