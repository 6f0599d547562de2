"""The `command` kind: only what Allow matches is started, and exactly that."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from contract import Make, ProcessContract, job

from goophry.config import TaskType
from goophry.entry import TaskEntry
from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Job, Runner
from goophry.runners.build import runner_factory

Run = Callable[..., Outcome]


class Ahead:
    """A runner whose jobs get their program put before their Args."""

    def __init__(self, runner: Runner, program: str) -> None:
        self._runner, self._program = runner, program

    def run(self, task: Job) -> Outcome:
        fields = {"id": task.entry.id, "env": task.entry.env, "timeout_s": task.entry.timeout_s}
        entry = TaskEntry((self._program, *task.entry.args), **fields)  # type: ignore[arg-type]
        return self._runner.run(Job(entry, task.run_id, task.attempt, task.recovered, task.interrupt))

    def close(self) -> None:
        self._runner.close()


@pytest.fixture
def make(script: Callable[..., Path]) -> Iterator[Make]:
    with ExitStack() as stack:

        def runner(body: str, **keys: Any) -> Runner:
            program = str(script(body))
            task_type = TaskType(Type="c", Kind="command", Allow=[program], **keys)
            made = runner_factory(task_type, instance_id="here")()
            stack.callback(made.close)
            return Ahead(made, program)

        yield runner


@pytest.fixture
def run() -> Iterator[Run]:
    """Run one entry under a type with these globs, output allowed."""
    with ExitStack() as stack:

        def do(allow: list[str], *args: str, path: str = "/usr/bin:/bin", **keys: Any) -> Outcome:
            task_type = TaskType(Type="c", Kind="command", Allow=allow, **({"FailOnOutput": False} | keys))
            made = runner_factory(task_type, instance_id="here", environ={"PATH": path})()
            stack.callback(made.close)
            return made.run(job(*args))

        yield do


class TestCommandRunner(ProcessContract):
    """What holds for scripts holds for commands."""


class TestPlainCommandRunner(ProcessContract):
    """And for those that need a User or Limits."""

    @pytest.fixture
    def make(self, make: Make) -> Make:
        return lambda body, **keys: make(body, **({"Umask": "022"} | keys))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder that is allowed, `bin`, among others; every program says its path."""
    for name in ("bin/tool", "bin/sub/tool", "other/tool", "other/deep/tool", "bin/*"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho {name}\n")
        path.chmod(0o755)
    (tmp_path / "bin" / "link").symlink_to(tmp_path / "other" / "deep")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "bin" / "tool")
    (tmp_path / "bin" / "alias").symlink_to(tmp_path / "other" / "tool")
    return tmp_path


@pytest.mark.parametrize(
    ("allow", "word", "runs"),
    [
        (["*"], "true", ""),
        (["*"], "{tree}/other/tool", "other/tool\n"),
        (["tru?", "x"], "true", ""),
        (["{tree}/bin/*"], "{tree}/bin/tool", "bin/tool\n"),
        (["{tree}/bin/*"], "{tree}/./bin//sub/../tool", "bin/tool\n"),
        (["{tree}/bin/*"], "/{tree}/bin/tool/", "bin/tool\n"),
        (["{tree}/bin/*"], "{tree}/bin/*", "bin/*\n"),
        (["{tree}/bin/**"], "{tree}/bin/sub/tool", "bin/sub/tool\n"),
        (["{tree}/**/tool"], "{tree}/other/deep/tool", "other/deep/tool\n"),
        (["{tree}/**"], "{tree}/bin/tool", "bin/tool\n"),
        # Read as the kernel walks it this would be other/tool; what matched is what runs.
        (["{tree}/bin/*"], "{tree}/bin/link/../tool", "bin/tool\n"),
        # Who may write into an allowed folder may run anything.
        (["{tree}/bin/*"], "{tree}/bin/alias", "other/tool\n"),
    ],
)
def test_that_what_is_allowed_runs(tree: Path, run: Run, allow: list[str], word: str, runs: str) -> None:
    outcome = run([glob.format(tree=tree) for glob in allow], word.format(tree=tree))

    assert (outcome.verdict, outcome.stdout.text()) == (Verdict.SUCCESS, runs)


