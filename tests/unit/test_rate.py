"""RateLimit as it stands in the configuration."""

from pathlib import Path

import pytest
from configs import MINIMAL, problems, task

from goophry.rate import MAX_COUNT, RateLimit, parse


@pytest.mark.parametrize(
    ("text", "count", "span_s"),
    [("10/s", 10, 1), ("100/min", 100, 60), ("1/h", 1, 3600), ("5000/d", 5000, 86_400), ("100000/s", 100_000, 1)],
)
def test_what_is_written_is_read(tmp_path: Path, text: str, count: int, span_s: int) -> None:
    assert parse(text) == RateLimit(count, span_s)
    assert task(tmp_path, RateLimit=text).rate_limit == RateLimit(count, span_s)
    assert task(tmp_path).rate_limit is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "10",
        "/s",
        "0/s",
        "-1/s",
        "01/s",
        "1.5/s",
        "10/second",
        "10 /s",
        "10/s ",
        "10/S",
        "١/s",
        10,
        True,
        ["10/s"],
    ],
)
def test_anything_else_is_refused_with_a_sentence(tmp_path: Path, value: object) -> None:
    (problem,) = problems(tmp_path, {"Tasks": [MINIMAL["Tasks"][0] | {"RateLimit": value}]})

    assert problem.startswith('Tasks[0].RateLimit: expected a number of tasks and s, min, h or d, as "100/min", found ')


@pytest.mark.parametrize("count", [MAX_COUNT + 1, 10**4000])
def test_more_than_redis_is_to_keep_is_refused(tmp_path: Path, count: int) -> None:
    (problem,) = problems(tmp_path, {"Tasks": [MINIMAL["Tasks"][0] | {"RateLimit": f"1{str(count)[1:]}/s"}]})

    assert problem.startswith(
        "Tasks[0].RateLimit: expected at most 100000 tasks in a span (a shorter span allows more), found "
    )
