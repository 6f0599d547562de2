"""A fleet on several hosts: what they share, and what becomes of it when a host is lost or cut off. Root is needed."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from acceptance.goophry_process import entry
from conftest import eventually
from hosts.goophry_on import HostGoophry
from hosts.network import HostRedis, Network, why_not

from goophry import exit_codes

NAMES = ("alpha", "beta", "gamma")
KEY = "fleet"


class Fleet:
    """A Redis and three hosts with a goophry each."""

    def __init__(self, folder: Path, network: Network) -> None:
        self.folder, self.out = folder, folder / "out"
        self.redis = HostRedis(folder / "redis", host=network.host("redis"))
        self.hosts = {name: network.host(name) for name in NAMES}
        self.members: dict[str, HostGoophry] = {}

    def start(self, *tasks: dict[str, Any], **keys: Any) -> None:
        """Start Redis, and a goophry on each host."""
        self.client = self.redis.start().client()
        config = {"RedisAddress": self.redis.address, "RedisQueueKey": KEY, "LogFormat": "json", "Tasks": list(tasks)}
        for name, host in self.hosts.items():
            folder = self.folder / f"on-{name}"
            self.members[name] = HostGoophry(folder, config | keys, client=self.client, host=host)
        for member in self.members.values():
            member.wait_ready()

    def push(self, task_type: str, *raw: bytes) -> None:
        self.client.rpush(f"{KEY}:{task_type}", *raw)

    def lines(self, task_type: str) -> list[list[str]]:
        """Return what scripts of a type wrote, as words: name of the host, first argument, and further ones."""
        lines = self.out.read_text().splitlines() if self.out.exists() else []
        return [words[1:] for line in lines if (words := line.split())[0] == task_type]

    def ran(self, task_type: str, *args: str) -> bool:
        """Whether tasks with these first arguments have begun."""
        return set(args) <= {words[1] for words in self.lines(task_type)}

    def drained(self, task_type: str) -> bool:
        return next(iter(self.members.values())).drained(task_type)

    def close(self) -> None:
        for member in self.members.values():
            member.clean_up()
            sys.stdout.write(f"{member.host.name}\n{member.log[-10_000:]}")  # shown if the test fails
        self.redis.end()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    if reason := why_not():
        pytest.skip(reason)
    with Network() as network:
        made = Fleet(tmp_path, network)
        yield made
        made.close()


@pytest.fixture
def note(fleet: Fleet, script: Callable[..., Path]) -> str:
    """A script that writes down where it ran, with which argument, and its Id."""
    return str(script(f'echo "$GOOPHRY_TYPE $(hostname) $1 ${{GOOPHRY_ID:--}}" >> {fleet.out}; sleep 0.1'))


def test_three_hosts_share_types_schedules_rate_limits_and_pauses(fleet: Fleet, note: str) -> None:
    fleet.start(
        {"Type": "work", "Script": note},
        {"Type": "rated", "Script": note, "RateLimit": "4/h"},
        {"Type": "still", "Script": note},
        {"Type": "tick", "Script": note},
        Schedules=[{"Name": "often", "Cron": "* * * * * *", "Type": "tick", "Args": ["tick"]}],
    )

    # Types: all take part, each task runs once.
    numbers = [str(number) for number in range(30)]
    fleet.push("work", *map(entry, numbers))
    fleet.push("rated", *map(entry, numbers[:10]))
    eventually(lambda: fleet.drained("work"), what="all of the work is done")
    assert sorted(words[1] for words in fleet.lines("work")) == sorted(numbers)
    assert {words[0] for words in fleet.lines("work")} == set(NAMES)

    # Pauses: one command, and nobody takes anything, until another one.
    fleet.client.sadd(f"{KEY}:paused", "still")
    fleet.client.publish(f"{KEY}:events", json.dumps({"Event": "pause", "Type": "still"}))
    for member in fleet.members.values():
        member.wait_event("type.paused", type="still")
    fleet.push("still", *map(entry, numbers[:9]))

    # Schedules: each moment once.
    eventually(lambda: len(fleet.lines("tick")) >= 4, what="the schedule fired")
    ids = [words[2] for words in fleet.lines("tick")]
    moments = sorted(int(datetime.fromisoformat(each.partition("@")[2]).timestamp()) for each in ids)
    assert moments == list(range(moments[0], moments[0] + len(moments)))

    # Rate limits hold for all together; what is paused has waited meanwhile.
    assert len(fleet.lines("rated")) == 4
    assert fleet.client.llen(f"{KEY}:rated") == 6
    assert fleet.client.llen(f"{KEY}:still") == 9
    assert fleet.lines("still") == []
    fleet.client.srem(f"{KEY}:paused", "still")
    fleet.client.publish(f"{KEY}:events", json.dumps({"Event": "resume", "Type": "still"}))
    eventually(lambda: fleet.drained("still"), what="it goes on")
    assert len(fleet.lines("still")) == 9
    for member in fleet.members.values():
        member.send(signal.SIGTERM)
    assert [member.wait() for member in fleet.members.values()] == [exit_codes.OK] * 3


def test_what_a_lost_host_and_one_that_is_cut_off_held_runs_elsewhere_once_and_the_latter_comes_back(
    fleet: Fleet, script: Callable[..., Path]
) -> None:
    """The one that is cut off ends its run well meanwhile. That is not its own any more: what counts is the second run, which fails."""
    hold = script(
        f'echo "$GOOPHRY_TYPE $(hostname) $1" >> {fleet.out}\n'
        f"while [ ! -e {fleet.folder}/$1 ]; do sleep 0.02; done\n"
        f'echo "ended $(hostname) $1" >> {fleet.out}\n'
        '[ -z "$GOOPHRY_RECOVERED" ]'
    )
    fleet.start({"Type": "hold", "Script": str(hold), "FailedTasksTTL": 600})
    # One for each host, which has one worker.
    fleet.push("hold", entry("a"), entry("b", Id="b"), entry("c"))
    eventually(lambda: fleet.ran("hold", "a", "b", "c"), what="each host runs one")
    where = {argument: name for name, argument in fleet.lines("hold")}
    assert sorted(where.values()) == sorted(NAMES)
    cut_off, left = fleet.members[where["b"]], fleet.members[where["c"]]

    fleet.hosts[where["a"]].lose()
    cut_off.host.cut_off()
    (fleet.folder / "c").touch()

    # The host that is left takes over from both. The one that is cut off notices, and ends its run.
    for name in (where["a"], where["b"]):
        owner = fleet.members[name]
        eventually(
            lambda owner=owner: [each for each in left.events("entries.recovered") if owner.host.name in each["owner"]],
            within=30,
            every=0.05,
            what=f"what {name} held is recovered",
        )
    for argument in ("a", "b"):
        (fleet.folder / argument).touch()
    eventually(lambda: len(left.failed("hold")) == 2, within=30, what="the second runs have failed")
    cut_off.wait_event("store.lost", who="hold", within=30)
    eventually(lambda: [cut_off.host.name, "b"] in fleet.lines("ended"), what="the run that is cut off has ended")

    # It is back: it settles nothing, and has its share of the work again.
    cut_off.host.plug_in()
    cut_off.wait_event("ownership.lost", within=30)
    cut_off.wait_event("store.back", who="hold", within=30)
    fleet.push("hold", entry("d"), entry("e"))
    eventually(lambda: fleet.ran("hold", "d", "e"), within=30, what="both hosts run one")
    assert {name for name, argument in fleet.lines("hold") if argument in "de"} == {where["b"], where["c"]}
    for argument in ("d", "e"):
        (fleet.folder / argument).touch()
    eventually(lambda: fleet.drained("hold"), what="all is settled")

    assert sorted(argument for _, argument in fleet.lines("hold")) == sorted("aabbcde")
    assert sorted(json.loads(raw)["Args"] for raw in left.failed("hold")) == [["a"], ["b"]]
    record = json.loads(fleet.client.get(f"{KEY}:result:b") or b"{}")
    assert (record["Status"], record["Outcome"], record["Recovered"]) == ("finished", "failed", 1)
    assert where["c"] in record["Instance"]
    assert "Traceback" not in cut_off.log + left.log
