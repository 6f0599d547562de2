"""What runs in the background, and how it begins and ends.

The contract, hammered by `tests/engine/service_contract.py`:

- `start` returns when the service does its work; if it cannot, it raises `StartError` and leaves
  nothing behind. Starting a running service changes nothing.
- `stop` returns when the service has stopped: its threads have ended, its sockets are closed.
  Stopping twice, or without a start, is fine; whoever comes second waits for the first.
- Both may be called from any thread, but not from the service's own ones.
- After a stop, `start` either works again or raises `StartError`; each service says which.
"""

import threading
from collections.abc import Callable
from typing import Protocol

from goophry.errors import StartError


class Service(Protocol):
    """Something with threads of its own."""

    def start(self) -> None:
        """Begin; raises `StartError` when that is impossible."""
        ...

    def stop(self) -> None:
        """End, and return when ended."""
        ...


class OneThread:
    """One thread that lives from `start` to `stop`; itself a Service, which starts once."""

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        """`run` is to return soon after `stopping` is set."""
        self.stopping = threading.Event()
        self._name = name
        self._run = run
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread. Raises `StartError` after a stop."""
        with self._lock:
            if self._thread is not None:
                return
            if self.stopping.is_set():
                raise StartError(f"{self._name} has been stopped")
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            thread.start()
            self._thread = thread

    def stop(self) -> None:
        """Have the thread end, and wait for it."""
        self.stopping.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    @property
    def started(self) -> bool:
        """Whether `start` was called."""
        return self._thread is not None

    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()
