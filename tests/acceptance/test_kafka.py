"""Tasks and jobs that come through a real broker: none is lost, and the door says when the broker is away."""

import json
import os
import re
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.goophry_process import Goophry
from acceptance.poulpe_site import message, words
from conftest import RedisServer, eventually, free_port
from doors.http_client import ask
from kafka_broker import PARTITIONS, Broker
from websockets.sync.client import connect

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


def taken(running: Goophry) -> int:
    """Return how many messages this instance has taken."""
    found = re.search(r'goophry_kafka_messages_total{intake="poulpe",result="taken"} (\d+)', metrics(running))
    return int(found[1]) if found else 0


def test_jobs_are_taken_and_results_sent_for_each_attempt_whatever_happens_to_redis(
    serve: Start, broker: Broker, own_redis: Callable[..., RedisServer], queue_key: str
) -> None:
    """None of before its first start; what is no job is passed over and kept; nothing is committed before it is in Redis."""
    broker.send("jobs", job("early", "true", wait=1))
    redis = own_redis()
    keys = {"RedisAddress": redis.address, "client": redis.client(), "process": {"arguments": ("-v",)}}
    running = serve(MaxEntryBytes=4096, **keys)

    broker.send("jobs", job("long", "x" * 4096), job("quiet", "true"))
    broker.send("jobs", b"rubbish", b"\xff", job("a", "true", wait=1), job("b", "/no", wait=1))
    broker.send("jobs", job("slow", "sleep", "1.5", wait=1))

    found = broker.read("answers", 4)
    bad = '{"reason":"执行失败","request_id":"task-b","result":"Fail"}'.encode()
    good = [b'{"request_id":"task-%s","result":"OK"}' % id_ for id_ in (b"a", b"slow")]
    assert sorted(found) == sorted([*good, bad, bad])
    eventually(lambda: sum(broker.committed(GROUP, "jobs")) == 8, within=20, every=0.2, what="all are committed")
    raw = running.client.lrange(f"{{{queue_key}:poulpe}}:skipped", 0, -1)
    skipped = [json.loads(each) for each in raw]
    assert [each for each in skipped if "MaxEntryBytes is 4096" in each["Reason"] and '"task-' not in each["Message"]]
    assert sorted(each["Message"][:7] for each in skipped) == sorted(["rubbish", '{"id": ', "\ufffd"])
    text = metrics(running)
    assert 'goophry_kafka_up{intake="poulpe"} 1.0' in text
    assert 'goophry_kafka_messages_total{intake="poulpe",result="taken"} 4.0' in text
    assert 'goophry_kafka_messages_total{intake="poulpe",result="skipped"} 3.0' in text
    _redis_goes_and_comes_back(running, broker, redis)


def _redis_goes_and_comes_back(running: Goophry, broker: Broker, redis: RedisServer) -> None:
    """Messages of Kafka and of a WebSocket that come meanwhile run afterwards; whoever asks is told."""
    address = running.config["Doors"]["Poulpe"]["Interface"]
    with connect(f"ws://{address}/ws_task", proxy=None) as client:
        redis.stop()
        broker.send("jobs", *[job(f"k{n}", "true", wait=1) for n in range(20)])
        client.send(job("w", "true", wait=1).decode())
        for action in ("kafka", "door"):
            eventually(
                lambda: [each for each in running.events(action) if "Again in a moment" in each["message"]],  # noqa: B023
                what=f"{action} has tried",
            )
        assert sum(broker.committed(GROUP, "jobs")) == 8
        answer = ask(address, "GET", "/sys_info")
        assert (answer.status, json.loads(answer.body)["result"]) == (503, "Fail")

        redis.start()

        assert client.recv(timeout=30) == '{"request_id":"task-w","result":"OK"}'
    found = Counter(json.loads(raw)["request_id"] for raw in broker.read("answers", 24)[4:])
    assert found == Counter(f"task-k{n}" for n in range(20))
    eventually(lambda: sum(broker.committed(GROUP, "jobs")) == 28, every=0.2, what="all are committed")


