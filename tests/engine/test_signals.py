"""Signals become items of a queue."""

import os
import queue
import signal

import pytest

from goophry.engine.signals import STOP, caught, hand_on


def test_each_signal_arrives_and_what_was_in_force_is_restored() -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with caught([signal.SIGUSR1, signal.SIGUSR2]) as arrived:
            os.kill(os.getpid(), signal.SIGUSR1)
            os.kill(os.getpid(), signal.SIGUSR2)
            assert {arrived.get(timeout=10), arrived.get(timeout=10)} == {signal.SIGUSR1, signal.SIGUSR2}
            with pytest.raises(queue.Empty):
                arrived.get_nowait()
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_they_are_restored_after_an_error_too() -> None:
    before = signal.getsignal(signal.SIGUSR2)

    with pytest.raises(ZeroDivisionError), caught([signal.SIGUSR2]):
        raise ZeroDivisionError

    assert signal.getsignal(signal.SIGUSR2) is before


def test_a_terminal_an_init_system_and_coyotes_can_stop_goophry() -> None:
    assert {signal.SIGTERM, signal.SIGINT, signal.SIGUSR2} == STOP


def test_what_came_early_is_handed_on_once_and_in_order() -> None:
    early: queue.SimpleQueue[signal.Signals] = queue.SimpleQueue()
    arrived: queue.SimpleQueue[signal.Signals] = queue.SimpleQueue()
    early.put(signal.SIGHUP)
    early.put(signal.SIGUSR1)

    hand_on(early, arrived)
    hand_on(early, arrived)

    assert [arrived.get_nowait(), arrived.get_nowait()] == [signal.SIGHUP, signal.SIGUSR1]
    assert arrived.empty()
