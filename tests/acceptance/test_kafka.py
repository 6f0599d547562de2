"""Tasks and jobs that come through a real broker: none is lost, and the door says when the broker is away."""

import json
import os
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.goophry_process import Goophry
from acceptance.poulpe_site import message
from conftest import eventually, free_port
from kafka_broker import PARTITIONS, Broker

pytest_plugins = ("acceptance.fixtures",)

FULL = bool(int(os.environ.get("GOOPHRY_TEST_FULL") or 0))
GROUP = "pouple-consumer"
Start = Callable[..., Goophry]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    yield made.start("jobs", "answers")
    made.kill()


@pytest.fixture
def serve(goophry: Start, broker: Broker, tmp_path: Path) -> Start:
    """Start goophry with poulpe's door on the broker, on the same Redis keys each time; returns when its group has begun."""
    door = {
        "Interface": f"127.0.0.1:{free_port()}",
        "DeadDir": str(tmp_path / "dead"),
        "RetryInterval": 1,
        "MaxRetry": 1,
        "Allow": ["*"],
        "Kafka": {"Servers": broker.address, "Topic": "jobs", "ResponseTopic": "answers"},
    }
    stats = f"127.0.0.1:{free_port()}"

    def start(**keys: Any) -> Goophry:
        running = goophry(Doors={"Poulpe": door}, StatsInterface=stats, **keys)
        eventually(lambda: len(broker.committed(GROUP, "jobs")) == PARTITIONS, within=40, every=0.2, what="the group")
        return running

    return start


def job(id_: str, name: str, params: str = "", **more: Any) -> bytes:
    return json.dumps(message(id_, "EXEC", name, params, **more)).encode()


def ready(running: Goophry) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{running.config['StatsInterface']}/readyz", timeout=10) as reply:
            return int(reply.status), reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def metrics(running: Goophry) -> str:
    with urllib.request.urlopen(f"http://{running.config['StatsInterface']}/", timeout=10) as reply:
        return str(reply.read().decode())


def test_jobs_are_taken_and_results_sent_for_each_attempt(serve: Start, broker: Broker, queue_key: str, r: Any) -> None:
    running = serve(MaxEntryBytes=4096)

    broker.send("jobs", job("long", "x" * 4096), job("quiet", "true"))
    broker.send("jobs", b"rubbish", b"\xff", job("a", "true", wait=1), job("b", "/no", wait=1))

    found = broker.read("answers", 3)
    bad = '{"reason":"执行失败","request_id":"task-b","result":"Fail"}'.encode()
    assert sorted(found) == sorted([b'{"request_id":"task-a","result":"OK"}', bad, bad])
    eventually(lambda: sum(broker.committed(GROUP, "jobs")) == 6, within=20, every=0.2, what="all are committed")
    skipped = [json.loads(raw) for raw in r.lrange(f"{{{queue_key}:poulpe}}:skipped", 0, -1)]
    assert [each for each in skipped if "MaxEntryBytes is 4096" in each["Reason"] and '"task-' not in each["Message"]]
    assert sorted(each["Message"][:7] for each in skipped) == sorted(["rubbish", '{"id": ', "\ufffd"])
    text = metrics(running)
    assert 'goophry_kafka_up{intake="poulpe"} 1.0' in text
    assert 'goophry_kafka_messages_total{intake="poulpe",result="taken"} 3.0' in text
    assert 'goophry_kafka_messages_total{intake="poulpe",result="skipped"} 3.0' in text


