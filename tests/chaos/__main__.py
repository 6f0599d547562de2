"""`scripts/chaos`: the long form of every scenario, and the table of what held."""

# ruff: noqa: T201 - a command prints

import argparse
import contextlib
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

import pytest
from chaos import (
    bounds,
    cluster,
    failover,
    freeze,
    fuzz,
    healing,
    kill_storm,
    lives,
    midway,
    network,
    outages,
    poison,
    reloads,
    soak,
    stops,
    trees,
)
from chaos.invariants import Row
from chaos.table import heading, line
from hosts.network import why_not

#: Minutes that all scenarios but those named only take together, about, without --minutes.
NORMAL_MINUTES: Final = 5.0
SOAK_TASKS: Final = 300_000
HUGE: Final = 10_000_000
MIDWAY_TASKS: Final = 50_000

#: What takes long, or much memory, and is run only when it is named.
NAMED_ONLY: Final = ("bounds", "midway", "soak")


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for on the command line."""

    seed: int
    folder: Path
    tasks: int | None
    stretch: float

    def many(self, normal: int) -> int:
        """Return how many of something there shall be."""
        return max(1, round(normal * self.stretch))

    def load(self, normal: int) -> int:
        """Return how many tasks to push."""
        return self.tasks or self.many(normal)

    def room(self, name: str) -> Path:
        """Make a folder that is removed at the end."""
        return Path(tempfile.mkdtemp(prefix=f"{name.replace(' ', '-')}-", dir=self.folder))


Scenario = Callable[[Plan], Iterator[Row]]


def _storm(plan: Plan) -> Iterator[Row]:
    yield kill_storm.kill_storm(plan.room("storm"), seed=plan.seed, tasks=plan.load(12_000), kills=plan.many(40))
    yield lives.kill_lives(plan.room("lives"), seed=plan.seed, tasks=plan.load(6000), kills=plan.many(25))
    yield kill_storm.swept_kills(plan.room("sweep"), seed=plan.seed, tasks=plan.load(3000), sweeps=plan.many(20))


def _freeze(plan: Plan) -> Iterator[Row]:
    for scripts_too in (False, True):
        yield freeze.freeze(plan.room("freeze"), seed=plan.seed, tasks=2000, frozen_s=15, scripts_too=scripts_too)
    # Ten times the bound takes its time; with --minutes 25 and more it is done.
    task_s = 100 if plan.stretch >= 5 else 25
    yield freeze.long_task(plan.room("long"), seed=plan.seed, task_s=task_s)


def _poison(plan: Plan) -> Iterator[Row]:
    yield poison.poison(plan.room("poison"), seed=plan.seed, tasks=plan.load(2000))


def _outage(plan: Plan) -> Iterator[Row]:
    for kind in outages.HARMS:
        yield outages.outage(plan.room("outage"), kind, seed=plan.seed, times=plan.many(2))
    # Longer than all heartbeats live: the missing ones must not be taken for deaths.
    yield outages.outage(plan.room("outage"), "freeze", seed=plan.seed, away_s=14)
    if reason := why_not():
        yield Row("network cut", note=f"left out. {reason}")
    else:
        yield network.network_cut(plan.room("cut"), seed=plan.seed, times=plan.many(1), away_s=16)


def _failover(plan: Plan) -> Iterator[Row]:
    for kind in failover.WAYS:
        ways = [kind] * plan.many(2)
        yield failover.failover(plan.room("failover"), *ways, seed=plan.seed, tasks=plan.load(2000))
    ways = ["lag", "kill"] * plan.many(1)
    yield failover.failover(
        plan.room("failover"), *ways, seed=plan.seed, tasks=plan.load(6000), workers=16, all_fail=True
    )


def _reload(plan: Plan) -> Iterator[Row]:
    yield reloads.reload_storm(plan.room("reload"), seed=plan.seed, tasks=plan.load(8000), rounds=plan.many(80))


def _cluster(plan: Plan) -> Iterator[Row]:
    for kind in cluster.WAYS:
        yield cluster.cluster(plan.room("cluster"), kind, seed=plan.seed, tasks=plan.load(4000))


def _midway(plan: Plan) -> Iterator[Row]:
    many = plan.tasks or MIDWAY_TASKS
    yield midway.in_a_set(plan.room("set"), seed=plan.seed, tasks=many)
    for kill, move in ((True, False), (False, True), (True, True)):
        yield midway.in_a_cluster(plan.room("midway"), seed=plan.seed, tasks=many, kill=kill, move=move)


def _stop(plan: Plan) -> Iterator[Row]:
    yield stops.stops(plan.room("stop"), seed=plan.seed, count=plan.many(200))


def _tree(plan: Plan) -> Iterator[Row]:
    for ending in trees.ENDINGS:
        yield trees.trees(plan.room("tree"), seed=plan.seed, ending=ending)
    for ending in trees.ENDINGS:
        yield trees.fork_storm(plan.room("storm"), seed=plan.seed, ending=ending)


def _healing(plan: Plan) -> Iterator[Row]:
    yield healing.healing(seed_=plan.seed, examples=plan.many(5), steps=12)


def _fuzz(plan: Plan) -> Iterator[Row]:
    yield fuzz.fuzz_entries(plan.room("fuzz"), seed=plan.seed, tasks=plan.load(5000))
    yield fuzz.fuzz_stats(plan.room("fuzz"), seed=plan.seed, requests=plan.many(1000))


def _bounds(plan: Plan) -> Iterator[Row]:
    yield bounds.huge_queue(plan.room("huge"), seed=plan.seed, entries=plan.tasks or HUGE)
    yield bounds.hanging_error_script(plan.room("hanging"), seed=plan.seed)


def _soak(plan: Plan) -> Iterator[Row]:
    yield soak.soak(plan.room("soak"), seed=plan.seed, tasks=plan.tasks or SOAK_TASKS, show=print)


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "kill-storm": _storm,
    "freeze": _freeze,
    "poison": _poison,
    "outage": _outage,
    "failover": _failover,
    "reload": _reload,
    "cluster": _cluster,
    "midway": _midway,
    "stop": _stop,
    "tree": _tree,
    "healing": _healing,
    "fuzz": _fuzz,
    "bounds": _bounds,
    "soak": _soak,
}


def main(arguments: Sequence[str]) -> int:
    """Run the scenarios that were named, all but the longest if none was; 1 if anything did not hold."""
    parser = argparse.ArgumentParser(
        prog="scripts/chaos", description="Break goophry in every way, and look what holds."
    )
    parser.add_argument(
        "scenario",
        nargs="*",
        help=f"one or more of {', '.join(SCENARIOS)}; all but {', '.join(NAMED_ONLY)} if none is named",
    )
    parser.add_argument("--seed", type=int, help="what a former run printed, to break things alike")
    parser.add_argument("--tasks", type=int, help="how many tasks scenarios under load push")
    parser.add_argument("--minutes", type=float, default=NORMAL_MINUTES, help="how long all may take, about")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.scenario if name not in SCENARIOS]
    if unknown:
        parser.error(f"no scenario {unknown[0]}; there are {', '.join(SCENARIOS)}")
    seed = secrets.randbelow(1_000_000) if asked.seed is None else asked.seed
    print(f"seed {seed}", flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        # Also SIGINT: who starts this in the background of a script has it ignored.
        signal.signal(number, _as_ctrl_c)
    with tempfile.TemporaryDirectory(prefix="goophry-chaos-", ignore_cleanup_errors=True) as folder:
        plan = Plan(seed, Path(folder), asked.tasks, asked.minutes / NORMAL_MINUTES)
        rows: list[Row] = []
        print(heading(), flush=True)
        for name in asked.scenario or [name for name in SCENARIOS if name not in NAMED_ONLY]:
            rows += _rows(name, plan)
    broken = [row for row in rows if row.problems]
    for row in broken:
        for problem in row.problems:
            print(f"\n{row.scenario}: {problem}")
    print(f"\nseed {seed}: {len(rows)} scenarios, {len(broken)} broken")
    return 1 if broken else 0


def _rows(name: str, plan: Plan) -> Iterator[Row]:
    scenario = SCENARIOS[name](plan)
    while True:
        began = time.monotonic()
        try:
            row = next(scenario)
        except StopIteration:
            return
        except (AssertionError, pytest.fail.Exception) as error:
            # What was waited for did not come: this scenario is over.
            row = Row(name, problems=[str(error)[:2000]])
        row.took_s = time.monotonic() - began
        print(line(row), flush=True)
        yield row


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
    sys.exit(130)
