"""Runners made from shell text."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from processes import alive

from goophry.config import TaskType
from goophry.runners.base import Runner
from goophry.runners.build import runner_factory
from goophry.runners.live import LivePids


@pytest.fixture
def live() -> LivePids:
    return LivePids()


@pytest.fixture
def make(script: Callable[..., Path], live: LivePids) -> Iterator[Callable[..., Runner]]:
    """Make runners of scripts; they are closed afterwards."""
    with ExitStack() as stack:

        def runner(body: str | list[str], **keys: Any) -> Runner:
            program = body if isinstance(body, list) else [str(script(body))]
            task_type = TaskType(Type="shell", Script=program, **keys)
            made = runner_factory(task_type, instance_id="here", live=live)()
            stack.callback(made.close)
            return made

        yield runner


@pytest.fixture
def left_over() -> Iterator[Callable[[str], list[int]]]:
    """Name runs that leave processes on purpose; they are killed afterwards."""
    runs: list[str] = []

    def note(run_id: str) -> list[int]:
        runs.append(run_id)
        return alive(run_id)

    yield note
    for run_id in runs:
        for pid in alive(run_id):
            os.kill(pid, signal.SIGKILL)
