"""The `persistent` kind: each way in which a child can behave is a clear outcome, and never the next task's trouble."""

import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually
from contract import Acts, RunnerContract, job
from processes import is_running

from goophry.config import TaskType
from goophry.outcome import Verdict
from goophry.runners.base import Interrupt, Runner
from goophry.runners.build import runner_factory
from goophry.runners.live import LivePids

Make = Callable[..., Runner]

TEMPLATES = Path(__file__).resolve().parents[2] / "docs" / "templates"

# Obeys its first argument; `pids` tells how often it was started.
CHILD = """
import json, os, subprocess, sys, time
with open(os.environ["PIDS"], "a") as pids:
    print(os.getpid(), file=pids)
say = lambda text: print(text, flush=True)
for line in sys.stdin:
    task = json.loads(line)
    what, *rest = task["Args"]
    if what == "echo":
        say(json.dumps({"ok": True, "output": line}))
    elif what == "raw":
        sys.stdout.write(rest[0]), sys.stdout.flush()
    elif what == "err":
        print(rest[0], file=sys.stderr, flush=True)
        say('{"ok":true}')
    elif what == "run":
        exec(rest[0])
"""


@pytest.fixture
def live() -> LivePids:
    return LivePids()


@pytest.fixture
def pids_file(tmp_path: Path) -> Path:
    return tmp_path / "pids"


@pytest.fixture
def make(live: LivePids, pids_file: Path) -> Iterator[Make]:
    with ExitStack() as stack:

        def runner(script: list[str] | None = None, **keys: Any) -> Runner:
            program = [sys.executable, "-c", CHILD] if script is None else script
            keys = {"KillGrace": 0.5, "Env": {"PIDS": str(pids_file)}} | keys
            task_type = TaskType(Type="t", Kind="persistent", Script=program, **keys)
            made = runner_factory(task_type, instance_id="here", live=live)()
            stack.callback(made.close)
            return made

        yield runner
    assert live.snapshot() == frozenset()


class TestPersistentRunner(RunnerContract):
    """What every runner must do."""

    failure = "why"

    @pytest.fixture
    def acts(self, make: Make, tmp_path: Path) -> Acts:
        self.runner, self.begun = make, tmp_path / "begun"
        return self

    def args(self, deed: str) -> tuple[str, ...]:
        deeds = {
            "succeed": ("raw", '{"ok":true}\n'),
            "fail": ("raw", '{"ok":false,"error":"why"}\n'),
            "hang": ("run", f"open({str(self.begun)!r}, 'w'); time.sleep(100)"),
        }
        return deeds[deed]

    def has_begun(self) -> bool:
        return self.begun.exists()


@pytest.fixture
def pids(pids_file: Path) -> Callable[[], list[int]]:
    return lambda: [int(line) for line in pids_file.read_text().split()] if pids_file.exists() else []


def test_that_one_child_does_all_tasks(make: Make, pids: Callable[[], list[int]]) -> None:
    runner = make()

    assert all(runner.run(job("echo")).ok for _ in range(50))

    assert len(pids()) == 1


def test_that_the_line_tells_all_about_the_task(make: Make) -> None:
    runner = make()
    task = job("echo", "é", "a\nb", "\udcff", run_id="run-7", id="my id", env={"A": "1"})
    task.attempt, task.recovered = 2, 1

    lines = [runner.run(this).stdout.text() for this in (task, job("echo", run_id="run-8"))]

    assert [json.loads(line) for line in lines] == [
        {
            "Id": "my id",
            "Args": ["echo", "é", "a\nb", "\ufffd"],
            "Env": {"A": "1"},
            "Attempt": 2,
            "Run": "run-7",
            "Recovered": 1,
        },
        {"Id": "run-8", "Args": ["echo"], "Env": {}, "Attempt": 1, "Run": "run-8"},
    ]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ('{"ok":false,"error":"no such image"}\n', "no such image"),
        ('{"ok":false}\n', "the script answered that it failed"),
        ('{"ok":false,"error":{"code":5}}\n', '{"code":5}'),
        ('{"ok":false,"error":"\\ud800"}\n', "\ufffd"),
    ],
)
def test_that_a_failure_is_told_in_the_scripts_words_and_the_child_stays(
    make: Make, pids: Callable[[], list[int]], said: str, message: str
) -> None:
    runner = make()

    outcome = runner.run(job("raw", said))

    assert (outcome.verdict, outcome.message) == (Verdict.FAILED, message)
    assert runner.run(job("echo")).ok
    assert len(pids()) == 1


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("hello\n", 'the answer is not JSON: "hello"'),
        ("\n", 'the answer is not JSON: ""'),
        ("[true]\n", 'the answer is not a JSON object: "[true]"'),
        ("{}\n", 'the answer has no "ok" that is true or false: "{}"'),
        ('{"ok":1}\n', 'the answer has no "ok" that is true or false: "{\\"ok\\":1}"'),
        (
            '{"ok":true,"Id":"other"}\n',
            'the answer is for another Id than mine: "{\\"ok\\":true,\\"Id\\":\\"other\\"}"',
        ),
        ("x" * 5000 + "\n", 'the answer is longer than OutputLimit: "' + "x" * 100 + '"…'),
        ("x" * 300_000, 'the answer is longer than OutputLimit: "' + "x" * 100 + '"…'),
    ],
)
def test_that_garbage_fails_the_task_and_a_fresh_child_does_the_next(
    make: Make, pids: Callable[[], list[int]], said: str, message: str
) -> None:
    runner = make(OutputLimit=2048)

    outcome = runner.run(job("raw", said, id="mine"))

    assert (outcome.verdict, outcome.message) == (Verdict.FAILED, message)
    assert not is_running(pids()[0])
    assert runner.run(job("echo")).ok
    assert len(pids()) == 2


