"""/scale: the numbers that autoscalers read."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from web.site import Board, Site

from goophry.web.models import Instance, RedisState, TypeRow
from goophry.web.scale import Here, numbers

pytest_plugins = ("web.fixtures",)

Start = Callable[..., Site]


def row(name: str = "t", **fields: Any) -> TypeRow:
    return TypeRow(type=name, **{"workers": 8, "instances": 2} | fields)


def told(site: Site) -> dict[str, Any]:
    answer = site.get("/scale")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    found: dict[str, Any] = json.loads(answer.body)
    return found


def test_the_numbers_of_each_type_and_of_all(site: Start) -> None:
    made = site()
    made.board.found.types = [
        row("a", waiting=10, soon=2, delayed=50, running=5),
        row("b.c", waiting=0, running=1, workers=2, instances=2),
    ]
    made.board.found.instances = [
        Instance(id="x"),
        Instance(id="y"),
        Instance(id="z", quiet=True),
        Instance(id="gone", alive=False),
    ]
    made.here = {"a": Here(4), "b.c": Here(1)}

    assert told(made) == {
        "Waiting": 10,
        "Soon": 2,
        "Running": 6,
        "Load": 18,
        "Workers": 10,
        "WorkersHere": 5,
        "Instances": 2,
        "Wanted": 5,
        "At": 1000.0,
        "Types": {
            "a": {
                "Waiting": 10,
                "Soon": 2,
                "Running": 5,
                "Load": 17,
                "Workers": 8,
                "WorkersHere": 4,
                "Instances": 2,
                "Wanted": 5,
            },
            "b.c": {
                "Waiting": 0,
                "Soon": 0,
                "Running": 1,
                "Load": 1,
                "Workers": 2,
                "WorkersHere": 1,
                "Instances": 2,
                "Wanted": 1,
            },
        },
    }


@pytest.mark.parametrize(
    ("found", "here", "wanted"),
    [
        (row(), Here(4), 0),
        (row(waiting=1), Here(4), 1),
        (row(waiting=4, running=0), Here(4), 1),
        (row(waiting=1, running=4), Here(4), 2),
        (row(waiting=1_000_000), Here(4), 250_000),
        # Half of the instances have other Workers than this one, as in the middle of a rollout.
        (row(waiting=12, workers=12), Here(8), 2),
        # Nobody serves it yet: it goes by what this instance has, or one worker.
        (row(waiting=9, workers=0, instances=0), Here(4), 3),
        (row(waiting=9, workers=0, instances=0), None, 9),
        # More instances would not make it faster.
        (row(waiting=100, running=3, paused=True), Here(4), 1),
        (row(waiting=100, running=3), Here(4, startable=10), 4),
        (row(waiting=100, running=4), Here(4, alone=True), 1),
    ],
)
def test_so_many_instances_are_wanted_as_could_be_busy(found: TypeRow, here: Here | None, wanted: int) -> None:
    overview = Board().found
    overview.types = [found]

    told = numbers(overview, {} if here is None else {"t": here})

    assert told["Wanted"] == told["Types"]["t"]["Wanted"] == wanted


def test_without_redis_there_are_no_numbers(site: Start) -> None:
    """An autoscaler that gets an error leaves things as they are; one that gets 0 ends all pods."""
    made = site()
    made.board.found.redis = RedisState(up=False, reason="Connection refused")

    answer = made.get("/scale")

    assert answer.status == 503
    assert json.loads(answer.body) == {"Problem": "Redis cannot be reached: Connection refused"}


def test_it_is_a_page_like_the_others(site: Start) -> None:
    """Read only, never cached; a StatsPattern of that name wins."""
    made = site()

    assert made.get("/scale", method="POST").status == 405
    assert made.get("/scale", method="HEAD").body == b""
    assert made.get("/scale").headers["cache-control"] == "no-store"
    assert made.get("/scale/").status == 404
    assert b"goophry_queue_length" in site("/scale").get("/scale").body
