"""A pytest plugin: configurations for the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from acceptance.command_line import Config


@pytest.fixture
def config(tmp_path: Path, redis_address: str, queue_key: str, script: Callable[..., Path]) -> Config:
    """Write a configuration with the type `resize`; keyword arguments change its keys, `task` those of the type."""

    def write(*, task: dict[str, Any] | None = None, **keys: Any) -> Path:
        program = script("echo $1 >> ran.txt", name="resize.sh")
        resize = {"Type": "resize", "Script": str(program), "WorkDir": str(tmp_path)} | (task or {})
        settings = {"RedisAddress": redis_address, "RedisQueueKey": queue_key, "Tasks": [resize]} | keys
        path = tmp_path / "c.json"
        path.write_text(json.dumps(settings))
        return path

    return write


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the current one."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