@pytest.mark.parametrize(
    ("code", "verdict", "message"),
    [
        ("sys.exit(3)", Verdict.FAILED, "exit status 3"),
        ("sys.exit('why')", Verdict.FAILED, "exit status 1\n\nwhy"),
        ("sys.exit()", Verdict.FAILED, "exit status 0 without an answer"),
        ("os.kill(os.getpid(), 9)", Verdict.SIGNALLED, "signal: killed"),
        ("os.close(0); time.sleep(0.1); sys.exit(6)", Verdict.FAILED, "exit status 6"),
        ("os.close(1); time.sleep(100)", Verdict.FAILED, "stdout was closed without an answer"),
        ("subprocess.Popen(['sleep', '1']); os._exit(4)", Verdict.FAILED, "exit status 4"),
    ],
)
def test_that_the_end_of_a_child_fails_the_task_in_hand_and_no_other(
    make: Make, pids: Callable[[], list[int]], code: str, verdict: Verdict, message: str
) -> None:
    runner = make()
    assert runner.run(job("echo")).ok

    outcome = runner.run(job("run", code))

    assert (outcome.verdict, outcome.message) == (verdict, message)
    assert runner.run(job("echo")).ok
    assert len(pids()) == 2


def test_that_an_answer_given_before_the_end_counts(make: Make) -> None:
    runner = make()

    outcomes = [runner.run(job("run", "say('{\"ok\":true}'); sys.exit(5)")) for _ in range(5)]

    assert [outcome.verdict for outcome in outcomes] == [Verdict.SUCCESS] * 5


def test_that_a_child_that_dies_between_tasks_is_replaced_in_silence(make: Make, pids: Callable[[], list[int]]) -> None:
    runner = make()
    assert runner.run(job("echo")).ok
    os.kill(pids()[0], signal.SIGKILL)
    eventually(lambda: not is_running(pids()[0]))

    assert runner.run(job("echo")).ok

    assert len(pids()) == 2


def test_that_a_task_is_not_failed_for_a_child_that_died_before_reading_it(
    make: Make, pids: Callable[[], list[int]]
) -> None:
    runner = make()
    # It ends while the next task is on its way, or before; nothing of that task was read.
    assert runner.run(job("run", "say('{\"ok\":true}'); time.sleep(0.05); os._exit(1)")).ok

    assert runner.run(job("echo")).ok

    assert len(pids()) == 2


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ('{"ok":true}\n{"ok":false}\n', 'the script answered twice, the second time with "{\\"ok\\":false}"'),
        ('{"ok":false,"error":"x"}\n{"ok"', 'the script answered twice, the second time with "{\\"ok\\""'),
        ('{"ok":true}\n\n', 'the script answered twice, the second time with ""'),
    ],
)
def test_that_two_answers_at_once_fail_the_task_and_disturb_no_other(
    make: Make, pids: Callable[[], list[int]], said: str, message: str
) -> None:
    """Which of the two is meant, nobody can know."""
    runner = make()
    assert runner.run(job("echo")).ok

    outcome = runner.run(job("raw", said))

    assert (outcome.verdict, outcome.message) == (Verdict.FAILED, message)
    assert not is_running(pids()[0])
    assert runner.run(job("echo")).ok
    assert len(pids()) == 2


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, str, str]]]:
    """Return what was warned of."""
    return lambda: [(each.action, each.type, each.said) for each in caplog.records]  # type: ignore[attr-defined]


LATE = "say('{\"ok\":true}'); time.sleep(0.05); say('{\"ok\":false}'); open(rest[1], 'w')"


