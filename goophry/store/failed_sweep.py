"""Going through a whole failed list, the oldest entries first, and taking out those that are meant."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from goophry.failed_entry import FailedEntry, FailedFilter
from goophry.store.failed_look import Look, Seen

#: Entries handled in one step, which takes Redis a few milliseconds.
BATCH: Final = 500

#: Of those that are refused, how many are returned.
TOLD: Final = 10

#: How often a sweep begins anew because others took out entries that it had passed.
DISTURBANCES: Final = 3

Progress = Callable[[int], object]
"""Told how many more entries were looked at."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What became of the entries that were meant."""

    done: int = 0
    refused: int = 0
    """How many cannot be put back as they are, and stay."""
    told: tuple[FailedEntry, ...] = ()
    """The first of these."""

    def __add__(self, other: "Swept") -> "Swept":
        return Swept(self.done + other.done, self.refused + other.refused, (*self.told, *other.told)[:TOLD])


class Sweep:
    """One way through the list as it is long now; what is appended meanwhile is not looked at.

    The entries that stay are counted, so that the index where to go on is known. If another one
    takes out some of them, the index is wrong; that is noticed, and the way begins anew.
    """

    def __init__(
        self,
        look: Look,
        wanted: FailedFilter,
        *,
        refuse: Callable[[FailedEntry], bool] | None,
        progress: Progress,
    ) -> None:
        """Entries that are meant and for which `refuse` is true are counted, and stay."""
        self._look = look
        self._wanted = wanted
        self._refuse = refuse
        self._progress = progress
        self._left = look.length()
        self._passed = 0
        self._last_passed = ""
        self._disturbed = 0
        self._refused = Swept()

    def run(self, take: Callable[[Sequence[Seen]], int]) -> Swept:
        """Hand entries to `take`, which takes out all of them and returns how many were still there."""
        done = sum(take(batch) for batch in self._batches())
        return Swept(done) + self._refused

    def _batches(self) -> Iterator[list[Seen]]:
        while self._left > 0:
            self._check_place()
            seen = self._look.up(self._passed, limit=min(BATCH, self._left))
            if not seen:
                return
            self._left -= len(seen)
            batch = []
            for each in seen:
                if not self._wanted.matches(each.entry):
                    self._pass(each)
                elif self._refuse is not None and self._refuse(each.entry):
                    self._refused += Swept(0, 1, (each.entry,))
                    self._pass(each)
                else:
                    batch.append(each)
            if batch:
                yield batch
            self._progress(len(seen))

    def _pass(self, seen: Seen) -> None:
        self._passed += 1
        self._last_passed = seen.entry.key

    def _check_place(self) -> None:
        """Begin anew if the entry before the next one is not the one that was passed last."""
        if not self._passed or self._disturbed == DISTURBANCES:
            return
        if self._look.key_at(self._passed - 1) != self._last_passed:
            self._disturbed += 1
            self._passed, self._left, self._refused = 0, self._look.length(), Swept()
