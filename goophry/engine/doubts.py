"""Whether Redis and memory may disagree about what is held, and with which server they agreed last."""

import threading
from typing import Any

from goophry.store.client import Link


class Doubts:
    """Those of one exchange. Thread-safe."""

    def __init__(self) -> None:
        # In doubt from the start: the first reconciliation enters this instance in the set of owners.
        self.count = 1
        """How many doubts there were."""
        self._cleared = 0
        self._lock = threading.Lock()
        self._server: Any = None

    def __bool__(self) -> bool:
        return self.count != self._cleared

    def add(self) -> None:
        """Have one more."""
        with self._lock:
            self.count += 1

    def clear(self, count: int) -> None:
        """Have none but those that came up after the first `count`."""
        self._cleared = count

    def agree(self, server: Any) -> None:
        """Note that all is agreed with this server, but for doubts that are not cleared."""
        self._server = server

    def is_another(self, server: Any) -> bool:
        """Whether this is another server than the last one that was agreed with, if there was one."""
        return self._server is not None and server != self._server

    def about(self, link: Link) -> bool:
        """Whether nothing may be taken or removed over this open link; it may lead to a server that was replaced."""
        return bool(self) or link.server != self._server
