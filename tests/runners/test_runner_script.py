import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually
from contract import Make, ProcessContract, job
from processes import zombies_of

from goophry.config import TaskType
from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Interrupt
from goophry.runners.build import runner_factory
from goophry.runners.live import LivePids

pytest_plugins = ["shell_runners"]


class TestScriptRunner(ProcessContract):
    """The way through posix_spawn."""


class TestPlainRunner(ProcessContract):
    """The way through subprocess: the same in all but how the process comes to be."""

    @pytest.fixture
    def make(self, make: Make) -> Make:
        return lambda body, **keys: make(body, **({"Umask": "022"} | keys))


class TestPreparedRunner(ProcessContract):
    """The way through subprocess with a function between fork and exec."""

    @pytest.fixture
    def make(self, make: Make) -> Make:
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        return lambda body, **keys: make(body, **({"Nice": nice} | keys))


@pytest.fixture(params=[{}, {"Umask": "022"}], ids=["spawn", "plain"])
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


@pytest.mark.parametrize(
    ("body", "verdict", "message"),
    [
        ("echo out; echo err >&2; exit 3", Verdict.FAILED, "exit status 3\n\nerr"),
        ("echo out; exit 3", Verdict.FAILED, "exit status 3\n\nout"),
        ("exit 3", Verdict.FAILED, "exit status 3"),
        ("printf 'a\\n\\nb\\n\\n' >&2; exit 255", Verdict.FAILED, "exit status 255\n\na\n\nb"),
        ("echo hello; echo world", Verdict.OUTPUT, "hello\nworld\n"),
        ("echo", Verdict.OUTPUT, "\n"),
        ("echo err >&2", Verdict.SUCCESS, ""),
        ("kill -KILL $$", Verdict.SIGNALLED, "signal: killed"),
        ("kill -TERM $$", Verdict.SIGNALLED, "signal: terminated"),
        ("kill -HUP $$", Verdict.SIGNALLED, "signal: hangup"),
        ("kill -INT $$", Verdict.SIGNALLED, "signal: interrupt"),
        ("kill -USR1 $$", Verdict.SIGNALLED, "signal: user defined signal 1"),
        ("kill -PIPE $$", Verdict.SIGNALLED, "signal: broken pipe"),
    ],
)
def test_that_the_end_is_told_in_the_originals_words(
    make: Make, way: dict[str, Any], body: str, verdict: Verdict, message: str
) -> None:
    outcome = make(body, **way).run(job())

    assert (outcome.verdict, outcome.message) == (verdict, message)


@pytest.mark.parametrize(
    ("sig", "name"),
    [
        (signal.SIGSEGV, "segmentation fault"),
        (signal.SIGABRT, "aborted"),
        (signal.SIGQUIT, "quit"),
        (signal.SIGILL, "illegal instruction"),
        (signal.SIGTRAP, "trace/breakpoint trap"),
        (signal.SIGBUS, "bus error"),
        (signal.SIGFPE, "floating point exception"),
    ],
)
def test_that_a_signal_that_dumps_core_is_named(make: Make, sig: signal.Signals, name: str) -> None:
    outcome = make(f"ulimit -c 0; kill -{sig.value} $$").run(job())

    # A core handler in the kernel's settings may take the dump in spite of the limit.
    assert outcome.message in {f"signal: {name}", f"signal: {name} (core dumped)"}
    assert (outcome.verdict, outcome.signal, outcome.exit_code) == (Verdict.SIGNALLED, sig, None)


def test_that_output_does_not_fail_a_type_that_allows_it(make: Make, way: dict[str, Any]) -> None:
    outcome = make("echo hello", FailOnOutput=False, **way).run(job())

    assert outcome.ok
    assert outcome.stdout.text() == "hello\n"


