"""SIGHUP: the configuration is read again while tasks run, and nothing is lost, run twice or interrupted by that."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from acceptance.goophry_process import Goophry, entry
from acceptance.stats_client import metric, stats_json, wait_metric
from acceptance.tally import Tally
from conftest import eventually, free_port

from goophry import exit_codes

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
MakeScript = Callable[..., Path]


def test_two_instances_reloaded_under_load_run_every_entry_once_and_let_run_what_runs(
    goophry: Start, tally: Callable[[str], Tally], script: MakeScript, tmp_path: Path
) -> None:
    """Given two instances at work, when types come, go and change again and again, then each entry has run once."""
    made = {name: tally(name) for name in ("stays", "goes", "sized", "scripted")}
    other = tally("scripted-too")
    long = str(
        script(
            f'echo $$ > "{tmp_path}/pid"; while [ ! -e "{tmp_path}/go" ]; do sleep 0.02; done; touch "{tmp_path}/done"'
        )
    )

    def tasks(turn: int) -> list[dict[str, Any]]:
        types = [
            {"Type": "stays", "Script": made["stays"].script},
            {"Type": "goes", "Script": made["goes"].script},
            {"Type": "sized", "Script": made["sized"].script, "Workers": 1 + turn % 4},
            {"Type": "scripted", "Script": (made["scripted"], other)[turn % 2].script, "Workers": 2},
            {"Type": "long", "Script": long, "Timeout": 600 + turn},
        ]
        return [each for each in types if each["Type"] != "goes" or not turn % 3]

    both = [goophry(*tasks(0)), goophry(*tasks(0))]
    both[0].push("long")
    eventually((tmp_path / "pid").exists)
    names = [f"{number:04d}" for number in range(400)]

    def produce() -> None:
        for name in names:
            for task_type in made:
                both[0].push(task_type, name)
            time.sleep(0.004)

    producer = threading.Thread(target=produce)
    producer.start()
    turns = 0
    while producer.is_alive() or turns % 3:
        turns += 1
        for process in both:
            process.reload(*tasks(turns))
    producer.join()
    assert turns >= 3
    eventually(lambda: all(process.drained(*made) for process in both))
    pid = int((tmp_path / "pid").read_text())
    os.kill(pid, 0)
    (tmp_path / "go").touch()
    eventually((tmp_path / "done").exists)

    once = dict.fromkeys(names, 1)
    for name in ("stays", "goes", "sized"):
        assert made[name].counts() == once
    assert made["scripted"].counts() + other.counts() == once
    assert made["scripted"].lines()
    assert other.lines()
    assert [process.stop() for process in both] == [exit_codes.OK] * 2
    assert all(process.drained(*made, "long") for process in both)


def test_an_invalid_file_changes_nothing_and_the_log_and_a_metric_say_why(
    goophry: Start, tally: Callable[[str], Tally]
) -> None:
    port = free_port()
    made = tally("a")
    good = {"Type": "a", "Script": made.script}
    process = goophry(good, StatsInterface=f"127.0.0.1:{port}")
    assert metric(port, "goophry_config_reload_success") == 1
    first = metric(port, "goophry_config_reload_timestamp_seconds")

    process.reload(
        {"Type": "b", "Script": made.script, "Workers": "many"}, done="config.refused", FailedTasksTTL="long"
    )
    problems = [line["problem"] for line in process.events("config.problem")]
    process.path.write_text("{")
    process.send(signal.SIGHUP)
    eventually(lambda: len(process.events("config.refused")) == 2)
    process.reload(good | {"User": "nobody-of-that-name"}, done="config.refused", FailedTasksTTL=60)
    process.push("a", "1")
    eventually(lambda: made.lines() == ["1"])

    assert problems == [
        'FailedTasksTTL: expected a whole number, found "long"',
        'Tasks[0].Workers: expected a whole number, found "many"',
    ]
    assert "nobody-of-that-name" in process.events("config.problem")[-1]["problem"]
    wait_metric(port, "goophry_config_reload_success", 0)
    assert metric(port, "goophry_config_reload_timestamp_seconds") == first
    assert list(stats_json(port)["TaskCount"]) == ["a"]

    process.reload(good, {"Type": "b", "Script": made.script})
    wait_metric(port, "goophry_config_reload_success", 1)
    assert metric(port, "goophry_config_reload_timestamp_seconds") > first
    assert list(stats_json(port)["TaskCount"]) == ["a", "b"]
    assert metric(port, "goophry_workers", type="b") == 1
    assert process.stop() == exit_codes.OK


def test_keys_that_need_a_restart_are_named_and_all_else_is_followed(
    goophry: Start, tally: Callable[[str], Tally], script: MakeScript
) -> None:
    port = free_port()
    made = tally("a")
    told = script('printf "%s" "$1" > "$0.told.tmp"; mv "$0.told.tmp" "$0.told"')
    failing = str(script("exit 3"))
    task = {"Type": "a", "Script": made.script}
    process = goophry(task, StatsInterface=f"127.0.0.1:{port}")

    process.reload(
        task | {"Delivery": "at-most-once"},
        {"Type": "late", "Script": failing, "KillOrphans": True},
        ErrorScript=str(told),
        FailedTasksTTL=100,
        MaxEntryBytes=2000,
        ShutdownTimeout=0.1,
        RedisDB=3,
        StatsPattern="/elsewhere",
        LogFormat="text",
    )
    process.push("late", "x")
    process.push("a", "y" * 3000)
    process.wait_failed("late")
    process.wait_failed("a")
    eventually(Path(f"{told}.told").exists)

    named = [line["key"] for line in process.events("config.needs_restart")]
    assert named == ["RedisDB", "LogFormat", "StatsPattern", 'Delivery of the type "a"']
    assert metric(port, "goophry_tasks_started_total", type="late") == 1
    assert made.lines() == []
    assert 0 < process.client.ttl(f"{process.queue_key}:late:failed") <= 100

    process.reload({"Type": "late", "Script": str(script("sleep 300")), "KillGrace": 1})
    process.push("late", "z")
    eventually(lambda: process.held("late") == 1)
    assert process.stop() == exit_codes.OK
    assert process.waiting("late") == [entry("z")], "the new ShutdownTimeout holds"


def test_entries_of_a_type_that_was_removed_wait_for_an_instance_that_serves_it(
    goophry: Start, tally: Callable[[str], Tally], r: "redis.Redis[bytes]", queue_key: str
) -> None:
    port = free_port()
    made = tally("a")
    kept, gone = {"Type": "kept", "Script": made.script}, {"Type": "gone", "Script": made.script}
    process = goophry(kept, gone, StatsInterface=f"127.0.0.1:{port}")
    process.push("gone", "1")
    eventually(lambda: made.lines() == ["1"])

    process.reload(kept)
    process.wait_event("type.drained", type="gone")
    process.push("gone", "2")
    process.push("kept", "3")
    eventually(lambda: made.lines() == ["1", "3"])
    (about,) = [json.loads(r.get(key) or b"{}") for key in r.scan_iter(f"{queue_key}:instance:*", count=1000)]
    eventually(
        lambda: (
            [json.loads(r.get(key) or b"{}")["Types"] for key in r.scan_iter(f"{queue_key}:instance:*", count=1000)]
            == [["kept"]]
        )
    )

    assert about["Pid"] == process.pid
    assert not list(r.scan_iter(f"{{{queue_key}:gone}}:*", count=1000))
    assert metric(port, "goophry_tasks_started_total", type="gone") == 1, "what was counted stays"
    goophry(gone)
    eventually(lambda: sorted(made.lines()) == ["1", "2", "3"])


def test_a_hup_in_the_middle_of_the_start_is_carried_out_after_it(
    goophry: Start, tally: Callable[[str], Tally]
) -> None:
    made = tally("a")
    task = {"Type": "a", "Script": made.script}
    process = goophry(task, ready=False)
    process.wait_event("start")
    process.path.write_text(json.dumps(process.config | {"Tasks": [task, task | {"Type": "b"}]}))
    process.send(signal.SIGHUP)

    process.wait_event("config.read", types=2)
    process.push("b", "1")

    eventually(lambda: made.lines() == ["1"])
    assert process.stop() == exit_codes.OK
