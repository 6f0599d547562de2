"""A pytest plugin: goophry in a terminal."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from acceptance.terminal import Screen


@pytest.fixture
def screen() -> Iterator[Callable[..., Screen]]:
    """Run a goophry command in a terminal of its own."""
    screens: list[Screen] = []

    def begin(*words: str | Path, **size: int) -> Screen:
        screens.append(Screen([sys.executable, "-m", "goophry", *map(str, words)], **size))
        return screens[-1]

    yield begin
    for each in screens:
        each.close()
