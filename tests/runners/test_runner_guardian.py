"""The guardian is tried with a goophry that is a process of its own, and ends in the ways that leave no time."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import eventually
from processes import alive, is_running

from goophry.runners.guardian import Guardian
from goophry.runners.guardian_program import SLOT
from goophry.runners.live import LivePids
from goophry.runners.run_table import RunTable

_PROGRAM = """
import sys, threading, time
from goophry.config import TaskType
from goophry.entry import TaskEntry
from goophry.runners.base import Job
from goophry.runners.build import runner_factory
from goophry.runners.guardian import Guardian
from goophry.runners.live import LivePids

shell, mark, keep, umask = sys.argv[1], sys.argv[2], sys.argv[3] == "keep", sys.argv[4]
live = LivePids()
guardian = Guardian(live)
guardian.start()
keys = {"Umask": umask} if umask else {}
task_type = TaskType(Type="t", Script=["/bin/sh", "-c"], KillOrphans=not keep, FailOnOutput=False, **keys)
make = runner_factory(task_type, instance_id="i", live=live, guardian=guardian)
print(guardian.pid, make().run(Job(TaskEntry(("exit 0",)), "warm-up")).verdict.value, flush=True)
print(make().run(Job(TaskEntry((shell,)), mark)).verdict.value, flush=True)
time.sleep(1000)
"""


class Victim:
    """A process that runs one script, and is to be killed while it does."""

    def __init__(self, shell: str, mark: str, *, keep: bool = False, umask: str = "") -> None:
        self.mark = mark
        command = [sys.executable, "-c", _PROGRAM, shell, mark, "keep" if keep else "", umask]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.guardian = int(self.read().split()[0])

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def clean_up(self) -> None:
        self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        for pid in alive(self.mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Callable[..., Victim]]:
    made: list[Victim] = []

    def start(shell: str, **keys: object) -> Victim:
        made.append(Victim(shell, f"{tmp_path.name}-{len(made)}-{os.getpid()}", **keys))  # type: ignore[arg-type]
        return made[-1]

    yield start
    for each in made:
        each.clean_up()


@pytest.mark.parametrize("umask", ["", "077"], ids=["spawned", "through subprocess"])
def test_that_a_kill_ends_the_script_and_all_its_processes(
    victim: Callable[..., Victim], tmp_path: Path, umask: str
) -> None:
    """Those that left the session, that ignore TERM, and that cleared their environment too."""
    (tmp_path / "deaf").write_text("trap '' TERM HUP; setsid sleep 1000 & sleep 1000")
    shell = f"setsid sleep 1000 & sh {tmp_path}/deaf & env -i sleep 1000 & touch {tmp_path}/up; wait"
    running = victim(shell, umask=umask)
    eventually((tmp_path / "up").exists)
    eventually(lambda: len(alive(running.mark)) >= 5)
    pids = alive(running.mark)

    running.kill()

    eventually(lambda: not alive(running.mark) and not any(is_running(pid) for pid in pids))
    eventually(lambda: not is_running(running.guardian))


def test_that_what_a_finished_run_left_behind_is_left_alone(
    victim: Callable[..., Victim],
) -> None:
    running = victim("sleep 1000 & exit 0")
    assert running.read() == "success\n"
    (left,) = alive(running.mark)

    running.kill()
    eventually(lambda: not is_running(running.guardian))

    assert is_running(left)


def test_that_a_type_may_switch_it_off(victim: Callable[..., Victim], tmp_path: Path) -> None:
    running = victim(f"touch {tmp_path}/up; sleep 1000", keep=True)
    eventually((tmp_path / "up").exists)

    running.kill()
    eventually(lambda: not is_running(running.guardian))

    assert alive(running.mark)


def test_that_the_guardian_ends_by_nothing_but_the_end_of_goophry(
    victim: Callable[..., Victim], tmp_path: Path
) -> None:
    """A terminal and an init system send their signals to all."""
    running = victim(f"touch {tmp_path}/up; sleep 1000")
    eventually((tmp_path / "up").exists)
    assert os.getsid(running.guardian) == running.guardian

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        os.kill(running.guardian, number)
    running.kill()

    eventually(lambda: not alive(running.mark))


def test_that_the_guardian_is_small_and_holds_no_descriptor_of_goophry(victim: Callable[..., Victim]) -> None:
    running = victim("exit 0")

    def fds() -> list[str]:
        return sorted(str(path.readlink()).split(":")[0] for path in Path(f"/proc/{running.guardian}/fd").iterdir())

    eventually(lambda: fds() == [*["/dev/null"] * 3, "/memfd", "pipe"], what="only these are open")
    rollup = Path(f"/proc/{running.guardian}/smaps_rollup").read_text()
    assert sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_")) < 8192
    assert Path(f"/proc/{running.guardian}/environ").read_bytes() in (b"", b"LC_CTYPE=C.UTF-8\0")


def test_that_a_pid_that_was_used_again_is_not_killed(tmp_path: Path) -> None:
    """A slot that names a process which started later than it was noted."""
    other = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    guardian = Guardian(LivePids())
    guardian.start()
    slot = guardian.slot()
    slot.announce(b"GOOPHRY_RUN=nobody")
    slot.started(other.pid)
    # As if it had been noted a second before the process started.
    start = int(Path(f"/proc/{other.pid}/stat").read_bytes().rpartition(b") ")[2].split()[19])
    slot._memory[240:248] = (start - 100).to_bytes(8, "little")

    guardian.stop()

    assert is_running(other.pid)
    other.kill()
    other.wait()


def test_that_another_guardian_is_started_when_one_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    live = LivePids()
    guardian = Guardian(live)
    guardian.start()
    first = guardian.pid
    assert first in live
    assert first is not None
    os.kill(first, signal.SIGKILL)

    eventually(lambda: guardian.turn() or guardian.pid != first)

    assert guardian.pid in live
    assert first not in live
    assert "another one is started" in caplog.text
    second = guardian.pid
    guardian.stop()
    assert second is not None
    assert not is_running(second)
    assert guardian.pid is None


def test_that_the_table_grows_and_takes_places_back() -> None:
    table = RunTable()
    slots = [table.slot() for _ in range(3000)]
    for number, slot in enumerate(slots):
        slot.announce(b"mark-%d" % number)
        slot.started(number + 1)
    content = os.pread(table.fd, os.fstat(table.fd).st_size, 0)
    runs = [(mark[:length], pid) for length, mark, _, pid in SLOT.iter_unpack(content) if length]
    assert runs == [(b"mark-%d" % number, number + 1) for number in range(3000)]

    for slot in slots:
        slot.close()
    size = os.fstat(table.fd).st_size
    assert not any(length or ticks or pid for length, _, ticks, pid in SLOT.iter_unpack(os.pread(table.fd, size, 0)))
    again = [table.slot() for _ in range(3000)]
    assert len({slot._place for slot in again}) == 3000
    assert os.fstat(table.fd).st_size == size


def test_that_a_mark_too_long_for_a_slot_leaves_the_pid_to_go_by() -> None:
    table = RunTable()
    slot = table.slot()
    slot.announce(b"x" * 1000)
    slot.started(7)
    length, _, ticks, pid = SLOT.unpack(os.pread(table.fd, SLOT.size, 0))
    assert (length, pid) == (0, 7)
    assert abs(ticks / os.sysconf("SC_CLK_TCK") - time.clock_gettime(time.CLOCK_BOOTTIME)) < 60
