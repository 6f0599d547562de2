"""When a failed run is tried again: a list of delays, or growing ones. Pure."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from goophry.backoff import Backoff

#: Longest delay, in seconds: over 31 years, as for every time span of the configuration.
MAX_DELAY_S: Final = 1_000_000_000

#: Most tries that a policy may ask for.
MAX_TIMES: Final = 1_000_000

_KEYS: Final = {name.lower(): name for name in ("Times", "Min", "Max", "Factor", "Jitter")}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and after which delays. Without arguments: never."""

    delays_s: tuple[float, ...] = ()
    """The delay after the first failed run, after the second, and so on."""
    backoff: Backoff | None = None
    """Instead of `delays_s`: growing delays, `times` of them."""
    times: int = 0

    @property
    def tries(self) -> int:
        """How many further tries there are after the first run."""
        return self.times if self.backoff is not None else len(self.delays_s)

    def delay_s(self, attempt: int, random: Callable[[], float]) -> float | None:
        """Return the seconds to wait after failed run number `attempt` (1 is the first), None = it was the last.

        `random` returns a float in [0, 1); it is used where the policy asks for jitter.
        """
        if attempt > self.tries:
            return None
        if self.backoff is not None:
            return self.backoff.delay_s(attempt, random)
        return self.delays_s[attempt - 1]

    def as_json(self) -> list[float] | dict[str, float | bool]:
        """Return the form that `parse` reads."""
        if self.backoff is None:
            return list(self.delays_s)
        return {
            "Times": self.times,
            "Min": self.backoff.min_s,
            "Max": self.backoff.max_s,
            "Factor": self.backoff.factor,
            "Jitter": self.backoff.jitter,
        }


NEVER: Final = RetryPolicy()

#: For a script that asks to be tried again where the configuration names no policy.
ON_REQUEST: Final = RetryPolicy(backoff=Backoff(min_s=60, max_s=3600), times=10)


def parse(value: Any) -> RetryPolicy:
    """Read either form: `[60,600,3600]` or `{"Times":5,"Min":1,"Max":3600,"Factor":2,"Jitter":true}`.

    Keys match in any case; all but Times have the defaults shown. Raises `ValueError` with what was expected.
    """
    if isinstance(value, RetryPolicy):
        return value
    if isinstance(value, list | tuple):
        if not all(_is_number(item, 0, MAX_DELAY_S) for item in value):
            raise ValueError(f"a list of seconds, each between 0 and {MAX_DELAY_S}")
        return RetryPolicy(delays_s=tuple(float(item) for item in value))
    if isinstance(value, Mapping):
        return _growing(value)
    raise ValueError('a list of seconds as [60,600,3600], or an object as {"Times":5,"Min":1,"Max":3600}')


def _growing(value: Mapping[str, Any]) -> RetryPolicy:
    given = {}
    for key, item in value.items():
        name = _KEYS.get(str(key).lower())
        if name is None:
            raise ValueError(f"the keys {', '.join(_KEYS.values())} and no others, not {key!r}")
        given[name] = item
    times, least, most = given.get("Times"), given.get("Min", 1), given.get("Max", 3600)
    factor, jitter = given.get("Factor", 2), given.get("Jitter", True)
    if not isinstance(times, int) or not _is_number(times, 0, MAX_TIMES):
        raise ValueError(f"Times, a whole number between 0 and {MAX_TIMES}")
    for name, item in (("Min", least), ("Max", most)):
        if not _is_number(item, 0, MAX_DELAY_S):
            raise ValueError(f"{name} in seconds, between 0 and {MAX_DELAY_S}")
    if least > most:
        raise ValueError("a Min that is not above Max")
    if not _is_number(factor, 1, 1000):
        raise ValueError("a Factor between 1 and 1000")
    if jitter is not True and jitter is not False:
        raise ValueError("Jitter to be true or false")
    return RetryPolicy(backoff=Backoff(float(least), float(most), float(factor), jitter), times=times)


def _is_number(value: Any, least: float, most: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and least <= value <= most
