"""/scale: numbers for whoever decides how many instances there are to be, as KEDA's `metrics-api` does.

They are those of the board, at most two seconds old, so any number of askers costs Redis no more
than one. Without Redis there are none: an autoscaler must not take old numbers for new ones.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from goophry.web.models import Overview, TypeRow

MEDIA_TYPE: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Here:
    """What this instance's configuration says of one type."""

    workers: int
    startable: int | None = None
    """How many its RateLimit lets begin while a further instance starts; None = any number."""
    alone: bool = False
    """Whether only one instance at a time takes it."""


def answer(overview: Overview, here: Mapping[str, Here]) -> Response:
    """Return the numbers; 503 while Redis is away."""
    if not overview.redis.up:
        problem = {"Problem": f"Redis cannot be reached: {overview.redis.reason}"}
        return Response(_text(problem), 503, media_type=MEDIA_TYPE)
    return Response(_text(numbers(overview, here)), media_type=MEDIA_TYPE)


def numbers(overview: Overview, here: Mapping[str, Here]) -> dict[str, Any]:
    """Return the numbers of each type and of all together."""
    types = {row.type: _of_type(row, here.get(row.type)) for row in overview.types}
    sums = {key: sum(each[key] for each in types.values()) for key in _SUMMED}
    return {
        **sums,
        "Instances": sum(each.alive and not each.quiet for each in overview.instances),
        # Each instance has workers of its own for each type: the type that wants most is enough for all.
        "Wanted": max((each["Wanted"] for each in types.values()), default=0),
        "At": overview.now,
        "Types": types,
    }


_SUMMED: Final = ("Waiting", "Soon", "Running", "Load", "Workers", "WorkersHere")


def _of_type(row: TypeRow, here: Here | None) -> dict[str, Any]:
    load = row.running + _beginning(row, here)
    wanted = math.ceil(load / _workers_each(row, here))
    return {
        "Waiting": row.waiting,
        "Soon": row.soon,
        "Running": row.running,
        "Load": load,
        "Workers": row.workers,
        "WorkersHere": 0 if here is None else here.workers,
        "Instances": row.instances,
        "Wanted": min(wanted, 1) if here is not None and here.alone else wanted,
    }


def _beginning(row: TypeRow, here: Here | None) -> int:
    """Return how many further entries would begin soon if there were enough workers."""
    if row.paused:
        return 0
    due = row.waiting + row.soon
    return due if here is None or here.startable is None else min(due, here.startable)


def _workers_each(row: TypeRow, here: Here | None) -> float:
    """Return how many workers for the type one instance has; that of those that serve it, if any does."""
    if row.instances and row.workers:
        return row.workers / row.instances
    return 1 if here is None else here.workers


def _text(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace") + b"\n"
