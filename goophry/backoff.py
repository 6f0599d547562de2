"""How long to wait before the next try. Pure: the random source is an argument."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential delays between `min_s` and `max_s`, spread so that many waiters do not come at once."""

    min_s: float
    max_s: float
    factor: float = 2.0
    jitter: bool = True

    def delay_s(self, attempt: int, random: Callable[[], float]) -> float:
        """Return the seconds to wait after failed try number `attempt` (1 is the first).

        `random` returns a float in [0, 1). With jitter the delay lies between half of the
        exponential step and the whole of it.
        """
        # 2**64 steps pass any max_s; the cap keeps factor ** attempt a finite float.
        step = min(self.max_s, self.min_s * self.factor ** min(max(attempt, 1) - 1, 64))
        return step * (0.5 + random() / 2) if self.jitter else step