@pytest.mark.parametrize(
    ("allow", "word", "named"),
    [
        (["tru"], "true", "true"),
        (["True"], "true", "true"),
        (["/usr/bin/*"], "true", "true"),
        (["true"], "/bin/true", "/bin/true"),
        (["true", "t*"], "./true", "{tree}/true"),
        (["{tree}/bin/*"], "{tree}/bin/sub/tool", "{tree}/bin/sub/tool"),
        (["{tree}/bin/*"], "{tree}/bin/../other/tool", "{tree}/other/tool"),
        (["{tree}/bin/**"], "{tree}/bin/../other/tool", "{tree}/other/tool"),
        (["{tree}/bin/*"], "{tree}/bin/sub/../../other/tool", "{tree}/other/tool"),
        (["{tree}/bin/**"], "../../../../../../../../../../../bin/sh", "/bin/sh"),
        (["{tree}/bin/*"], "{tree}/bin/link/tool", "{tree}/bin/link/tool"),
        (["{tree}/bin/tool"], "{tree}/elsewhere", "{tree}/elsewhere"),
        (["{tree}/bin/tool"], "{tree}/bin/tool\n", "{tree}/bin/tool\n"),
        (["{tree}/bin/*"], "{tree}/bin", "{tree}/bin"),
        (["{tree}/bin/*"], "{tree}/bin/", "{tree}/bin"),
        (["{tree}/bin/*"], "{tree}/bin/.", "{tree}/bin"),
        (["tool"], "tool ", "tool "),
    ],
)
def test_that_nothing_else_runs(tree: Path, run: Run, allow: list[str], word: str, named: str) -> None:
    outcome = run([glob.format(tree=tree) for glob in allow], word.format(tree=tree), WorkDir=tree)

    assert outcome.verdict is Verdict.START_FAILED
    assert outcome.message == f"not allowed: no glob of Allow matches {named.format(tree=tree)}"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "there is no program: Args is empty"),
        (("",), "the name of the program is empty"),
        (("a\0b",), "the name of the program holds a NUL character"),
        (("no-such-program",), "no-such-program: not found on PATH"),
        (("true || id",), "true || id: not found on PATH"),
        ((".",), ".: not found on PATH"),
        (("..",), "..: not found on PATH"),
        (("/no/such/program",), "fork/exec /no/such/program: no such file or directory"),
        (("/",), "fork/exec /: permission denied"),
        (("true", "a\0b"), "fork/exec {true}: invalid argument"),
    ],
)
def test_that_what_cannot_be_started_is_an_outcome(run: Run, args: tuple[str, ...], message: str) -> None:
    outcome = run(["*"], *args)

    assert (outcome.verdict, outcome.message) == (Verdict.START_FAILED, message.format(true="/usr/bin/true"))


def test_that_nothing_goes_through_a_shell(run: Run, tmp_path: Path) -> None:
    args = ["; touch x", "$(touch x)", "*", "> x", "a  b"]

    outcome = run(["printf"], "printf", "%s\\n", *args, WorkDir=tmp_path)

    assert outcome.stdout.text().splitlines() == args
    assert list(tmp_path.iterdir()) == []


def test_that_words_are_looked_up_in_whole_folders_only(run: Run, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty or relative folder on PATH would be whichever folder goophry stands in."""
    monkeypatch.chdir(tree / "bin")
    (tree / "bin" / "plain").touch()

    assert run(["*"], "tool", path=f"::.:{tree}/nowhere").message == "tool: not found on PATH"
    assert run(["*"], "sub", path=f"{tree}/bin").message == "sub: not found on PATH"
    assert run(["*"], "plain", path=f"{tree}/bin").message == "plain: not found on PATH"
    assert run(["*"], "tool", path=f":{tree}/nowhere:{tree}/other/:{tree}/bin").stdout.text() == "other/tool\n"
    assert run(["*"], "tool", Env={"PATH": f"{tree}/bin"}).stdout.text() == "bin/tool\n"


def test_that_paths_begin_at_the_folder_of_the_type(run: Run, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)

    assert run(["*"], "bin/tool").stdout.text() == "bin/tool\n"
    assert run(["*"], "./tool", WorkDir=tree / "other").stdout.text() == "other/tool\n"
    assert run([f"{tree}/bin/*"], "../bin/tool", WorkDir=tree / "other").stdout.text() == "bin/tool\n"


def test_that_a_long_name_is_cut_in_the_message(run: Run) -> None:
    assert run(["a"], "x" * 10_000).message == f"not allowed: no glob of Allow matches {'x' * 200}"
    assert run(["*"], "/" + "x" * 300).message.endswith(": file name too long")


def test_that_a_missing_interpreter_is_told_from_a_missing_program(run: Run, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)

    assert run(["*"], str(program)).message == (
        f"fork/exec {program}: no such file or directory (its interpreter, or its loader)"
    )


@pytest.mark.parametrize(
    ("body", "keys", "verdict", "message"),
    [
        ("echo err >&2", {}, Verdict.FAILED, "wrote to stderr\n\nerr"),
        ("echo err >&2", {"FailOnStderr": False}, Verdict.SUCCESS, ""),
        ("echo out; echo err >&2", {}, Verdict.FAILED, "wrote to stderr\n\nerr"),
        ("echo out; echo err >&2", {"FailOnOutput": True}, Verdict.OUTPUT, "out\n"),
        ("echo out", {}, Verdict.SUCCESS, ""),
        ("echo err >&2; exit 3", {}, Verdict.FAILED, "exit status 3\n\nerr"),
    ],
)
def test_that_output_on_stderr_may_be_a_failure(
    run: Run, body: str, keys: dict[str, Any], verdict: Verdict, message: str
) -> None:
    outcome = run(["sh"], "sh", "-c", body, **({"FailOnStderr": True} | keys))

    assert (outcome.verdict, outcome.message) == (verdict, message)
    assert outcome.exit_code == (3 if "exit 3" in body else 0)


def test_that_the_program_has_the_environment_of_its_type(run: Run) -> None:
    outcome = run(["env"], "env", Env={"OF_TYPE": "1"}, EnvInherit="none")

    names = {line.partition("=")[0] for line in outcome.stdout.text().splitlines()}
    assert names == {"OF_TYPE", "GOOPHRY_TYPE", "GOOPHRY_INSTANCE", "GOOPHRY_RUN", "GOOPHRY_ATTEMPT"}
