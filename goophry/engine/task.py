"""An entry in this instance's hands."""

from goophry.runners.base import Interrupt
from goophry.store.queues import split_mark


class Task:
    """One entry between its pop and its end. Compared by identity: equal entries are two tasks."""

    __slots__ = ("deaths", "interrupt", "put_off", "raw", "recovered", "taken", "text")

    def __init__(self, raw: bytes, *, deaths: str = "") -> None:
        self.raw = raw
        """As it stands in Redis."""
        self.recovered, self.text = split_mark(raw)
        self.deaths = deaths
        """Which instances died with it, told where it is given up as lost."""
        self.interrupt = Interrupt()
        self.put_off = False
        """It waits for its next try, or for its moment, although the answer that said so was lost."""
        self.taken = False
        """Another instance has taken it over: whatever comes of this run is not to be settled."""
