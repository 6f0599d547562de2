"""What every Service must stand; each service's tests call `stress` with a factory.

`make` returns a new, unstarted service each time. `start` on a stopped service may work or raise
`StartError`; nothing else may be raised, no call may hang, no thread may be left.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from goophry.engine.service import Service
from goophry.errors import StartError

#: No stop and no start may take longer; far above what any service needs.
PATIENCE_S = 20


def stress(make: Callable[[], Service], *, threads: int = 6, rounds: int = 5) -> None:
    """Put `make`'s services through starts and stops in every order."""
    before = set(threading.enumerate())
    stop_without_start(make())
    start_twice_stop_twice(make())
    stop_from_many_threads(make(), threads=threads)
    for _ in range(rounds):
        start_and_stop_at_once(make(), threads=threads)
    end = time.monotonic() + PATIENCE_S
    while (left := set(threading.enumerate()) - before) and time.monotonic() < end:
        time.sleep(0.01)
    assert not left, f"threads left: {left}"


def stop_without_start(service: Service) -> None:
    _all([service.stop])
    _all([service.stop])


def start_twice_stop_twice(service: Service) -> None:
    _all([service.start])
    _all([service.start])
    _all([service.stop])
    _all([service.stop])


def stop_from_many_threads(service: Service, *, threads: int) -> None:
    _all([service.start])
    _all([service.stop] * threads)


def start_and_stop_at_once(service: Service, *, threads: int) -> None:
    """Start and stop from many threads; after a last stop it is stopped."""
    _all([lambda: _start(service), service.stop] * threads)
    _all([service.stop])


def _start(service: Service) -> None:
    try:
        service.start()
    except StartError:
        return


def _all(calls: list[Callable[[], None]]) -> None:
    """Make all calls at once, each in a thread; raise what one of them raised, or TimeoutError."""
    with ThreadPoolExecutor(max_workers=len(calls)) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result(PATIENCE_S)
