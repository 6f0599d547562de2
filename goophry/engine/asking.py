"""Whether to ask for entries for the other free workers too, after one was popped."""

from typing import Final

#: Entries that are popped one by one before several are asked for again, when that brought nothing.
MOST_POPS_UNTIL_ASK: Final = 15


class Asking:
    """Asks less often the more often it was in vain: where entries come one by one, it is in the way of the one popped."""

    def __init__(self) -> None:
        self._fruitless = 0
        self._pops_until_ask = 0

    def now(self) -> bool:
        """Whether to ask, after the entry just popped."""
        self._pops_until_ask -= 1
        return self._pops_until_ask < 0

    def note(self, *, fruitful: bool) -> None:
        """Learn from what came of it."""
        self._fruitless = 0 if fruitful else min(2 * self._fruitless + 1, MOST_POPS_UNTIL_ASK)
        self._pops_until_ask = self._fruitless