def test_that_what_is_said_late_is_no_answer_to_the_next_task_and_the_log_tells_of_it(
    make: Make, pids: Callable[[], list[int]], tmp_path: Path, told: Callable[[], list[tuple[str, str, str]]]
) -> None:
    """The task before has been settled by then."""
    runner = make()
    assert runner.run(job("run", LATE, str(tmp_path / "said"))).ok
    eventually((tmp_path / "said").exists)

    assert runner.run(job("echo")).ok

    assert len(pids()) == 2
    assert told() == [("persistent.spoke", "t", '"{\\"ok\\":false}"')]


def test_that_a_late_answer_is_told_of_also_when_no_other_task_comes(
    live: LivePids, pids_file: Path, tmp_path: Path, told: Callable[[], list[tuple[str, str, str]]]
) -> None:
    task_type = TaskType(
        Type="t", Kind="persistent", Script=[sys.executable, "-c", CHILD], Env={"PIDS": str(pids_file)}
    )
    runner = runner_factory(task_type, instance_id="here", live=live)()
    assert runner.run(job("run", LATE, str(tmp_path / "said"))).ok
    eventually((tmp_path / "said").exists)

    runner.close()

    assert told() == [("persistent.spoke", "t", '"{\\"ok\\":false}"')]


def test_that_children_that_keep_to_the_protocol_are_parted_with_in_silence(
    make: Make, pids: Callable[[], list[int]], told: Callable[[], list[tuple[str, str, str]]]
) -> None:
    """Recycled, died between two tasks, wrote to stderr."""
    runner = make(MaxTasks=2)
    for _ in range(3):
        assert runner.run(job("err", "noise")).ok
    os.kill(pids()[-1], signal.SIGKILL)
    eventually(lambda: not is_running(pids()[-1]))
    assert runner.run(job("echo")).ok

    assert len(pids()) == 3
    assert told() == []


def test_that_a_hang_ends_at_the_timeout_with_the_whole_tree(
    make: Make, pids: Callable[[], list[int]], pids_file: Path
) -> None:
    runner = make(Timeout=0.5)
    code = f"child = subprocess.Popen(['sleep', '100'], start_new_session=True); open({str(pids_file)!r}, 'a').write(f'{{child.pid}}'); print('stuck', file=sys.stderr, flush=True); time.sleep(100)"

    outcome = runner.run(job("run", code))

    assert (outcome.verdict, outcome.message) == (Verdict.TIMEOUT, "timed out after 0.5 s\n\nstuck")
    assert [pid for pid in pids() if is_running(pid)] == []
    assert runner.run(job("run", "time.sleep(0.8); say('{\"ok\":true}')", timeout_s=0.0)).ok


def test_that_an_interrupt_ends_the_task_in_hand(make: Make, tmp_path: Path, pids: Callable[[], list[int]]) -> None:
    runner = make()
    task = job("run", f"open({str(tmp_path / 'started')!r}, 'w'); time.sleep(100)")
    outcomes = []
    worker = threading.Thread(target=lambda: outcomes.append(runner.run(task)))
    worker.start()
    eventually((tmp_path / "started").exists)

    task.interrupt.set(Verdict.CANCELLED)
    worker.join(20)

    assert [(outcome.verdict, outcome.message) for outcome in outcomes] == [(Verdict.CANCELLED, "cancelled")]
    assert not is_running(pids()[0])
    task.interrupt.set(Verdict.CANCELLED)
    assert runner.run(job("echo")).ok


def test_that_an_interrupt_before_the_run_prevents_it(make: Make, pids: Callable[[], list[int]]) -> None:
    interrupt = Interrupt()
    interrupt.set(Verdict.INTERRUPTED)

    outcome = make().run(job("echo", interrupt=interrupt))

    assert (outcome.verdict, outcome.message) == (Verdict.INTERRUPTED, "interrupted")
    assert pids() == []


def test_that_stderr_is_told_with_the_failed_task_that_wrote_it(make: Make) -> None:
    runner = make()
    assert runner.run(job("err", "of the first")).ok

    outcome = runner.run(job("run", "print('of the second', file=sys.stderr); sys.exit(1)"))

    assert outcome.message == "exit status 1\n\nof the second"


def test_that_much_on_stderr_holds_nobody_up(make: Make) -> None:
    outcome = make(OutputLimit=1024).run(job("run", "sys.stderr.write('x' * 1_000_000); sys.exit(2)"))

    assert (outcome.exit_code, outcome.stderr.size) == (2, 1_000_000)


