"""The one look that all pages share."""

import dataclasses
import logging
from typing import Any

import pytest
from conftest import eventually
from engine.service_contract import stress
from fakes import FakeClock

from goophry.clock import SystemClock
from goophry.errors import StoreUnavailable
from goophry.stats.counters import Counters
from goophry.stats.last_failures import LastFailures
from goophry.store.fleet import Done, FleetState, Instance, Run, TypeState
from goophry.web.board import INTEREST_S, WATCHED_S, Board


def instance(name: str, **done: tuple[int, int]) -> Instance:
    told = {key: Done(finished, failed, per_s=1.0) for key, (finished, failed) in done.items()}
    return Instance(name, name, 7, 1.0, "2", 0, quiet=False, types=("t",), workers={"t": 2}, done=told, runs=())


class Looks:
    """What Redis would say."""

    def __init__(self) -> None:
        self.instances: list[Instance] = [instance("a", t=(100, 10))]
        self.waiting = 0
        self.now_s = 9000.0
        self.runs: tuple[Run, ...] = ()
        self.away = False
        self.looked = 0

    def fleet(self) -> tuple[FleetState, list[Any]]:
        self.looked += 1
        if self.away:
            raise StoreUnavailable("refused")
        state = TypeState("t", True, self.waiting, 0, 0, 0, 1, 2, Done(0, 0, 1.0))
        return FleetState(self.now_s, tuple(self.instances), (state,), self.runs), []

    def paused(self) -> list[str]:
        return []


class Here:
    def troubles(self) -> dict[str, str]:
        return {}

    def is_quiet(self) -> bool:
        return False


def board(looks: Looks, clock: Any) -> Board:
    return Board(
        looks,
        Here(),
        instance="a",
        counters=Counters(["t"], clock=clock),
        last_failures=LastFailures(clock=clock),
        clock=clock,
    )


def test_what_ended_between_looks_is_counted_for_all_instances_and_what_was_before_is_not() -> None:
    looks, clock = Looks(), FakeClock()
    made = board(looks, clock)

    def counts() -> tuple[int, int]:
        clock.forward(2)
        row = made.turn().types[0]
        return row.done_hour, row.failed_hour

    assert counts() == (0, 0)
    looks.instances = [instance("a", t=(104, 11)), instance("b", t=(50, 0))]
    assert counts() == (3, 1)
    looks.instances = [instance("a", t=(104, 11)), instance("b", t=(52, 2))]
    assert counts() == (3, 3)
    looks.instances = [instance("a", t=(104, 11)), instance("c")]
    assert counts() == (3, 3)
    looks.instances = [instance("a", t=(104, 11)), instance("c", t=(2, 0))]
    assert counts() == (5, 3)
    new = dataclasses.replace(instance("d", t=(7, 1)), started_s=clock.time - 5)
    looks.instances = [instance("a", t=(104, 11)), new]
    assert counts() == (11, 4)


def test_pages_share_a_look_and_a_stale_one_is_taken_anew() -> None:
    looks, clock = Looks(), FakeClock()
    made = board(looks, clock)

    made.overview()
    made.overview()
    assert looks.looked == 1
    clock.forward(INTEREST_S + WATCHED_S)
    made.overview()
    made.runs()
    assert looks.looked == 2


def test_who_asks_for_numbers_gets_none_older_than_two_seconds_and_counts_as_nobody_watching() -> None:
    """So an autoscaler that asks each half a minute costs a look each half a minute."""
    looks, clock = Looks(), FakeClock()
    made = board(looks, clock)

    made.recent()
    clock.forward(WATCHED_S)
    made.recent()
    assert looks.looked == 1
    clock.forward(1)
    assert made.recent().now == clock.time
    assert looks.looked == 2
    clock.forward(WATCHED_S + 1)
    made.overview()  # not watched until now: so it is not content with what there is
    assert looks.looked == 3


def test_oldest_run_of_a_type_is_told() -> None:
    looks = Looks()
    run = Run("t", "r", None, "", 500.0, 1, "a", 60.0)
    looks.runs = (run, dataclasses.replace(run, started_s=700.0))

    overview = board(looks, FakeClock()).turn()

    assert overview.types[0].oldest_running == 500.0


def test_without_redis_the_last_numbers_stay_and_since_when_is_told() -> None:
    looks, clock = Looks(), FakeClock()
    made = board(looks, clock)
    looks.waiting = 3
    made.turn()
    looks.away = True
    clock.forward(5)
    since = clock.time
    made.turn()
    clock.forward(5)

    overview = made.turn()

    assert overview.types[0].waiting == 3
    assert (overview.redis.up, overview.redis.since, overview.redis.reason) == (False, since, "refused")


def test_it_looks_by_itself_and_tells_those_who_watch() -> None:
    looks = Looks()
    made = board(looks, SystemClock())
    seen: list[Any] = []
    made.start()
    try:
        stop = made.watch(seen.append)
        eventually(lambda: len(seen) > 1, what="two looks are told")
        stop()
        stop()
    finally:
        made.stop()

    assert not made._watchers


def test_a_look_that_fails_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    looks = Looks()
    made = board(looks, SystemClock())
    looks.paused = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]

    with caplog.at_level(logging.ERROR):
        made.start()
        eventually(lambda: "A look at everything failed" in caplog.text, what="it is logged")
        made.look_again()
        eventually(lambda: looks.looked > 1, what="it looks again")
        made.stop()


def test_it_keeps_the_contract_of_a_service() -> None:
    stress(lambda: board(Looks(), SystemClock()))
