"""User, Group, Umask, Nice, Limits: honoured, or refused with a sentence."""

import os
import pwd
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from contract import Make, job

from goophry.config import TaskType
from goophry.outcome import Verdict
from goophry.runners.possible import check_possible

pytest_plugins = ["shell_runners"]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may switch users")


def task_type(**keys: object) -> TaskType:
    return TaskType(Type="t", Script=["/bin/sh", "-c", "id -u; id -g; id -G; umask; nice; ulimit -n"], **keys)


@needs_root
@pytest.mark.parametrize("more", [{}, {"Nice": 7, "Limits": {"nofile": 50, "nproc": 5000}}], ids=["plain", "prepared"])
def test_that_the_script_runs_as_user_and_group(make: Make, more: dict[str, object]) -> None:
    nobody = pwd.getpwnam("nobody")

    outcome = make(["/bin/sh", "-c", "id -u; id -g; id -G"], User="nobody", **more).run(job())
    other = make(["/bin/sh", "-c", "id -u; id -g; id -G"], User=54321, Group=12345, **more).run(job())
    group_only = make(["/bin/sh", "-c", "id -u; id -g; id -G"], Group=12345, **more).run(job())

    assert outcome.message.split() == [str(nobody.pw_uid), str(nobody.pw_gid), str(nobody.pw_gid)]
    assert other.message.split() == ["54321", "12345", "12345"]
    assert group_only.message.split()[:2] == ["0", "12345"]


@needs_root
def test_that_a_user_may_get_a_higher_priority_than_it_could_take(make: Make) -> None:
    assert make(["/bin/sh", "-c", "id -u; nice"], User="nobody", Nice=-3).run(job()).message.split()[1] == "-3"


def test_that_the_process_itself_is_no_user_to_switch_to(make: Make) -> None:
    outcome = make(["/bin/sh", "-c", "id -u"], User=os.geteuid(), Group=os.getegid()).run(job())

    assert outcome.message == f"{os.geteuid()}\n"


def test_that_umask_priority_and_limits_hold(make: Make) -> None:
    limits = {"nofile": 60, "cpu": 100, "fsize": 1024 * 1024, "as": 10**9}
    nice = max(os.getpriority(os.PRIO_PROCESS, 0), 5)

    outcome = make(
        ["/bin/sh", "-c", "umask; nice; ulimit -n; ulimit -t; ulimit -f; ulimit -v"],
        Umask="027",
        Nice=nice,
        Limits=limits,
    ).run(job())

    assert outcome.message.split() == ["0027", str(nice), "60", "100", "2048", str(10**9 // 1024)]


def test_that_a_limit_ends_the_script_and_not_goophry(make: Make, tmp_path: Path) -> None:
    outcome = make(f"exec head -c 100000 /dev/zero > {tmp_path}/big", Limits={"fsize": 5000}).run(job())

    assert (outcome.verdict, outcome.message) == (Verdict.SIGNALLED, "signal: file size limit exceeded")
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 5000


def test_that_wishes_for_nobody_are_refused() -> None:
    assert check_possible(task_type()) == []
    assert check_possible(task_type(User="no-such-user")) == ["Type t: User: there is no user no-such-user"]
    assert check_possible(task_type(Group="no-such-group")) == ["Type t: Group: there is no group no-such-group"]
    assert check_possible(task_type(User=54321)) == [
        "Type t: User: 54321 is not in the list of users, so Group must be given"
    ]


def test_that_a_user_removed_meanwhile_fails_the_start(make: Make) -> None:
    outcome = make("exit 0", User="no-such-user").run(job())

    assert outcome.verdict is Verdict.START_FAILED
    assert outcome.message.endswith("User: there is no user no-such-user")


def test_that_a_missing_work_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert check_possible(task_type(WorkDir=tmp_path)) == []
    assert check_possible(task_type(WorkDir=tmp_path / "no")) == [f"Type t: WorkDir: {tmp_path}/no does not exist"]
    assert check_possible(task_type(WorkDir=tmp_path / "file")) == [f"Type t: WorkDir: {tmp_path}/file is not a folder"]


@needs_root
def test_that_an_ordinary_user_is_told_what_it_may_not_do() -> None:
    program = (
        "import os, resource\n"
        "from goophry.config import TaskType\n"
        "from goophry.runners.possible import check_possible\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "t = TaskType(Type='t', Script=['/bin/true'], User='root', Nice=-5, Limits={'nofile': 101})\n"
        "print(*check_possible(t), sep='\\n')\n"
    )

    printed = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True).stdout.decode()

    assert [line.partition(" goophry")[0] for line in printed.splitlines()] == [
        "Type t: User, Group:",
        "Type t: Nice: -5 is a higher priority than",
        "Type t: Limits.nofile: 101 is more than",
    ]
