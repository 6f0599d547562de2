"""RateLimit with real processes: three instances share one limit, and a reload changes it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from acceptance.goophry_process import Goophry, entry
from conftest import eventually

from goophry import exit_codes

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
MakeScript = Callable[..., Path]


@pytest.fixture
def noting(script: MakeScript, tmp_path: Path) -> str:
    """Return a script that notes when it began, and with which argument."""
    return str(script(f'echo "$(date +%s.%N) $1" >> "{tmp_path}/began"'))


def began(tmp_path: Path) -> list[tuple[float, str]]:
    path = tmp_path / "began"
    lines = path.read_text().splitlines() if path.exists() else []
    return sorted((float(when), name) for when, name in (line.split() for line in lines))


@pytest.mark.parametrize("delivery", ["at-least-once", "at-most-once"])
def test_three_instances_together_begin_no_more_than_the_limit_says(
    goophry: Start, noting: str, tmp_path: Path, delivery: str
) -> None:
    """Of N a second, number i cannot have begun before i // N seconds have passed."""
    limit, total = 8, 30
    task = {"Type": "a", "Script": noting, "Workers": 4, "RateLimit": f"{limit}/s", "Delivery": delivery}
    instances = [goophry(task) for _ in range(3)]
    pushed = time.time()
    instances[0].client.rpush(instances[0].queue("a"), *[entry(str(number)) for number in range(total)])

    eventually(lambda: len(began(tmp_path)) == total)

    found = began(tmp_path)
    early = [(index, when - pushed) for index, (when, _) in enumerate(found) if when - pushed < index // limit]
    assert early == []
    assert sorted(int(name) for _, name in found) == list(range(total))
    assert [process.stop() for process in instances] == [exit_codes.OK] * 3
    assert instances[0].drained("a")


def test_what_the_limit_holds_back_waits_in_the_queue_and_a_reload_lifts_it(
    goophry: Start, noting: str, tmp_path: Path
) -> None:
    task = {"Type": "a", "Script": noting, "Workers": 4, "RateLimit": "3/h"}
    both = [goophry(task) for _ in range(2)]
    both[0].client.rpush(both[0].queue("a"), *[entry(str(number)) for number in range(8)])
    eventually(lambda: len(began(tmp_path)) == 3)
    eventually(lambda: both[0].held("a") == 0)
    assert len(both[0].waiting("a")) == 5

    for process in both:
        process.reload(task | {"RateLimit": "5/h"})
    eventually(lambda: len(began(tmp_path)) == 5)
    eventually(lambda: both[0].held("a") == 0)
    assert len(both[0].waiting("a")) == 3
    both[0].client.delete(f"{{{both[0].queue('a')}}}:rate")
    eventually(lambda: len(began(tmp_path)) == 8)
    both[0].push("a", "8")
    both[0].push("a", "9")
    both[0].push("a", "10")
    eventually(lambda: len(began(tmp_path)) == 10)
    unlimited = {key: value for key, value in task.items() if key != "RateLimit"}
    both[1].reload(unlimited)
    eventually(lambda: len(began(tmp_path)) == 11)

    assert sorted(int(name) for _, name in began(tmp_path)) == list(range(11))
    assert [process.stop() for process in both] == [exit_codes.OK] * 2


def test_a_limited_type_stops_at_once_and_leaves_what_waits(goophry: Start, noting: str, tmp_path: Path) -> None:
    process = goophry({"Type": "a", "Script": noting, "RateLimit": "1/d"})
    process.push("a", "0")
    process.push("a", "1")
    eventually(lambda: len(began(tmp_path)) == 1)

    assert process.stop() == exit_codes.OK

    assert process.waiting("a") == [entry("1")]
    assert process.held("a") == 0
