"""`Preload`: a task forked from a warmed interpreter is, seen from inside and outside, the script started anew."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually
from contract import Make, ProcessContract, job
from processes import is_running, zombies_of

from goophry.config import TaskType
from goophry.entry import TaskEntry
from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Job, Runner
from goophry.runners.build import runner_factory
from goophry.runners.live import LivePids
from goophry.runners.possible import check_possible
from goophry.runners.reaper import OrphanReaper, become_subreaper

MODULES = ["json", "decimal", "logging"]

SPAWNING = """
import multiprocessing
def more(x): return x + 1
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool: print(pool.map(more, [1, 2]))
"""


@pytest.fixture(autouse=True)
def subreaper() -> Iterator[None]:
    become_subreaper()
    yield
    ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)


@pytest.fixture
def live() -> LivePids:
    return LivePids()


@pytest.fixture
def make(tmp_path: Path, live: LivePids) -> Iterator[Callable[..., Runner]]:
    """Make runners of Python code; `preload=False` makes the same without."""
    with ExitStack() as stack:

        def runner(code: str | list[str], *, preload: bool = True, first_line: str = "", **keys: Any) -> Runner:
            script = code if isinstance(code, list) else [str(python_file(tmp_path, code, first_line=first_line))]
            keys = {"Preload": MODULES} | keys if preload else keys
            task_type = TaskType(Type="t", Script=script, **keys)
            made = runner_factory(task_type, instance_id="here", live=live)()
            stack.callback(made.close)
            return made

        yield runner
    assert live.snapshot() == frozenset()
    # What a task left behind may take a moment to end, and is left to this process then.
    eventually(lambda: OrphanReaper().turn() == 0 and not zombies_of(os.getpid()))


def python_file(folder: Path, code: str, *, first_line: str = "") -> Path:
    path = folder / f"script-{len(list(folder.iterdir()))}.py"
    path.write_text(f"#!{first_line or sys.executable}\n{code}\n")
    path.chmod(0o755)
    return path


class TestPreloadRunner(ProcessContract):
    """A script that becomes a shell: what holds for the process holds for it."""

    @pytest.fixture
    def make(self, make: Make) -> Make:
        def runner(body: str, **keys: Any) -> Runner:
            return make(
                f"import os, sys\nos.execv('/bin/sh', ['/bin/sh', '-c', {body!r}, 'sh', *sys.argv[1:]])", **keys
            )

        return runner


@pytest.mark.parametrize(
    "code",
    [
        "pass",
        "import sys; sys.exit()",
        "import sys; sys.exit(3)",
        "import sys; sys.exit(-1)",
        "import sys; sys.exit('some reason')",
        "raise SystemExit(True)",
        "1 / 0",
        "def inner():\n    raise ValueError('deep')\ninner()",
        "try:\n    1 / 0\nexcept Exception as error:\n    raise ValueError('after') from error",
        "this is no Python",
        "import no_such_module",
        "import os; os._exit(4)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "raise KeyboardInterrupt",
        "import os; os.abort()",
        "print('out')",
        "import sys; sys.stdout.write('no line break'); sys.stderr.write('either')",
        "import atexit; atexit.register(print, 'at exit'); x = 5\natexit.register(lambda: print(x))",
        "import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()",
        "file = open(1, 'w', closefd=False); file.write('never closed')",
        "class Last:\n    def __del__(self): print('deleted')\nlast = Last()",
        "import sys; sys.excepthook = lambda *a: print('hook', a[0]); 1 / 0",
        "import sys; print(__name__, __file__, sys.argv, sys.path[0], __spec__, __doc__, __builtins__)",
        "'a docstring'\nprint(__doc__)\nx: int = 1\nprint(__annotations__)",
        "import sys; print(sys.modules['__main__'].__dict__ is globals(), sorted(k for k in globals()))",
        "import os; print(os.listdir('/proc/self/fd'), os.readlink('/proc/self/fd/0'), os.getsid(0) == os.getpid())",
        "import os; print(sorted(os.environ), os.environ['GOOPHRY_RUN'], os.getcwd(), os.umask(0))",
        "import subprocess; subprocess.run(['env'], check=True)",
        "import sys; print(repr(sys.stdin.read()), sys.stdout.encoding, sys.stdout.line_buffering, sys.flags)",
        "import logging; logging.warning('to stderr'); logging.shutdown()",
        "import pickle\nclass A: pass\nprint(pickle.loads(pickle.dumps(A())).__class__)",
        SPAWNING,
    ],
)
def test_that_a_script_behaves_as_if_started_by_itself(make: Make, tmp_path: Path, code: str) -> None:
    path = str(python_file(tmp_path, code))

    def seen(*, preload: bool) -> Outcome:
        keys: dict[str, Any] = {"preload": preload, "WorkDir": tmp_path, "EnvInherit": ["PATH"]}
        return make([path], **keys).run(job("a", "ü", "", run_id="run-7"))

    started, forked = seen(preload=False), seen(preload=True)

    said = [
        (end.verdict, end.message.partition(" (core")[0], end.exit_code, end.signal, end.stdout, end.stderr)
        for end in (started, forked)
    ]
    assert said[1] == said[0]


def test_that_modules_are_imported_once_and_state_is_not_shared(make: Make, tmp_path: Path) -> None:
    (tmp_path / "heavy.py").write_text(f"open({str(tmp_path / 'imports')!r}, 'a').write('x')\nstate = []")
    runner = make(
        "import heavy, random, os; heavy.state.append(1); print(heavy.state, random.random(), os.getpid())",
        Preload=["heavy", "random"],
    )

    said = [runner.run(job()).stdout.text().split() for _ in range(5)]

    assert (tmp_path / "imports").read_text() == "x"
    assert {line[0] for line in said} == {"[1]"}
    assert len({line[1] for line in said}) == 5
    assert len({line[2] for line in said}) == 5


def test_that_a_file_that_a_module_opened_is_written(make: Make, tmp_path: Path) -> None:
    (tmp_path / "notes.py").write_text(f"file = open({str(tmp_path / 'notes')!r}, 'a')\nfile.write('begin ')")
    runner = make("import notes, sys; notes.file.write(sys.argv[1])", Preload=["notes"])

    assert all(runner.run(job(text)).ok for text in "abc")

    assert (tmp_path / "notes").read_text() == "begin abc"


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import no_such_module", "importing broken: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit('leave')", "importing broken: SystemExit: leave"),
        (
            "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
            "importing broken started 1 thread(s), which the forked tasks would not have",
        ),
        (
            "import os, sys; print('bad', file=sys.stderr, flush=True); os._exit(3)",
            "the interpreter ended before it was warm\n\nbad",
        ),
        ("import sys; sys.stderr.write('x' * 300_000); 1 / 0", "importing broken: ZeroDivisionError: division by zero"),
    ],
)
def test_that_a_module_that_cannot_be_preloaded_fails_the_start(
    make: Make, tmp_path: Path, code: str, problem: str
) -> None:
    (tmp_path / "broken.py").write_text(code)
    runner = make("pass", Preload=["broken"])

    outcomes = [runner.run(job()) for _ in range(2)]

    assert {outcome.verdict for outcome in outcomes} == {Verdict.START_FAILED}
    assert {outcome.message.partition(": Preload: ")[2] for outcome in outcomes} == {problem}


def test_that_a_script_that_cannot_be_started_is_an_outcome(make: Make, tmp_path: Path) -> None:
    path = python_file(tmp_path, "pass")
    runner, gone = make([str(path)]), make([str(path)], WorkDir=tmp_path / "gone")
    assert runner.run(job()).ok
    path.chmod(0o644)
    locked = runner.run(job())
    path.unlink()
    missing = runner.run(job())

    assert locked.message == f"fork/exec {path}: permission denied"
    assert missing.message == f"fork/exec {path}: no such file or directory"
    assert gone.run(job()).message == f"chdir {tmp_path}/gone: no such file or directory"
    assert {locked.verdict, missing.verdict} == {Verdict.START_FAILED}


def test_that_a_changed_script_counts_at_once(make: Make, tmp_path: Path) -> None:
    path = python_file(tmp_path, "pass")
    runner = make([str(path)])
    assert runner.run(job()).ok

    path.write_text(f"#!{sys.executable}\nprint('changed')")

    assert runner.run(job()).message == "changed\n"


def test_that_the_interpreter_is_started_anew_when_it_died(make: Make, live: LivePids) -> None:
    runner = make("pass")
    assert runner.run(job()).ok
    (interpreter,) = live.snapshot()
    os.kill(interpreter, signal.SIGKILL)

    assert [runner.run(job()).ok for _ in range(3)] == [True] * 3

    assert live.snapshot() != {interpreter}


def test_that_a_task_goes_on_without_the_interpreter(make: Make, live: LivePids, tmp_path: Path) -> None:
    runner = make(
        f"import os, signal, time\nos.kill(int(open({str(tmp_path / 'pid')!r}).read()), signal.SIGKILL)\n"
        "time.sleep(0.2)\nprint('done')"
    )
    (tmp_path / "pid").write_text("x")
    runner.run(job())
    (interpreter,) = live.snapshot()
    (tmp_path / "pid").write_text(str(interpreter))

    assert runner.run(job()).message == "done\n"


def test_that_workers_share_one_interpreter_which_ends_with_the_last(
    tmp_path: Path, live: LivePids, make: Make
) -> None:
    path = python_file(tmp_path, "import os, sys; print(os.getpid()); sys.exit(int(sys.argv[1]))")
    task_type = TaskType(Type="t", Script=[str(path)], Preload=MODULES, FailOnOutput=False)
    factory = runner_factory(task_type, instance_id="here", live=live)
    wrong: list[Outcome] = []

    def work() -> None:
        runner = factory()
        for number in range(25):
            outcome = runner.run(job(str(number)))
            if outcome.exit_code != number:
                wrong.append(outcome)
        runner.close()

    first = factory()
    assert first.run(job("0")).ok
    interpreters = live.snapshot()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert live.snapshot() == interpreters
    first.close()
    assert not any(is_running(pid) for pid in interpreters)
    again = factory()
    assert again.run(job("0")).ok
    again.close()


def test_that_a_run_of_a_great_task_works(make: Make) -> None:
    args = ["x" * 100_000] * 10

    outcome = make("import sys; print(sum(map(len, sys.argv[1:])))", Umask="022", Env={"BIG": "y" * 100_000}).run(
        job(*args)
    )

    assert outcome.message == "1000000\n"


@pytest.mark.parametrize("options", [["-u"], ["-I"], ["-X", "utf8", "-W", "ignore"], ["-O"]])
def test_that_the_interpreters_options_count(make: Make, tmp_path: Path, options: list[str]) -> None:
    path = python_file(tmp_path, "import sys; print(sys.flags, sys.argv, sys.path[0], sys.stdout.write_through)")
    script = [sys.executable, *options, str(path), "first"]

    said = [make(script, preload=preload).run(job("second")).message for preload in (False, True)]

    assert said[1] == said[0]
    assert f"{[str(path), 'first', 'second']}" in said[1]


def test_that_limits_user_and_priority_hold(make: Make) -> None:
    code = "import os, resource; print(resource.getrlimit(resource.RLIMIT_NOFILE), os.umask(0), os.nice(0))"

    outcome = make(code, Limits={"nofile": 64}, Umask="027", Nice=os.nice(0) + 1).run(job())

    assert outcome.message == f"(64, 64) {0o027} {os.nice(0) + 1}\n"


@pytest.mark.parametrize("first_line", ["/usr/bin/env python3", "/usr/bin/env -S python3 -u", f"{sys.executable} -u"])
def test_that_the_interpreter_is_that_of_the_first_line(make: Make, first_line: str) -> None:
    outcome = make("import sys; print(sys.version_info[0])", first_line=first_line).run(job())

    assert outcome.message == "3\n"


@pytest.mark.parametrize(
    ("first_line", "problem"),
    [
        ("/bin/sh", "the #! line of {path}: /bin/sh is no Python interpreter"),
        ("/usr/bin/env perl", "the #! line of {path}: perl is no Python interpreter"),
        (f"{sys.executable} -m", f"the #! line of {{path}}: {sys.executable} -m runs no file"),
    ],
)
def test_that_another_interpreter_is_refused(make: Make, tmp_path: Path, first_line: str, problem: str) -> None:
    path = python_file(tmp_path, "pass", first_line=first_line)
    sentence = f"Preload: {problem.format(path=path)}"

    outcome = make([str(path)]).run(job())

    assert (outcome.verdict, outcome.message) == (Verdict.START_FAILED, f"fork/exec {path}: {sentence}")
    assert check_possible(TaskType(Type="t", Script=[str(path)], Preload=MODULES)) == [f"Type t: {sentence}"]


def test_that_the_interpreter_ends_with_goophry(tmp_path: Path) -> None:
    path = python_file(tmp_path, "pass")
    program = (
        "import os, signal\n"
        "from goophry.config import TaskType\n"
        "from goophry.entry import TaskEntry\n"
        "from goophry.runners.base import Job\n"
        "from goophry.runners.build import runner_factory\n"
        "from goophry.runners.live import LivePids\n"
        "from goophry.runners.reaper import become_subreaper\n"
        "become_subreaper()\n"
        "live = LivePids()\n"
        f"task_type = TaskType(Type='t', Script=[{str(path)!r}], Preload=['json'])\n"
        "assert runner_factory(task_type, instance_id='i', live=live)().run(Job(TaskEntry(), 'run')).ok\n"
        "print(*live.snapshot(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    printed = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=False).stdout

    (pid,) = map(int, printed.split())
    os.waitpid(pid, 0)  # this process adopted it


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13", "3.14"])
def test_that_older_and_newer_interpreters_do_too(make: Make, tmp_path: Path, version: str) -> None:
    program = shutil.which(f"python{version}")
    if program is None or subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"Python {version} is not installed")
    path = python_file(tmp_path, "import sys; print(sys.version_info[:2], sys.argv[1:]); sys.exit(6)")
    runner = make([program, str(path)])

    outcomes = [runner.run(job("a")) for _ in range(2)]

    expected = f"({version.replace('.', ', ')}) ['a']\n"
    assert [(outcome.exit_code, outcome.stdout.text()) for outcome in outcomes] == [(6, expected)] * 2


def test_a_script_says_after_how_many_seconds_it_wants_to_be_tried_again(make: Make) -> None:
    runner = make("import os, sys; os.write(int(os.environ['GOOPHRY_RETRY_AFTER_FD']), b'3'); sys.exit(75)", Retry=[60])

    outcomes = [runner.run(Job(TaskEntry(), f"run-{number}")) for number in range(2)]

    assert [(outcome.exit_code, outcome.retry_after_s) for outcome in outcomes] == [(75, 3), (75, 3)]