def test_that_a_script_that_cannot_be_started_is_an_outcome(make: Make, way: dict[str, Any], tmp_path: Path) -> None:
    for name, mode in (("locked", 0o644), ("headless", 0o755)):
        (tmp_path / name).write_text("echo no interpreter line\n")
        (tmp_path / name).chmod(mode)

    def message(path: str, *args: str, **keys: Any) -> str:
        outcome = make([path], **way, **keys).run(job(*args))
        assert outcome.verdict is Verdict.START_FAILED
        return outcome.message

    assert message(f"{tmp_path}/none") == f"fork/exec {tmp_path}/none: no such file or directory"
    assert message(f"{tmp_path}/locked") == f"fork/exec {tmp_path}/locked: permission denied"
    assert message(f"{tmp_path}/headless") == f"fork/exec {tmp_path}/headless: exec format error"
    assert message(str(tmp_path)) == f"fork/exec {tmp_path}: permission denied"
    assert message("/bin/sh", "a\0b") == "fork/exec /bin/sh: invalid argument"
    assert message("/bin/sh", "\ud800") == "fork/exec /bin/sh: invalid argument"
    assert message("/bin/sh", "x" * 200_000) == "fork/exec /bin/sh: argument list too long"
    assert message("/bin/sh", WorkDir=f"{tmp_path}/gone") == f"chdir {tmp_path}/gone: no such file or directory"


def test_that_stdin_is_the_null_device_and_the_session_its_own(make: Make, way: dict[str, Any], tmp_path: Path) -> None:
    body = (
        f'readlink /proc/$$/fd/0 > {tmp_path}/o; cut -d" " -f5,6 /proc/$$/stat >> {tmp_path}/o; echo $$ >> {tmp_path}/o'
    )

    assert make(body, **way).run(job()).ok

    stdin, session, pid = (tmp_path / "o").read_text().splitlines()
    assert (stdin, session) == ("/dev/null", f"{pid} {pid}")


def test_that_the_script_sees_descriptors_0_1_and_2_only(make: Make, way: dict[str, Any]) -> None:
    inherited = os.dup(0)
    os.set_inheritable(inherited, True)
    try:
        outcome = make([sys.executable, "-c", "import os; print(os.listdir('/proc/self/fd'))"], **way).run(job())
    finally:
        os.close(inherited)

    assert outcome.message == "['0', '1', '2', '3']\n"  # 3 is the folder that is being listed


def test_that_signals_have_their_defaults_and_none_is_blocked(make: Make) -> None:
    runner = make(["/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"], FailOnOutput=False)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        outcome = runner.run(job())
    finally:
        signal.signal(signal.SIGHUP, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})

    assert outcome.stdout.text().split() == ["SigBlk:", "0" * 16, "SigIgn:", "0" * 16]


