"""Signals become items of a queue; nothing is done in a handler."""

import contextlib
import queue
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, TypeAlias

#: The signals that end goophry: TERM from an init system, INT from a terminal, USR2 as Coyotes had it.
STOP: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGUSR2})


Signals: TypeAlias = "queue.SimpleQueue[signal.Signals]"


@contextmanager
def caught(signals: Iterable[signal.Signals]) -> Iterator[Signals]:
    """Put each of the signals that arrives into the queue; what was in force before is restored at the end.

    To be used in the main thread.
    """
    # SimpleQueue.put is the one put that a handler may call in the middle of a get.
    arrived: Signals = queue.SimpleQueue()

    def note(number: int, _frame: FrameType | None) -> None:
        arrived.put(signal.Signals(number))

    before: dict[signal.Signals, Any] = {number: signal.signal(number, note) for number in signals}
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def hand_on(early: Signals, arrived: Signals) -> None:
    """Put what has arrived in the one queue into the other."""
    with contextlib.suppress(queue.Empty):
        while True:
            arrived.put(early.get_nowait())
