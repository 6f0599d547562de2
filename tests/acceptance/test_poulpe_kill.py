"""`kill -9` with jobs of all four intakes in every state: each ends as promised, and each result is delivered."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from acceptance.poulpe_site import Site, message, words
from conftest import eventually
from kafka_broker import PARTITIONS, Broker

from goophry.wiring.poulpe_services import LATE_S

pytest_plugins = ("acceptance.poulpe_fixtures",)

OK = '{"reason":"","result":"OK"}'
GROUP = "pouple-consumer"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    yield made.start("jobs", "answers")
    made.kill()


class Intakes:
    """Jobs by each way in. Worker 0 is for HTTP, 1 for WebSocket, 2 for Kafka, and 3 is left to the cron file."""

    def __init__(self, site: Site, broker: Broker, folder: Path, script: Callable[..., Path]) -> None:
        self.site, self.broker = site, broker
        self.out, self.go = folder / "out", folder / "go"
        self.note = str(script(f'echo "$1" >> {self.out}'))
        self.hangs = str(script(f'echo "$1" >> {self.out}; until [ -e {self.go} ]; do sleep 0.05; done'))
        self.flaky = str(script(f'echo "$1" >> {self.out}; test -e {self.go}'))
        self.cron_hangs = str(
            script(f'echo "$GOOPHRY_ID" >> {self.out}.cron; until [ -e {self.go} ]; do sleep 0.05; done')
        )
        self.cron_flaky = str(script(f'echo "$GOOPHRY_ID" >> {self.out}.again; test -e {self.go}'))

    def all_states(self, send: Callable[[dict[str, object]], object], intake: str, *, cc: str) -> None:
        """Have one job await its retry, one run, one wait behind it, and one delayed."""
        send(message(f"{intake}-again", "EXEC", self.flaky, f"{intake}-again", cc=cc, wait=60))
        eventually(lambda: f"task-{intake}-again" in self.info("wronging_keys"), what=f"{intake}: one has failed")
        send(message(f"{intake}-runs", "EXEC", self.hangs, f"{intake}-runs", cc=cc, wait=60))
        eventually(lambda: f"{intake}-runs" in words(self.out), what=f"{intake}: one runs")
        send(message(f"{intake}-waits", "EXEC", self.note, f"{intake}-waits", cc=cc, wait=60))
        send(message(f"{intake}-later", "EXEC", self.note, f"{intake}-later", cc=cc, wait=60, delay=3))
        eventually(lambda: f"task-{intake}-waits" in self.info("working_keys"), what=f"{intake}: one waits")
        eventually(lambda: f"task-{intake}-later " in self.info("delaying_keys"), what=f"{intake}: one is delayed")

    def cron(self) -> None:
        """The same by the clock, of which nothing is delayed."""
        self.site.cron.write_text(f"* * * * * * * {self.cron_flaky} EXEC\n")
        eventually(lambda: "ST:1-" in self.info("wronging_keys"), what="cron: one has failed")
        self.site.cron.write_text(f"# the second\n\n* * * * * * * {self.cron_hangs} EXEC\n")
        eventually(lambda: words(self.out.with_suffix(".cron")), what="cron: one runs")
        eventually(lambda: self.info("working_keys").count("ST:2-") > 2, what="cron: others wait")

    def info(self, field: str) -> str:
        return " ".join(self.site.client.info()[field]) + " "


def test_kill_9_loses_no_job_and_no_result(
    site: Callable[..., Site], broker: Broker, script: Callable[..., Path], tmp_path: Path
) -> None:
    """Jobs await their retry, run, wait and are delayed; a client polls, one comes back, and Kafka gets more meanwhile."""
    kafka = {"Servers": broker.address, "Topic": "jobs", "ResponseTopic": "answers"}
    running = site(Workers=4, RetryInterval=4, Kafka=kafka).start()
    intakes = Intakes(running, broker, tmp_path, script)
    eventually(lambda: len(broker.committed(GROUP, "jobs")) == PARTITIONS, within=40, every=0.2, what="the group")
    with ThreadPoolExecutor(6) as pool, running.socket() as client:
        posts: list[object] = []
        intakes.all_states(lambda job: posts.append(pool.submit(running.client.post, **job)), "http", cc="0")
        intakes.all_states(lambda job: client.send(json.dumps(job)), "ws", cc="1")
        intakes.all_states(lambda job: broker.send("jobs", json.dumps(job).encode()), "kafka", cc="2")
        intakes.cron()
        poll = pool.submit(running.client.response, "http-later")
        eventually(lambda: running.listeners("http-later"), what="it polls")

        running.goophry.kill()
        killed_s = time.time()

        assert poll.exception() is not None
    intakes.go.touch()
    broker.send("jobs", json.dumps(message("kafka-down", "EXEC", intakes.note, "kafka-down", wait=1)).encode())
    running.start()
    back_s = time.time()
    running.cron.write_text("")
    eventually(lambda: "http-later" in words(intakes.out), within=10, what="what is overdue runs at once")

    with running.socket() as client:
        client.send(json.dumps(message("ws-waits", "EXEC", intakes.note, "ws-waits", cc="1", wait=60)))
        assert client.recv(timeout=30) == '{"request_id":"task-ws-waits","result":"OK"}'
    told = Counter(json.loads(raw)["request_id"] for raw in broker.read("answers", 6) if b'"OK"' in raw)
    assert told == Counter(f"task-kafka-{state}" for state in ("again", "runs", "waits", "later", "down"))
    eventually(running.client.is_idle, within=40, every=0.1, what="all has ended")
    counts = Counter(words(intakes.out))
    expected = {f"{intake}-{state}": 1 for intake in ("http", "ws", "kafka") for state in ("waits", "later")}
    expected |= {f"{intake}-{state}": 2 for intake in ("http", "ws", "kafka") for state in ("again", "runs")}
    # Whoever sends a job again that has ended meanwhile has it run again.
    assert counts.pop("ws-waits") in {1, 2}
    del expected["ws-waits"]
    assert counts == {**expected, "kafka-down": 1}
    for state in ("again", "runs", "waits", "later"):
        assert running.client.response(f"http-{state}") == OK
    again = set(Counter(words(intakes.out.with_suffix(".again"))).values())
    assert 2 in again <= {1, 2}  # a second one may have come to run after the restart only
    assert not running.letters()
    moments = Counter(int(id_.rpartition("-")[2]) for id_ in words(intakes.out.with_suffix(".cron")))
    missing = set(range(min(moments), max(moments))) - set(moments)
    assert missing <= set(range(int(killed_s), int(back_s - LATE_S) + 1))
    assert sum(moments.values()) - len(moments) <= 1  # the one that ran
