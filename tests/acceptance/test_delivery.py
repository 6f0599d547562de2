"""What is pushed is run: all of it, once, and through every kind of end that goophry can come to."""

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from acceptance.goophry_process import Goophry, entry
from acceptance.stats_client import metric, stats_json
from acceptance.tally import FULL, Tally
from conftest import RedisServer, eventually, free_port
from redis.client import Monitor

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
MakeTally = Callable[[str], Tally]

#: Entries of the great drain. A shell script in the place of the C program takes three times as long.
GREAT = 100_000 if FULL else 6_000 if shutil.which("cc") else 4_000
DELIVERIES = ("at-least-once", "at-most-once")


def push(client: "redis.Redis[bytes]", queue: str, names: list[str]) -> None:
    for start in range(0, len(names), 1000):
        client.rpush(queue, *[entry(name) for name in names[start : start + 1000]])


def numbered(count: int) -> list[str]:
    return [f"{number:06d}" for number in range(count)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_great_drain_loses_nothing_runs_nothing_twice_and_counts_exactly(
    goophry: Start, tally: MakeTally, queue_key: str, r: "redis.Redis[bytes]", delivery: str
) -> None:
    names = numbered(GREAT // 5)
    tallies = {f"t{number}": tally(f"t{number}") for number in range(5)}
    for task_type in tallies:
        push(r, f"{queue_key}:{task_type}", names)
    port = free_port()
    tasks = [{"Type": name, "Script": made.script, "Workers": 16} for name, made in tallies.items()]
    process = goophry(*tasks, Delivery=delivery, StatsInterface=f"127.0.0.1:{port}")
    done = 5 * len(names) * 7

    eventually(lambda: sum(made.size() for made in tallies.values()) >= done, within=500, every=0.1)
    eventually(lambda: process.drained(*tallies))

    for task_type, made in tallies.items():
        assert sorted(made.lines()) == names
        assert not process.failed(task_type)
        assert metric(port, "goophry_tasks_started_total", type=task_type) == len(names)
        assert metric(port, "goophry_tasks_finished_total", type=task_type, outcome="success") == len(names)
    assert stats_json(port)["TaskCount"] == dict.fromkeys(tallies, len(names))
    assert process.stop() == 0


def commands_until(monitor: Monitor, last: str) -> Iterator[str]:
    """Yield what clients sent; what scripts do on the server is left out."""
    while (told := monitor.next_command())["command"] != last:
        if told["client_type"] != "lua":
            yield told["command"]


def test_free_slots_and_a_backlog_are_matched_in_one_round_trip(
    goophry: Start, script: Callable[..., Path], own_redis: Callable[..., RedisServer], queue_key: str, tmp_path: Path
) -> None:
    server = own_redis()
    client = server.client()
    push(client, f"{queue_key}:t", numbered(20))
    body = f'touch "{tmp_path}/started.$1"; while [ ! -e "{tmp_path}/go" ]; do sleep 0.05; done'

    with client.monitor() as monitor:
        process = goophry(
            {"Type": "t", "Script": str(script(body)), "Workers": 16}, client=client, RedisAddress=server.address
        )
        eventually(lambda: len(list(tmp_path.glob("started.*"))) == 16)
        client.echo("that was all")
        sent = list(commands_until(monitor, "ECHO that was all"))
    moves = [command for command in sent if command.startswith(("BLMOVE", "LMOVE"))]
    takes = [command for command in sent if command.startswith("EVAL") and "'LMOVE'" in command]
    assert len(moves) == 1
    assert len(takes) == 1, "one script takes fifteen"
    (tmp_path / "go").touch()
    eventually(lambda: process.drained("t"))
    client.close()


def test_kill_9_in_the_middle_of_a_drain_loses_nothing(
    goophry: Start, tally: MakeTally, queue_key: str, r: "redis.Redis[bytes]"
) -> None:
    names, made = numbered(2000), tally("t")
    push(r, f"{queue_key}:t", names)
    task = {"Type": "t", "Script": made.script, "Workers": 4}
    first = goophry(task)
    eventually(lambda: made.size() > 500 * 7)
    first.kill()
    assert first.waiting("t"), "killed too late to show anything"

    second = goophry(task)
    eventually(lambda: set(made.lines()) >= set(names) and second.drained("t"), every=0.05)

    counts = made.counts()
    assert set(counts) == set(names)
    assert sum(counts.values()) - len(names) <= 4
    assert second.stop() == 0
    assert not list(r.scan_iter(f"{{{queue_key}:t}}:running:*"))
    assert not r.exists(f"{{{queue_key}:t}}:instances")


def test_at_most_once_a_kill_9_costs_at_most_what_the_workers_held(
    goophry: Start, tally: MakeTally, queue_key: str, r: "redis.Redis[bytes]"
) -> None:
    names, made = numbered(2000), tally("t")
    push(r, f"{queue_key}:t", names)
    task = {"Type": "t", "Script": made.script, "Workers": 4, "Delivery": "at-most-once"}
    first = goophry(task)
    eventually(lambda: made.size() > 500 * 7)
    first.kill()
    assert first.waiting("t"), "killed too late to show anything"

    second = goophry(task)
    eventually(lambda: not second.waiting("t"))
    assert second.stop() == 0

    assert max(made.counts().values()) == 1
    assert len(names) - len(made.lines()) <= 4


def test_two_instances_share_a_queue_without_running_anything_twice(
    goophry: Start, tally: MakeTally, queue_key: str, r: "redis.Redis[bytes]"
) -> None:
    names, made = numbered(2000), tally("t")
    task = {"Type": "t", "Script": made.script, "Workers": 4}
    ports = [free_port(), free_port()]
    both = [goophry(task, StatsInterface=f"127.0.0.1:{port}") for port in ports]
    eventually(lambda: r.scard(f"{{{queue_key}:t}}:instances") == 2, what="both loops turn")
    push(r, f"{queue_key}:t", names)

    eventually(lambda: made.size() >= len(names) * 7 and both[0].drained("t"))

    assert sorted(made.lines()) == names
    shares = [stats_json(port)["TaskCount"]["t"] for port in ports]
    assert min(shares) > 0
    assert sum(shares) == len(names)
    assert [process.stop() for process in both] == [0, 0]


@pytest.mark.parametrize(
    ("sig", "delivery"),
    [
        (signal.SIGTERM, "at-least-once"),
        (signal.SIGTERM, "at-most-once"),
        (signal.SIGINT, "at-least-once"),
        (signal.SIGUSR2, "at-least-once"),
    ],
)
def test_a_stop_in_the_middle_of_a_drain_leaves_run_and_left_equal_to_pushed(
    goophry: Start, tally: MakeTally, sig: signal.Signals, delivery: str
) -> None:
    names, made = numbered(3000), tally("t")
    process = goophry({"Type": "t", "Script": made.script, "Workers": 4}, Delivery=delivery)
    push(process.client, process.queue("t"), names)
    eventually(lambda: made.size() > 300 * 7)

    assert process.stop(sig) == 0

    left = process.waiting("t")
    assert left, "stopped too late to show anything"
    assert sorted([entry(name) for name in made.lines()] + left) == [entry(name) for name in names]
    assert left == sorted(left), "what is left stands in the old order"
    assert process.held("t") == 0
    assert not process.client.exists(f"{{{process.queue('t')}}}:instances")


def test_quiet_takes_nothing_more_and_finishes_what_runs(
    goophry: Start, script: Callable[..., Path], tmp_path: Path
) -> None:
    body = f'touch "{tmp_path}/$1"; while [ ! -e "{tmp_path}/go" ]; do sleep 0.02; done'
    process = goophry({"Type": "t", "Script": str(script(body))})
    process.push("t", "first")
    eventually((tmp_path / "first").exists)
    process.send(signal.SIGUSR1)
    process.wait_event("quiet")
    process.push("t", "second")
    (tmp_path / "go").touch()
    process.wait_event("task.finished", outcome="success")
    assert process.stop() == 0
    assert process.waiting("t") == [entry("second")]
    assert not (tmp_path / "second").exists()