def test_what_was_sent_while_goophry_was_down_is_found_and_nothing_before_its_first_start(
    serve: Start, broker: Broker, tmp_path: Path, script: Callable[..., Path]
) -> None:
    out = tmp_path / "out"
    note = str(script(f'echo "$1" >> {out}; sleep "$2"'))
    broker.send("jobs", job("early", note, "early 0"))
    running = serve()
    # One after the other: they may be in different partitions, whose order nobody promises.
    broker.send("jobs", job("runs", note, "runs 4", cc="0", wait=1))
    eventually(out.exists, what="one runs")
    broker.send("jobs", job("waits", note, "waits 0", cc="0", wait=1))

    running.kill()
    broker.send("jobs", *[job(f"down-{n}", note, f"down-{n} 0", wait=1) for n in range(5)])
    serve()

    answers = broker.read("answers", 7)
    assert Counter(answers) == Counter(
        f'{{"request_id":"task-{key}","result":"OK"}}'.encode()
        for key in ("runs", "waits", *(f"down-{n}" for n in range(5)))
    )
    counts = Counter(out.read_text().split())
    assert counts.pop("runs") == 2
    assert set(counts.values()) == {1}
    assert "early" not in counts


def test_a_broker_that_is_away_costs_nothing_and_everybody_is_told(serve: Start, broker: Broker) -> None:
    running = serve()
    count = 300 if FULL else 60
    assert eventually(lambda: ready(running)[0] == 200, what="it is ready")
    broker.send("jobs", *[job(f"x{n}", "true", wait=1) for n in range(count)])

    broker.freeze()
    status, text = eventually(
        lambda: (found := ready(running))[0] == 503 and found, within=40, every=0.2, what="not ready"
    )  # type: ignore[misc]
    assert (status, text.startswith("poulpe: Kafka cannot be reached: ")) == (503, True)
    assert 'goophry_kafka_up{intake="poulpe"} 0.0' in metrics(running)
    if FULL:
        eventually(lambda: _frozen_for(running) >= 20, within=60, every=0.5, what="20 s")
    broker.thaw()

    eventually(lambda: ready(running)[0] == 200, within=60, every=0.2, what="ready again by itself")
    broker.send("jobs", job("after", "true", wait=1))
    found = {json.loads(raw)["request_id"] for raw in broker.read("answers", count + 1)}
    assert found == {*(f"task-x{n}" for n in range(count)), "task-after"}
    assert len(running.events("kafka.lost")) >= 1


def _frozen_for(running: Goophry) -> float:
    from datetime import UTC, datetime  # noqa: PLC0415

    return (datetime.now(UTC) - datetime.fromisoformat(running.events("kafka.lost")[-1]["time"])).total_seconds()


def test_a_broker_that_was_killed_is_used_again(serve: Start, broker: Broker) -> None:
    running = serve()
    broker.kill()
    running.wait_event("kafka.lost", within=60)

    broker.start("jobs", "answers")
    eventually(lambda: len(broker.committed(GROUP, "jobs")) == PARTITIONS, within=60, every=0.2, what="the group again")
    broker.send("jobs", job("after", "true", wait=1))

    assert broker.read("answers", 1) == [b'{"request_id":"task-after","result":"OK"}']
    assert running.stop() == 0


def test_any_type_may_have_a_topic(  # noqa: PLR0917 - fixtures
    goophry: Start, broker: Broker, tmp_path: Path, script: Callable[..., Path], queue_key: str, r: Any
) -> None:
    out = tmp_path / "out"
    note = script(f'echo "$1 $GOOPHRY_ID $X" >> {out}')
    kafka = {"Servers": broker.address, "Group": "mine", "Topics": {"jobs": "note"}}
    goophry({"Type": "note", "Script": str(note), "Workers": 1}, Intake={"Kafka": kafka})
    eventually(lambda: len(broker.committed("mine", "jobs")) == PARTITIONS, within=40, every=0.2, what="the group")

    broker.send("jobs", b"no json", b'{"Args":["a"],"Id":"own","Env":{"X":"x"}}', b'{"Args":["a"],"Id":"own"}')
    broker.send("jobs", b'{"Args":["b"]}')

    eventually(lambda: len(out.read_text().splitlines()) == 2 if out.exists() else False, what="both have run")
    first, second = sorted(out.read_text().splitlines())
    assert first.split()[:2] == ["a", "own"]
    assert second.startswith("b jobs.")
    (skipped,) = (json.loads(raw) for raw in r.lrange(f"{{{queue_key}:intake}}:skipped", 0, -1))
    assert skipped["Message"] == "no json"
