"""A real goophry whose types do other things than start a script."""

import json
from collections.abc import Callable
from pathlib import Path

from acceptance.goophry_process import Goophry
from conftest import eventually

pytest_plugins = ["acceptance.fixtures"]

Start = Callable[..., Goophry]
Script = Callable[..., Path]


def errors_of(process: Goophry, task_type: str, count: int) -> list[str]:
    entries = [json.loads(raw) for raw in process.wait_failed(task_type, count)]
    return sorted(entry["ErrorMessage"] for entry in entries)


def test_commands_run_if_they_are_allowed_and_are_told_of_if_not(
    goophry: Start, script: Script, tmp_path: Path
) -> None:
    told = script(f'printf "%s" "$1" >> {tmp_path}/told')
    tool = script(f'printf "%s-" "$@" >> {tmp_path}/ran', name="tool")
    task = {"Type": "c", "Kind": "command", "Allow": [f"{tmp_path}/t*", "false"], "ErrorScript": str(told)}
    process = goophry(task, FailedTasksTTL=60)

    process.push("c", str(tool), "a b", "")
    process.push("c", "sh", "-c", "id")
    process.push("c", "false")

    assert errors_of(process, "c", 2) == ["exit status 1", "not allowed: no glob of Allow matches sh"]
    assert (tmp_path / "ran").read_text() == "a b--"
    eventually(lambda: (tmp_path / "told").read_text().count("command") == 2)
    assert 'command "sh" "-c" "id"\n\nnot allowed: no glob of Allow matches sh' in (tmp_path / "told").read_text()
    assert process.stop() == 0