def test_that_great_tasks_and_great_answers_pass(make: Make) -> None:
    text = "é" * 400_000

    outcome = make(OutputLimit=2**22).run(job("echo", text))

    assert json.loads(outcome.stdout.text())["Args"] == ["echo", text]


def test_that_max_tasks_recycles_the_child(make: Make, pids: Callable[[], list[int]]) -> None:
    runner = make(MaxTasks=3)

    assert all(runner.run(job("echo")).ok for _ in range(7))

    assert len(pids()) == 3
    assert [is_running(pid) for pid in pids()] == [False, False, True]


def test_that_the_child_learns_of_the_end_by_the_end_of_its_stdin(make: Make, tmp_path: Path, live: LivePids) -> None:
    body = 'while read -r line; do echo \'{"ok":true}\'; done; echo bye > "$0"'
    task_type = TaskType(Type="t", Kind="persistent", Script=["/bin/sh", "-c", body, str(tmp_path / "bye")])
    runner = runner_factory(task_type, instance_id="here", live=live)()
    assert runner.run(job()).ok

    runner.close()

    assert (tmp_path / "bye").read_text() == "bye\n"


def test_that_a_child_that_stays_after_that_is_killed(live: LivePids) -> None:
    body = 'trap "" TERM; while read -r line; do echo \'{"ok":true}\'; done; while :; do sleep 0.1; done'
    task_type = TaskType(Type="t", Kind="persistent", Script=["/bin/sh", "-c", body], KillGrace=0.1)
    runner = runner_factory(task_type, instance_id="here", live=live)()
    assert runner.run(job()).ok
    (pid,) = live.snapshot()

    runner.close()

    assert not is_running(pid)


def test_that_a_script_that_cannot_be_started_is_an_outcome(make: Make, tmp_path: Path) -> None:
    outcome = make([f"{tmp_path}/none"]).run(job())

    assert outcome.verdict is Verdict.START_FAILED
    assert outcome.message == f"fork/exec {tmp_path}/none: no such file or directory"


def test_that_a_script_that_reads_nothing_is_told_of(make: Make) -> None:
    runner = make(["/bin/sh", "-c", "exec <&-; exec sleep 100"])
    line = "x" * 1_000_000  # more than a pipe holds

    outcome = runner.run(job(line))

    assert (outcome.verdict, outcome.message) == (Verdict.FAILED, "stdin was closed before the task was read")


def test_that_a_script_that_ends_at_once_fails_each_task(make: Make) -> None:
    runner = make(["/bin/sh", "-c", "echo no database >&2; exit 7"])

    messages = [runner.run(job()).message for _ in range(3)]

    assert messages == ["exit status 7\n\nno database"] * 3


def test_that_the_child_runs_with_the_types_umask_and_environment(make: Make) -> None:
    runner = make(Umask="027", EnvInherit="none")

    outcome = runner.run(job("run", "say(json.dumps({'ok': True, 'output': oct(os.umask(0)) + ','.join(os.environ)}))"))

    names = outcome.stdout.text().removeprefix("0o27").split(",")
    assert set(names) - {"LC_CTYPE"} == {"PIDS", "GOOPHRY_TYPE", "GOOPHRY_INSTANCE", "GOOPHRY_CHILD"}


def test_that_nothing_is_left_of_many_children(make: Make) -> None:
    runner = make(MaxTasks=1)
    runner.run(job("echo"))
    before = os.listdir("/proc/self/fd")  # noqa: PTH208

    for _ in range(20):
        assert runner.run(job("echo")).ok

    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


@pytest.mark.parametrize(("name", "interpreter"), [("sh", "sh"), ("py", "python3"), ("php", "php"), ("js", "node")])
def test_that_the_templates_work(make: Make, name: str, interpreter: str) -> None:
    if shutil.which(interpreter) is None:
        pytest.skip(f"{interpreter} is not installed")
    runner = make([str(TEMPLATES / f"worker.{name}")])

    done = [runner.run(job(*args)) for args in (["a"], ["b c", "é", "", ","], [""])]
    failed = runner.run(job())
    after = runner.run(job("z", id="its id"))

    assert [outcome.stdout.text() for outcome in done] == ["worked on a", "worked on b c é  ,", "worked on "]
    assert failed.verdict is Verdict.FAILED
    assert "no argument was given" in failed.message + failed.stderr.text()
    assert after.stdout.text() == "worked on z"


def test_that_children_do_not_get_into_each_others_way(make: Make) -> None:
    wrong: list[str] = []

    def work(number: int) -> None:
        runner = make()
        for turn in range(100):
            said = json.loads(runner.run(job("echo", f"{number}-{turn}")).stdout.text())
            if said["Args"][1] != f"{number}-{turn}":
                wrong.append(said)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
