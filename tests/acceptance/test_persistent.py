"""A real goophry with scripts that live on: persistent ones, and a preloaded interpreter."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from acceptance.goophry_process import Goophry, entry, pids_with_name
from conftest import eventually

pytest_plugins = ["acceptance.fixtures"]

Start = Callable[..., Goophry]

CHILD = """
import json, os, sys
for line in sys.stdin:
    task = json.loads(line)
    what, *rest = task["Args"]
    if what == "die":
        os._exit(9)
    with open(sys.argv[1], "a") as done:
        print(what, os.getpid(), file=done)
    print('{"ok":true}', flush=True)
"""


@pytest.fixture
def child(tmp_path: Path) -> list[str]:
    (tmp_path / "child.py").write_text(CHILD)
    return [sys.executable, str(tmp_path / "child.py"), str(tmp_path / "done")]


def test_persistent_children_drain_a_queue_and_end_with_goophry(
    goophry: Start, child: list[str], tmp_path: Path
) -> None:
    process = goophry({"Type": "t", "Kind": "persistent", "Script": child, "Workers": 2}, FailedTasksTTL=60)
    names = [f"{number:05d}" for number in range(2000)]
    process.client.rpush(process.queue("t"), *[entry(name) for name in names[:1000]], entry("die"))
    process.client.rpush(process.queue("t"), *[entry(name) for name in names[1000:]])

    eventually(lambda: process.drained("t"), within=60)

    lines = [line.split() for line in (tmp_path / "done").read_text().splitlines()]
    assert sorted(name for name, _ in lines) == names
    assert len({pid for _, pid in lines}) in {2, 3}
    assert [text for text in process.failed("t") if b'"ErrorMessage":"exit status 9"' not in text] == []
    assert len(process.failed("t")) == 1
    assert process.stop() == 0
    assert not [pid for _, pid in lines if Path(f"/proc/{pid}").exists()]


def test_a_stop_in_the_middle_of_a_persistent_drain_leaves_run_and_left_equal_to_pushed(
    goophry: Start, child: list[str], tmp_path: Path
) -> None:
    process = goophry({"Type": "t", "Kind": "persistent", "Script": child, "Workers": 2})
    names = [f"{number:05d}" for number in range(20_000)]
    process.client.rpush(process.queue("t"), *[entry(name) for name in names])
    done = tmp_path / "done"
    eventually(lambda: done.exists() and done.stat().st_size > 1000)

    assert process.stop() == 0

    left = process.waiting("t")
    assert left
    assert sorted([entry(line.split()[0]) for line in done.read_text().splitlines()] + left) == [
        entry(n) for n in names
    ]


def test_preloaded_scripts_run_fail_and_leave_nothing_behind(goophry: Start, tmp_path: Path) -> None:
    script = tmp_path / "task.py"
    script.write_text(
        f"#!{sys.executable}\nimport json, sys, time\nif sys.argv[1] == 'bad': raise ValueError('bad one')\n"
        f"if sys.argv[1] == 'slow': time.sleep(100)\nopen({str(tmp_path / 'done')!r}, 'a').write(sys.argv[1] + '\\n')\n"
    )
    script.chmod(0o755)
    task = {"Type": "t", "Script": str(script), "Preload": ["json", "decimal"], "Workers": 2, "Timeout": 20}
    process = goophry(task, FailedTasksTTL=60)
    names = [f"{number:03d}" for number in range(100)]
    for name in [*names[:50], "bad", *names[50:]]:
        process.push("t", name)
    process.push("t", "slow", Timeout=0.5)

    eventually(lambda: process.drained("t"), within=60)

    assert sorted((tmp_path / "done").read_text().split()) == names
    failed = process.failed("t")
    assert sorted(b"ValueError: bad one" in text for text in failed) == [False, True]
    assert sorted(b"timed out after 0.5 s" in text for text in failed) == [False, True]
    assert process.stop() == 0
    assert not {pid for pid in pids_with_name("GOOPHRY_RUN") if _mentions(pid, str(script))}


def _mentions(pid: int, text: str) -> bool:
    try:
        return text.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
