"""Where one Redis becomes the limit of a fleet: costs measured, a model of them, and the model held against measurement.

    python benchmarks/fleet.py [--seconds 4] [--instances 1 2 4 8 16]

1. What Redis does for a task, with either delivery, with and without an Id, and for an instance that is merely there.
2. A model of the traffic (`fleet_model.py`) with these costs, beside fleets that fit on this machine: of tasks that
   sleep, so that CPU is not the limit; and again with a Redis that is stopped for most of the time, so that it is.
3. What the model says of 1, 10 and 100 instances, each on a host of its own.
"""

import argparse
from dataclasses import asdict
from typing import Any

from fleet_measured import between, look, measured, plant, running
from fleet_model import Costs, Fleet, Slowed, simulate
from harness import Workshop, workshop
from report import machine, note, publish

MODES = [(delivery, ids) for delivery in ("at-most-once", "at-least-once") for ids in (False, True)]
USUAL, DEAR = ("at-least-once", False), ("at-least-once", True)
FEW, MANY = 1, 16
"""Workers of the instance whose traffic is measured: none share a round trip, and many do."""
PRESENCE = (1, 16)
"""Instances that are merely there, while the background is measured."""
OTHERS = 200
"""Heartbeats that are put there beside one instance, for what it costs to look after others."""
PRESENCE_S = 10.0
CHECK_WORKERS, CHECK_S, SLOW_CHECK_S, SHARE = 8, 0.05, 0.02, 0.05
LENGTHS_S = (0.01, 0.1, 1.0)
FLEETS = (1, 10, 100)


def main() -> None:
    """Measure, fit, check, tell."""
    options = _options()
    with workshop() as shop:
        about = machine(shop.client)
        traffic = _traffic(shop, seconds=options.seconds)
        background = _background(shop)
        costs = {mode: _fitted(traffic, mode, background) for mode in MODES}
        raw = {"traffic": traffic, "background": background, "costs": [asdict(costs[mode]) for mode in MODES]}
        publish("fleet-costs", "What Redis does for a task", _cost_rows(traffic, costs), about=about, raw=raw)
        _tell_background(background, costs[USUAL])
        checks = _checks(shop, costs, options=options)
        publish("fleet-check", "The model beside measurement", checks, about=about, raw=checks)
        fleets = _fleets(costs[USUAL])
        publish("fleet", "One Redis, instances with 16 workers each, at-least-once", fleets, about=about, raw=fleets)


def _traffic(shop: Workshop, *, seconds: float) -> list[dict[str, Any]]:
    """Measure tasks that take no time, with each mode, by few and by many workers."""
    runs = []
    for delivery, ids in MODES:
        for workers in (FEW, MANY):
            fleet = Fleet(1, workers, 0.0)
            found = measured(shop, fleet, delivery=delivery, ids=ids, seconds=seconds, expected=15_000)
            runs.append({"delivery": delivery, "ids": ids, "workers": workers, **asdict(found)})
            note(f"{delivery}, {'with' if ids else 'without'} Id, {workers} workers: {found.rate:,.0f} tasks/s")
    return runs


def _background(shop: Workshop) -> list[dict[str, Any]]:
    """Measure Redis with no instance, with some that wait, with some that run long tasks, and with one among many."""
    runs = []
    for count, state, others in (
        (0, "waiting", 0),
        *((count, state, 0) for count in PRESENCE for state in ("waiting", "running")),
        (1, "running", OTHERS),
    ):
        fleet = Fleet(count, MANY, 3600.0)
        entries = count * MANY if state == "running" else 0
        with running(shop, fleet, delivery=USUAL[0], ids=USUAL[1], entries=entries) as pids:
            plant(shop, others)
            found = between(look(shop, pids, None), PRESENCE_S, shop, pids, None)
        runs.append({"instances": count, "state": state, "others": others, "redis_us": found.redis_share * 1e6})
        note(f"{count} instances, {state}, {others} others: {found.redis_share * 1e6:,.0f} µs of Redis a second")
    return runs


def _fitted(traffic: list[dict[str, Any]], mode: tuple[str, bool], background: list[dict[str, Any]]) -> Costs:
    """Return the costs that the measurements speak of."""
    # One price of a round trip for all: with few and with many workers, tasks without an Id differ in nothing else.
    pairs = [_of_mode(traffic, each) for each in MODES if not each[1]]
    products = [((few["redis_us"] - many["redis_us"]), few["trips"] - many["trips"]) for few, many in pairs]
    trip_us = sum(cost * trips for cost, trips in products) / sum(trips**2 for _, trips in products)
    few, many = _of_mode(traffic, mode)
    # By the instance that is at work: while Redis has little to do, everything it does is dearer.
    task_us = max(0.0, many["redis_us"] - trip_us * many["trips"])
    own_trips = round(few["trips"] - 1)
    idle_us, pair_us = _presence(background)
    python_s = 1 / many["rate"]
    redis_s = (task_us + trip_us * (1 + own_trips)) / 1e6
    return Costs(
        trip_s=trip_us / 1e6,
        task_s=task_us / 1e6,
        own_trips=own_trips,
        python_s=python_s,
        latency_s=max(0.0, 1 / few["rate"] - python_s - redis_s) / (1 + own_trips),
        idle_s=idle_us / 1e6,
        idle_pair_s=pair_us / 1e6,
    )