def test_a_broker_that_is_frozen_or_killed_costs_nothing_and_everybody_is_told(serve: Start, broker: Broker) -> None:
    """Under load; goophry is ready again by itself. A broker of these that is killed has forgotten what it had."""
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

    broker.kill()
    lost = len(running.events("kafka.lost"))
    eventually(lambda: len(running.events("kafka.lost")) > lost, within=60, every=0.1, what="told again")
    broker.start("jobs", "answers")
    eventually(lambda: len(broker.committed(GROUP, "jobs")) == PARTITIONS, within=60, every=0.2, what="the group again")
    broker.send("jobs", job("last", "true", wait=1))
    assert broker.read("answers", 1) == [b'{"request_id":"task-last","result":"OK"}']
    assert running.stop() == 0


def _frozen_for(running: Goophry) -> float:
    from datetime import UTC, datetime  # noqa: PLC0415

    return (datetime.now(UTC) - datetime.fromisoformat(running.events("kafka.lost")[-1]["time"])).total_seconds()


def test_partitions_that_move_between_instances_lose_and_repeat_nothing(
    goophry: Start, broker: Broker, tmp_path: Path, script: Callable[..., Path]
) -> None:
    """Under load a second instance comes, and then the first leaves; what each commits is what it has put in."""
    out = tmp_path / "out"
    note = str(script(f'echo "$1" >> {out}'))
    kafka = {"Servers": broker.address, "Topic": "jobs", "ResponseTopic": "answers"}

    def start() -> Goophry:
        door = {"Interface": f"127.0.0.1:{free_port()}", "DeadDir": str(tmp_path / "dead"), "Allow": ["*"]}
        return goophry(Doors={"Poulpe": door | {"Kafka": kafka}}, StatsInterface=f"127.0.0.1:{free_port()}")

    first = start()
    eventually(lambda: len(broker.committed(GROUP, "jobs")) == PARTITIONS, within=40, every=0.2, what="the group")
    sent = 0

    def send_until(done: Callable[[], object]) -> None:
        nonlocal sent
        end = time.monotonic() + 40
        while not done():
            broker.send("jobs", *[job(f"x{sent + n}", note, f"x{sent + n}") for n in range(5)])
            sent += 5
            assert time.monotonic() < end

    second = start()
    send_until(lambda: taken(first) and taken(second))
    assert first.stop() == 0
    before = taken(second)
    send_until(lambda: taken(second) >= before + 30)

    eventually(lambda: sum(broker.committed(GROUP, "jobs")) == sent, within=30, every=0.2, what="all are committed")
    eventually(lambda: len(set(words(out))) == sent, within=30, what="all have run")
    assert second.stop() == 0
    assert [id_ for id_, count in Counter(words(out)).items() if count > 1] == []


def test_any_type_may_have_a_topic(  # noqa: PLR0917 - fixtures
    goophry: Start, broker: Broker, tmp_path: Path, script: Callable[..., Path], queue_key: str, r: Any
) -> None:
    out = tmp_path / "out"
    note = script(f'echo "$1 $GOOPHRY_ID $X" >> {out}')
    kafka = {"Servers": broker.address, "Group": "mine", "Topics": {"jobs": "note"}}
    running = goophry({"Type": "note", "Script": str(note), "Workers": 1}, Intake={"Kafka": kafka})
    eventually(lambda: len(broker.committed("mine", "jobs")) == PARTITIONS, within=40, every=0.2, what="the group")

    broker.send("jobs", b"no json", b'{"Args":["a"],"Id":"own","Env":{"X":"x"}}')
    running.wait_event("task.finished", id="own")
    broker.send("jobs", b'{"Args":["a"],"Id":"own"}', b'{"Args":["b"]}')
    for kind in ("gzip", "snappy", "lz4", "zstd"):
        broker.send("jobs", b'{"Args":["z"],"More":"%s"}' % (b"x" * 2_000_000), compression=kind)
    broker.send("jobs", b'{"Args":["z"],"More":"%s"}' % (b"x" * 2_000_000))

    eventually(lambda: len(out.read_text().splitlines()) == 7 if out.exists() else False, what="all have run")
    first, second, *_ = sorted(out.read_text().splitlines())
    assert first.split()[:2] == ["a", "own"]
    assert second.startswith("b jobs.")
    (skipped,) = (json.loads(raw) for raw in r.lrange(f"{{{queue_key}:intake}}:skipped", 0, -1))
    assert skipped["Message"] == "no json"
