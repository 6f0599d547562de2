"""Which processes the runners wait for, in one place."""


class LivePids:
    """The pids that some runner started and has not waited for yet. Safe to use from any thread."""

    __slots__ = ("_pids",)

    def __init__(self) -> None:
        # Adding to, discarding from and copying a set are each one step under the interpreter lock.
        self._pids: set[int] = set()

    def add(self, pid: int) -> None:
        """Note that `pid` was started; whoever did so will wait for it."""
        self._pids.add(pid)

    def discard(self, pid: int) -> None:
        """Note that `pid` was waited for."""
        self._pids.discard(pid)

    def snapshot(self) -> frozenset[int]:
        """Return the pids of this moment."""
        return frozenset(self._pids)

    def __contains__(self, pid: object) -> bool:
        return pid in self._pids
