"""An instance on a host whose clock is a minute wrong, beside one whose clock is right. libfaketime is needed.

The time of day cannot be put into a namespace. The same without libfaketime, part by part: tests/engine/test_wrong_clock.py.
"""

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from acceptance.goophry_process import Goophry, entry
from acceptance.tally import FULL
from conftest import eventually

from goophry.client import Client

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
R = "redis.Redis[bytes]"


@pytest.fixture(params=[60, -60] if FULL else [60], ids=lambda by_s: "ahead" if by_s > 0 else "behind")
def clock(request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment in which the clock is wrong by so many seconds; `by` says so."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        pytest.skip("libfaketime is not there (Debian package faketime)")
    # Durations go by clocks that nobody sets.
    still = {"DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": f"{request.param:+d}s", "BY": str(request.param)} | still


def test_a_host_whose_clock_is_wrong_says_so_and_spoils_nothing(
    goophry: Start, clock: dict[str, str], script: Callable[..., Path], tmp_path: Path, r: R
) -> None:
    """Delays, schedules, rate limits, records, and recovery in both directions."""
    out, by_s = tmp_path / "out", int(clock["BY"])
    note = str(script(f'echo "$GOOPHRY_TYPE $1 ${{GOOPHRY_ID:--}} ${{GOOPHRY_RECOVERED:-0}}" >> {out}'))
    hold = str(script(f'echo "hold $1 - ${{GOOPHRY_RECOVERED:-0}}" >> {out}; [ -e {tmp_path}/go ] || sleep 600'))
    tasks = [
        {"Type": "rated", "Script": note, "RateLimit": "3/h", "Workers": 2},
        {"Type": "tick", "Script": note},
        {"Type": "hold", "Script": hold},
    ]
    schedules = [{"Name": "often", "Cron": "* * * * * *", "Type": "tick", "Args": ["x"]}]
    alone = {"Type": "alone", "Script": note}

    def lines(task_type: str) -> list[list[str]]:
        found = out.read_text().splitlines() if out.exists() else []
        return [words for line in found if (words := line.split())[0] == task_type]

    wrong = goophry(*tasks, alone, Schedules=schedules, process={"env": clock})
    right = goophry(*tasks, Schedules=schedules)
    told = wrong.wait_event("clock.wrong")
    assert abs(told["ahead_s"] - by_s) < 2
    assert not right.events("clock.wrong")

    pushed_at = time.monotonic()
    wrong.push("alone", "pushed", Delay=1)
    wrong.push("alone", "at", At=r.time()[0] + 2)
    right.client.rpush(wrong.queue("rated"), *(entry(str(number)) for number in range(8)))
    eventually(lambda: len(lines("alone")) == 2, within=10, every=0.01, what="what was put off ran")
    assert time.monotonic() - pushed_at > 1
    with Client(wrong.config["RedisAddress"], wrong.queue_key) as client:
        record = client.wait(client.push("alone", "now"), timeout_s=20)
    assert record is not None
    assert record.started is not None
    assert abs(record.started - r.time()[0]) < 5

    eventually(lambda: len(lines("tick")) >= 3, what="the schedule fired")
    ids = [words[2] for words in lines("tick")]
    moments = sorted(int(datetime.fromisoformat(each.partition("@")[2]).timestamp()) for each in ids)
    assert moments == list(range(moments[0], moments[0] + len(moments)))
    assert moments[-1] <= r.time()[0]
    assert len(lines("rated")) == 3

    # Each takes over from the other.
    wrong.push("hold", "1")
    wrong.push("hold", "2")
    eventually(lambda: len(lines("hold")) == 2, what="both hold one")
    (tmp_path / "go").touch()
    right.kill()
    wrong.wait_event("entries.recovered", type="hold", count=1)
    right = goophry(*tasks)
    wrong.kill()
    right.wait_event("entries.recovered", type="hold")
    eventually(lambda: right.drained("hold"), what="nothing is held any more")
    assert {words[1] for words in lines("hold") if words[3] != "0"} == {"1", "2"}
    assert len(lines("rated")) == 3
