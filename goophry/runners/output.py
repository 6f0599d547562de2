"""What a script writes, kept within a limit."""

from goophry.outcome import NOTHING, Captured


class Capture:
    """One stream: its first bytes, its last bytes, and how many there were between.

    Holds at most one and a half times `limit` bytes, whatever is added.
    """

    __slots__ = ("_dropped", "_head", "_head_room", "_tail", "_tail_limit")

    def __init__(self, limit: int) -> None:
        # One byte at least: whether there was any output decides about success.
        self._head_room = max(1, (limit + 1) // 2)
        self._tail_limit = max(0, limit - self._head_room)
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, chunk: memoryview) -> None:
        """Take the next bytes; `chunk` may be overwritten afterwards."""
        if self._head_room:
            first = chunk[: self._head_room]
            self._head += first
            self._head_room -= len(first)
            chunk = chunk[len(first) :]
        if len(chunk) > self._tail_limit:
            self._dropped += len(chunk) - self._tail_limit
            chunk = chunk[len(chunk) - self._tail_limit :]
        self._tail += chunk
        # Twice the limit before anything moves: each byte is then moved once, not once per chunk.
        if len(self._tail) > 2 * self._tail_limit:
            self._cut()

    def captured(self) -> Captured:
        """Return what was kept."""
        if not self._head:
            return NOTHING
        self._cut()
        return Captured(bytes(self._head), bytes(self._tail), self._dropped)

    def glimpse(self) -> Captured:
        """Return what is kept so far; from another thread, while bytes are added."""
        while True:
            dropped = self._dropped
            found = Captured(bytes(self._head), bytes(self._tail), dropped)
            if self._dropped == dropped:
                return found

    def _cut(self) -> None:
        surplus = len(self._tail) - self._tail_limit
        if surplus > 0:
            del self._tail[:surplus]
            self._dropped += surplus
