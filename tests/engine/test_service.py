"""A thread that lives from start to stop is a service."""

import threading

import pytest
from engine.service_contract import stress

from goophry.engine.service import OneThread
from goophry.errors import StartError


def one_thread() -> OneThread:
    def run() -> None:
        thread.stopping.wait()

    thread = OneThread("goophry-test", run)
    return thread


def test_it_keeps_the_contract_of_a_service() -> None:
    stress(one_thread)


def test_it_starts_once_and_lives_until_it_is_stopped() -> None:
    thread = one_thread()
    before = threading.active_count()

    thread.start()
    thread.start()

    assert (thread.alive(), threading.active_count()) == (True, before + 1)
    thread.stop()
    assert (thread.started, thread.alive(), threading.active_count()) == (True, False, before)


def test_after_a_stop_it_does_not_start() -> None:
    thread = one_thread()
    thread.stop()

    with pytest.raises(StartError, match="has been stopped"):
        thread.start()