def _of_mode(traffic: list[dict[str, Any]], mode: tuple[str, bool]) -> tuple[dict[str, Any], dict[str, Any]]:
    few, many = (run for run in traffic if (run["delivery"], run["ids"]) == mode)
    return few, many


def _presence(background: list[dict[str, Any]]) -> tuple[float, float]:
    """Return what an instance that runs tasks costs Redis in a second, and what each other one adds to that."""
    told = {(run["instances"], run["state"], run["others"]): run["redis_us"] for run in background}
    pair_us = max(0.0, told[1, "running", OTHERS] - told[1, "running", 0]) / OTHERS
    most = PRESENCE[-1]
    each_us = (told[most, "running", 0] - told[0, "waiting", 0]) / most - (most - 1) * pair_us
    return max(0.0, each_us), pair_us


def _checks(
    shop: Workshop, costs: dict[tuple[str, bool], Costs], *, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Measure fleets and have the model tell of the same ones."""
    rows = []
    # With Redis slowed, tasks with an Id: they ask it most, and this machine's CPU for the least beside that.
    for mode, length_s, share in ((USUAL, CHECK_S, 1.0), (DEAR, SLOW_CHECK_S, SHARE)):
        for count in options.instances:
            fleet = Fleet(count, CHECK_WORKERS, length_s)
            most = count * CHECK_WORKERS / length_s
            found = measured(
                shop, fleet, delivery=mode[0], ids=mode[1], seconds=options.seconds, expected=most, share=share
            )
            slowed = Slowed(found.could_share) if share < 1 else Slowed()
            told = simulate(fleet, costs[mode], seconds=2 * options.seconds, slowed=slowed)
            rows.append(
                {
                    "instances": count,
                    "tasks of, ms": round(length_s * 1000),
                    "Id": "yes" if mode[1] else "no",
                    "Redis may run, %": 100 * found.could_share,
                    "tasks/s": float(found.rate),
                    "model": float(told.rate),
                    "model ÷ measured": told.rate / found.rate,
                    "Redis busy, %": 100 * found.redis_share / found.could_share,
                    "model's, %": 100 * told.redis_busy,
                    "Redis µs a task": found.redis_us,
                    "model's, µs": costs[mode].of_task_s(told.sharing) * 1e6,
                }
            )
            note(f"{count} instances: {found.rate:,.0f} tasks/s, the model says {told.rate:,.0f}")
    return rows


def _fleets(costs: Costs) -> list[dict[str, Any]]:
    """Have the model tell of fleets that do not fit here."""
    rows = []
    for length_s in LENGTHS_S:
        alone = simulate(Fleet(1, MANY, length_s), costs, seconds=20 * max(length_s, 0.1))
        for count in FLEETS:
            told = simulate(Fleet(count, MANY, length_s), costs, seconds=10 * max(length_s, 0.1))
            rows.append(
                {
                    "tasks of, ms": round(length_s * 1000),
                    "instances": count,
                    "tasks/s": float(told.rate),
                    "of what they could": told.rate / (count * alone.rate),
                    "Redis busy, %": 100 * told.redis_busy,
                    "of that without tasks, %": 100 * costs.background(count),
                    "idle between tasks p50, ms": told.gap_p50_s * 1000,
                    "p99, ms": told.gap_p99_s * 1000,
                    "Redis full with, instances": round(1 / costs.of_task_s(1) / alone.rate),
                }
            )
    return rows


def _cost_rows(traffic: list[dict[str, Any]], costs: dict[tuple[str, bool], Costs]) -> list[dict[str, Any]]:
    rows = []
    for mode in MODES:
        few, many = _of_mode(traffic, mode)
        cost = costs[mode]
        rows.append(
            {
                "delivery": mode[0],
                "Id": "yes" if mode[1] else "no",
                "Redis µs, 1 worker": few["redis_us"],
                "round trips": few["trips"],
                "Redis µs, 16 workers": many["redis_us"],
                "round trips, 16": many["trips"],
                "a trip, µs": cost.trip_s * 1e6,
                "the commands, µs": cost.task_s * 1e6,
                "limit, tasks/s": 1 / cost.of_task_s(1),
                "with 16 sharing": 1e6 / many["redis_us"],
                "one instance does": float(many["rate"]),
            }
        )
    return rows


def _tell_background(background: list[dict[str, Any]], costs: Costs) -> None:
    told = ", ".join(
        f"{run['instances']} {run['state']}{' among 200 others' if run['others'] else ''}: {run['redis_us']:,.0f}"
        for run in background
    )
    print(f"\nRedis, µs in each second, by instances without traffic: {told}")
    print(f"fitted: {costs.idle_s * 1e6:.0f} for each instance and {costs.idle_pair_s * 1e6:.1f} for each pair of them")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, help="length of each measurement")
    parser.add_argument("--instances", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    return parser.parse_args()


if __name__ == "__main__":
    main()
