"""What somebody is told to look at."""

from typing import Any

import pytest

from goophry.web.findings import duration, findings
from goophry.web.models import Instance, RedisState, TypeRow

NOW = 10_000.0
UP = RedisState(up=True)


def told(*rows: TypeRow, redis: RedisState = UP, instances: list[Instance] | None = None, **more: Any) -> list[str]:
    options = {"troubles": {}, "quiet": False, **more}
    found = findings(rows, instances or [], redis, now=NOW, **options)
    return [f"{each.level}: {each.type + ': ' if each.type else ''}{each.text}" for each in found]


def row(**fields: Any) -> TypeRow:
    return TypeRow(**{"type": "t", "workers": 2, "instances": 1, **fields})


def test_a_type_that_works_is_not_told_of() -> None:
    assert told(row(), row(waiting=50, running=2, per_minute=30, waiting_since=NOW - 100)) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"waiting": 1, "waiting_since": NOW - 20}, "trouble: t: One entry waits, and nothing runs"),
        ({"waiting": 1, "waiting_since": NOW - 5}, None),
        (
            {"waiting": 1200, "waiting_since": NOW - 20, "instances": 0, "workers": 0},
            "trouble: t: 1,200 entries wait, and no instance serves the type",
        ),
        ({"waiting": 3, "paused": True, "waiting_since": NOW - 9}, "notice: t: Paused, 3 entries wait"),
        ({"paused": True}, "notice: t: Paused"),
        (
            {"waiting": 3, "running": 2, "waiting_since": NOW - 400},
            "trouble: t: 3 entries wait, all 2 workers are busy, and no run has ended lately",
        ),
        (
            {"waiting": 3, "running": 2, "waiting_since": NOW - 400, "per_minute": 5},
            "notice: t: 3 entries wait, all 2 workers are busy",
        ),
        (
            {"running": 1, "oldest_running": NOW - 4000, "p95": 12.0},
            "notice: t: A run takes long, others took at most 12 s",
        ),
        ({"running": 1, "oldest_running": NOW - 4000, "p95": 500.0}, None),
        ({"running": 1, "oldest_running": NOW - 200, "p95": 1.0}, None),
        (
            {"failed_hour": 3, "done_hour": 5, "last_error": "exit status 3", "last_error_at": NOW - 61},
            "trouble: t: 3 of 8 runs failed in the last hour, the last one here 1 min 1 s ago: exit status 3",
        ),
        ({"failed_hour": 3, "done_hour": 5000}, "notice: t: 3 of 5,003 runs failed in the last hour"),
        ({"failed_hour": 2, "done_hour": 0}, "notice: t: 2 of 2 runs failed in the last hour"),
    ],
)
def test_what_is_stuck_is_told_with_its_reason(fields: dict[str, Any], expected: str | None) -> None:
    assert told(row(**fields)) == ([] if expected is None else [expected])


def test_what_keeps_a_loop_from_its_work_is_told_first_of_all_reasons() -> None:
    stuck = row(waiting=3, waiting_since=NOW - 50, paused=True)

    assert told(stuck, troubles={"t": "NOAUTH"}) == ["trouble: t: Nothing is taken: NOAUTH"]


def test_the_worst_comes_first_then_the_oldest() -> None:
    away = RedisState(up=False, since=NOW - 10, reason="refused")
    gone = [
        Instance(id="a-1-2-3", host="a", alive=False, seen=NOW - 60, holds=2),
        Instance(id="b-1-2-3", host="b", alive=False, seen=NOW - 90),
    ]

    assert told(row(paused=True), redis=away, instances=gone, quiet=True) == [
        "trouble: The instance a went away with 2 entries in its hands",
        "trouble: Redis cannot be reached: refused",
        "notice: The instance b went away",
        "notice: This instance is quiet: it takes nothing more",
        "notice: t: Paused",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "12 ms"),
        (2.5, "2.5 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_spans_are_written_in_one_unit_or_two(seconds: float, text: str) -> None:
    assert duration(seconds) == text
