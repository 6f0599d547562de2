"""Who this instance is, and whether another one of this machine still lives."""

import os
import subprocess
import sys
from typing import Any

import pytest
from conftest import eventually

from goophry.engine.presence import Presence, process_ticks, this_process


@pytest.fixture
def here() -> Presence:
    return this_process(now=1000.0)


def test_ids_never_occur_twice_and_tell_host_and_process(here: Presence) -> None:
    ids = {this_process(now=1000.0).id for _ in range(50)}

    assert len(ids) == 50
    assert f"-{os.getpid()}-3e8-" in here.id


def test_a_live_process_is_not_known_to_be_dead(here: Presence) -> None:
    assert not here.knows_dead(here.about())


def test_a_process_that_ended_is_known_to_be_dead_also_as_a_zombie(here: Presence) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    about = here.about() | {"Pid": child.pid, "Ticks": process_ticks(child.pid)}
    assert not here.knows_dead(about)

    child.kill()
    eventually(lambda: here.knows_dead(about))
    child.communicate()

    assert here.knows_dead(about)


def test_a_pid_that_was_used_again_is_told_apart(here: Presence) -> None:
    assert here.knows_dead(here.about() | {"Ticks": "1"})


@pytest.mark.parametrize("other", [{"Boot": "another"}, {"Boot": None}, {"Pid": "7"}, {"Pid": None}])
def test_of_other_machines_and_rubbish_nothing_is_known(here: Presence, other: dict[str, Any]) -> None:
    assert not here.knows_dead(here.about() | {"Ticks": "1"} | other)
    assert not here.knows_dead({})
