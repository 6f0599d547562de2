"""How long runs took in the last hour, from the histograms of the counters: half of them, and nineteen in twenty."""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final

from goophry.stats.counters import Snapshot
from goophry.stats.type_counter import PART_BOUNDS_S

#: The counts are kept every so many seconds, for an hour.
KEEP_EVERY_S: Final = 300.0
_KEPT: Final = 13


class RunTimes:
    """Remembers the counts of the last hour. For one thread."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Mapping[str, tuple[int, ...]]]] = deque(maxlen=_KEPT)

    def percentiles(self, now: float, snapshot: Snapshot) -> dict[str, tuple[float | None, float | None]]:
        """Return for each type the median and the 95th percentile, in seconds; None if nothing ran.

        `now` is monotonic.
        """
        counts = {name: each.run_parts for name, each in snapshot.types.items()}
        if not self._kept or now - self._kept[-1][0] >= KEEP_EVERY_S:
            self._kept.append((now, counts))
        before = self._kept[0][1] if len(self._kept) == _KEPT else {}
        found = {}
        for name, buckets in counts.items():
            old = before.get(name)
            lately = buckets if old is None else tuple(b - a for a, b in zip(old, buckets, strict=True))
            found[name] = (quantile(lately, 0.5), quantile(lately, 0.95))
        return found


def quantile(parts: Sequence[int], share: float) -> float | None:
    """Return the length that `share` of the runs do not exceed, as if they lay evenly within each part of a bucket."""
    total = sum(parts)
    if not total:
        return None
    wanted = share * total
    for place, sum_ in enumerate(accumulate(parts)):
        if sum_ >= wanted and parts[place]:
            if place == len(PART_BOUNDS_S):
                return PART_BOUNDS_S[-1]
            low = PART_BOUNDS_S[place - 1] if place else 0.0
            return low + (PART_BOUNDS_S[place] - low) * (wanted - sum_ + parts[place]) / parts[place]
    return None
