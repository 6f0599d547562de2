"""Configuration files for tests: a minimal one, with whatever the test puts on top."""

import json
from pathlib import Path
from typing import Any

import pytest

from goophry.config import Settings, TaskType, load
from goophry.errors import ConfigError

MINIMAL: dict[str, Any] = {"RedisQueueKey": "q", "Tasks": [{"Type": "a", "Script": "a.sh"}]}


def config(tmp_path: Path, *parts: dict[str, Any], environ: dict[str, str] | None = None) -> Settings:
    """Load MINIMAL with other top-level keys on top."""
    document: dict[str, Any] = dict(MINIMAL)
    for part in parts:
        document |= part
    path = tmp_path / "goophry.config.json"
    path.write_text(json.dumps(document))
    return load(path, environ=environ or {})


def task(tmp_path: Path, *, environ: dict[str, str] | None = None, **keys: Any) -> TaskType:
    """Load one task type with these keys."""
    return config(tmp_path, {"Tasks": [MINIMAL["Tasks"][0] | keys]}, environ=environ).tasks[0]


def problems(tmp_path: Path, *parts: dict[str, Any], environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, *parts, environ=environ)
    return caught.value.problems


def problems_of_text(tmp_path: Path, text: str | bytes) -> list[str]:
    path = tmp_path / "goophry.config.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]