def test_that_the_environment_tells_about_the_run(
    make: Make, way: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOPHRY_REDIS_PASSWORD", "secret")
    monkeypatch.setenv("FROM_OUTSIDE", "1")
    runner = make(["/usr/bin/env"], Env={"OF_TYPE": "2", "BOTH": "type"}, FailOnOutput=False, **way)

    def seen(**fields: Any) -> dict[str, str]:
        task = job(run_id="run-7", **fields)
        task.attempt, task.recovered = 2, len(fields)
        return dict(line.partition("=")[::2] for line in runner.run(task).stdout.text().splitlines())

    first = seen()
    second = seen(id="my id", env={"OF_ENTRY": "3", "BOTH": "entry"})
    third = seen()

    ours = {"GOOPHRY_TYPE": "shell", "GOOPHRY_INSTANCE": "here", "GOOPHRY_RUN": "run-7", "GOOPHRY_ATTEMPT": "2"}
    assert {name: value for name, value in first.items() if name.startswith("GOOPHRY")} == ours
    assert (first["FROM_OUTSIDE"], first["OF_TYPE"], first["BOTH"]) == ("1", "2", "type")
    assert {name: second[name] for name in ("GOOPHRY_ID", "GOOPHRY_RECOVERED")} == {
        "GOOPHRY_ID": "my id",
        "GOOPHRY_RECOVERED": "1",
    }
    assert (second["OF_ENTRY"], second["BOTH"], second["FROM_OUTSIDE"]) == ("3", "entry", "1")
    assert third == first


@pytest.mark.parametrize(("inherit", "expected"), [("none", set()), (["KEPT", "ABSENT"], {"KEPT"})])
def test_that_only_what_is_named_is_inherited(
    make: Make, monkeypatch: pytest.MonkeyPatch, inherit: Any, expected: set[str]
) -> None:
    monkeypatch.setenv("KEPT", "1")

    outcome = make(["/usr/bin/env"], EnvInherit=inherit, FailOnOutput=False).run(job())

    names = {line.partition("=")[0] for line in outcome.stdout.text().splitlines()}
    assert names == {"GOOPHRY_TYPE", "GOOPHRY_INSTANCE", "GOOPHRY_RUN", "GOOPHRY_ATTEMPT"} | expected


def test_that_the_script_runs_in_its_folder(make: Make, way: dict[str, Any], tmp_path: Path) -> None:
    assert make("pwd", WorkDir=tmp_path, **way).run(job()).message == f"{tmp_path}\n"


def test_that_200_mb_of_output_do_not_grow_memory(script: Callable[..., Path]) -> None:
    noisy = script("head -c 200000000 /dev/zero; head -c 100000000 /dev/zero >&2; exit 1")
    program = (
        "import resource, sys\n"
        "from goophry.config import TaskType\n"
        "from goophry.entry import TaskEntry\n"
        "from goophry.runners.base import Job\n"
        "from goophry.runners.build import runner_factory\n"
        "runner = runner_factory(TaskType(Type='t', Script=[sys.argv[1]]), instance_id='i')()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "outcome = runner.run(Job(TaskEntry(), 'run'))\n"
        "grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
        "print(grown, outcome.stdout.size, outcome.stdout.dropped, len(outcome.stdout.tail), outcome.stderr.size)\n"
    )

    printed = subprocess.run([sys.executable, "-c", program, str(noisy)], stdout=subprocess.PIPE, check=True)

    grown_kib, *sizes = (int(number) for number in printed.stdout.split())
    assert sizes == [200_000_000, 200_000_000 - 1_048_576, 524_288, 100_000_000]
    assert grown_kib < 8 * 1024


def test_that_nothing_is_left_of_500_runs(make: Make, live: LivePids) -> None:
    runner = make("exit 0")
    runner.run(job())
    before = os.listdir("/proc/self/fd")  # noqa: PTH208

    for _ in range(500):
        assert runner.run(job()).ok

    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208
    assert zombies_of(os.getpid()) == []
    assert live.snapshot() == frozenset()


def test_that_many_threads_do_not_mix_up_their_runs(make: Make) -> None:
    runner_body = 'printf %s "$1"; printf %s "$2" >&2; exit $3'
    wrong: list[str] = []

    def work(number: int) -> None:
        runner = make(runner_body)
        for turn in range(200):
            outcome = runner.run(job(f"out-{number}-{turn}", f"err-{number}-{turn}", str(turn % 100)))
            seen = (outcome.stdout.text(), outcome.stderr.text(), outcome.exit_code)
            if seen != (f"out-{number}-{turn}", f"err-{number}-{turn}", turn % 100):
                wrong.append(f"{number}-{turn}: {seen} {outcome}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_that_descriptors_running_out_fail_the_start_and_nothing_else(make: Make) -> None:
    runner = make("exit 0")
    assert runner.run(job()).ok
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 8, hard))
    try:
        while True:
            try:
                held.append(os.dup(0))
            except OSError:
                break
        outcome = runner.run(job())
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert outcome.verdict is Verdict.START_FAILED
    assert outcome.message.endswith(": too many open files")
    assert runner.run(job()).ok


class SlowInterrupt(Interrupt):
    """An interrupt that the runner hears of only after `meanwhile` was done."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self._told: Verdict | None = None
        self._meanwhile = meanwhile
        super().__init__()

    @property
    def reason(self) -> Verdict | None:
        if self._told is not None:
            self._meanwhile()
        return self._told

    @reason.setter
    def reason(self, told: Verdict | None) -> None:
        self._told = told


def test_a_script_that_ends_while_it_is_being_interrupted_has_ended_by_itself(tmp_path: Path) -> None:
    """Put back into the queue it would run a second time, though it succeeded."""

    def let_it_end() -> None:
        (tmp_path / "go").touch()
        eventually(lambda: all(Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z" for pid in live.snapshot()))

    live = LivePids()
    interrupt = SlowInterrupt(let_it_end)
    body = tmp_path / "body"
    body.write_text(f"#!/bin/sh\ntouch {tmp_path}/runs\nuntil [ -e {tmp_path}/go ]; do :; done\n")
    body.chmod(0o755)
    runner = runner_factory(TaskType(Type="t", Script=[str(body)]), instance_id="here", live=live)()
    outcomes: list[Outcome] = []
    worker = threading.Thread(target=lambda: outcomes.append(runner.run(job(interrupt=interrupt))))

    worker.start()
    eventually((tmp_path / "runs").exists)
    interrupt.set(Verdict.INTERRUPTED)
    worker.join()
    runner.close()

    assert outcomes[0].verdict is Verdict.SUCCESS
