import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import eventually

from goophry.outcome import Verdict
from goophry.runners.base import Interrupt, Notice
from goophry.runners.error_script import MAX_ARGUMENT, ErrorScriptRunner
from goophry.runners.live import LivePids

Script = Callable[..., Path]


@pytest.fixture
def caller() -> ErrorScriptRunner:
    return ErrorScriptRunner(instance_id="here", environ=os.environ, live=LivePids(), timeout_s=0.5, grace_s=0.2)


@pytest.mark.parametrize("message", ["", "two words\n\nexit status 3", "é" * 100_000, "a" + "é" * 100_000, "x\udcffy"])
def test_that_it_gets_the_message_as_argument_and_on_stdin(
    caller: ErrorScriptRunner, script: Script, tmp_path: Path, message: str
) -> None:
    path = script(f'printf %s "$1" > {tmp_path}/arg; cat > {tmp_path}/stdin; test $# = 1')

    assert caller.run(path, Notice(message)) == ("ok", "")

    whole = message.encode(errors="surrogateescape")
    argument = (tmp_path / "arg").read_bytes()
    assert (tmp_path / "stdin").read_bytes() == whole
    assert whole.startswith(argument)
    assert len(argument) in {len(whole), MAX_ARGUMENT, MAX_ARGUMENT - 1}
    assert argument.decode(errors="surrogateescape") == message[: len(argument.decode(errors="surrogateescape"))]


def test_that_no_message_is_beyond_it(caller: ErrorScriptRunner, script: Script, tmp_path: Path) -> None:
    path = script(f'printf %s "$1" > {tmp_path}/arg')

    assert caller.run(path, Notice("nul \0 half \ud800 end")) == ("ok", "")
    assert (tmp_path / "arg").read_text().endswith(" end")


def test_that_the_environment_tells_about_the_task(caller: ErrorScriptRunner, script: Script, tmp_path: Path) -> None:
    path = script(f"env | grep ^GOOPHRY_ | grep -v ^GOOPHRY_NOTICE | sort > {tmp_path}/env")
    notice = Notice("m", type="t", entry_id="e", run_id="r", attempt=2, outcome="failed")

    assert caller.run(path, notice) == ("ok", "")

    assert (tmp_path / "env").read_text().split() == [
        "GOOPHRY_ATTEMPT=2",
        "GOOPHRY_ID=e",
        "GOOPHRY_INSTANCE=here",
        "GOOPHRY_OUTCOME=failed",
        "GOOPHRY_RUN=r",
        "GOOPHRY_TYPE=t",
    ]


def test_that_its_trouble_is_told(caller: ErrorScriptRunner, script: Script, tmp_path: Path) -> None:
    notice = Notice("m")

    assert caller.run(script("echo said"), notice) == ("output", "said\n")
    assert caller.run(script("echo why >&2; exit 9"), notice) == ("failed", "exit status 9\n\nwhy")
    assert caller.run(script("trap '' TERM; sleep 100"), notice) == ("timeout", "timed out after 0.5 s")
    assert caller.run(tmp_path / "no", notice) == ("failed", f"fork/exec {tmp_path}/no: no such file or directory")


def test_that_it_can_be_interrupted(script: Script, tmp_path: Path) -> None:
    caller = ErrorScriptRunner(instance_id="here", environ=os.environ, live=LivePids())
    path = script(f"touch {tmp_path}/started; sleep 100")
    interrupt = Interrupt()
    seen = []
    thread = threading.Thread(target=lambda: seen.append(caller.run(path, Notice("m"), interrupt=interrupt)))
    thread.start()
    eventually((tmp_path / "started").exists)

    interrupt.set(Verdict.INTERRUPTED, grace_s=0)
    thread.join(20)

    assert seen == [("interrupted", "interrupted")]


def test_that_runs_at_the_same_time_do_not_disturb_each_other(script: Script) -> None:
    caller = ErrorScriptRunner(instance_id="here", environ=os.environ, live=LivePids())
    path = script('printf %s "$1"; cat')
    seen: list[tuple[str, str, str]] = []
    threads = [
        threading.Thread(
            target=lambda n=n: [seen.append((f"{n}-{i}", *caller.run(path, Notice(f"{n}-{i}")))) for i in range(20)]
        )
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 80
    assert all((verdict, problem) == ("output", message * 2) for message, verdict, problem in seen)
    assert not [fd for fd in os.listdir("/proc/self/fd") if "goophry-message" in _target(fd)]  # noqa: PTH208


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115
    except OSError:
        return ""
