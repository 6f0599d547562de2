"""What all pages look at, put together; imported only when there is a page."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from goophry.clock import Clock
from goophry.config import Settings
from goophry.engine.types import Types
from goophry.events import Observer
from goophry.stats.counters import Counters
from goophry.stats.last_failures import LastFailures
from goophry.stats.series import Series
from goophry.store.client import LinkPool, RedisServer
from goophry.store.fleet import Fleet, FleetState, Silent
from goophry.store.pauses import Pauses
from goophry.web.board import Board
from goophry.wiring.engine import Engine

#: Seconds that a look waits for Redis.
LOOK_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Witness:
    """What hears all that happens here, from the start on."""

    counters: Counters
    last_failures: LastFailures

    @property
    def observers(self) -> Sequence[Observer]:
        """To be told of everything."""
        return self.counters, self.last_failures


def witness(settings: Settings, *, clock: Clock) -> Witness:
    """Return what is to hear all that happens."""
    counters = Counters([task_type.type for task_type in settings.tasks], clock=clock)
    return Witness(counters, LastFailures(clock=clock))


def board(
    settings: Settings,
    *,
    server: RedisServer,
    engine: Engine,
    witness: Witness,
    clock: Clock,
    series: Series | None = None,
) -> Board:
    """Return what looks at everything, not yet started."""
    # Links of its own: a look must neither wait as long as a task may, nor be in a task's way.
    links = LinkPool(server, timeout_s=LOOK_TIMEOUT_S)
    return Board(
        _Looks(links, engine.types, queue_key=settings.redis_queue_key),
        _Here(engine.types),
        instance=engine.leases.instance,
        counters=witness.counters,
        last_failures=witness.last_failures,
        clock=clock,
        series=series,
    )


class _Looks:
    def __init__(self, links: LinkPool, types: Types, *, queue_key: str) -> None:
        self._links, self._types, self._queue_key = links, types, queue_key
        self._pauses = Pauses(links, queue_key=queue_key)

    def fleet(self) -> tuple[FleetState, Collection[Silent]]:
        fleet = Fleet(self._links, queue_key=self._queue_key, configured=list(self._types.serving()))
        return fleet.look(), fleet.silent()

    def paused(self) -> Collection[str]:
        return self._pauses.paused()


class _Here:
    def __init__(self, types: Types) -> None:
        self._types = types

    def troubles(self) -> Mapping[str, str]:
        return {loop.name: loop.trouble for loop in self._types.loops() if loop.trouble}

    def is_quiet(self) -> bool:
        return self._types.is_quiet
