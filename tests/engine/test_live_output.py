"""What a run writes is told while somebody watches, and only then."""

import json
from typing import Any

import pytest
from engine.service_contract import stress
from fakes import FakeClock, RecordingObserver

from goophry.engine.live_output import LEASE_S, MOST, PIECE, LiveOutput, Stream
from goophry.engine.outage import Outage
from goophry.engine.running import RunningTasks
from goophry.engine.task import Task
from goophry.entry import TaskEntry
from goophry.outcome import NOTHING, Captured
from goophry.runners.base import Job
from goophry.store import keys
from goophry.store.client import LinkPool

R = "redis.Redis[bytes]"


class Site:
    """An instance in which run `r` goes on; a test sets what it has written."""

    def __init__(self, links: LinkPool, r: R, queue_key: str) -> None:
        self.clock = FakeClock()
        self.running = RunningTasks(clock=self.clock)
        self.written: dict[Stream, Captured] = {"stdout": NOTHING, "stderr": NOTHING}
        self.job = self.begin("r")
        outage = Outage("output", observer=RecordingObserver(), clock=self.clock)
        self.live = LiveOutput(self.running, links, queue_key=queue_key, outage=outage, clock=self.clock)
        self._channel = r.pubsub()
        self._channel.subscribe(keys.output(queue_key, "r"))
        assert self._channel.get_message(timeout=20)

    def begin(self, run_id: str) -> Job:
        task = Task(b"{}")
        job = Job(TaskEntry(), run_id, interrupt=task.interrupt)
        job.interrupt.written = lambda stream: self.written[stream]
        self.running.begin("t", task, job, timeout_s=0)
        return job

    def watch(self, *, fresh: bool = True) -> None:
        self.live.watch({"Event": "watch", "Run": "r", "Fresh": fresh})

    def turn(self) -> list[dict[str, Any]]:
        """Have it told, and return what was published."""
        self.live.turn()
        found = []
        while message := self._channel.get_message(timeout=0.1):
            found.append(json.loads(message["data"]))
        return found

    def close(self) -> None:
        self._channel.close()


@pytest.fixture
def site(links: LinkPool, r: R, queue_key: str) -> Any:
    made = Site(links, r, queue_key)
    yield made
    made.close()


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [message["Text"] for message in messages if "Text" in message]


def test_nothing_is_told_while_nobody_watches_or_of_runs_elsewhere(site: Site) -> None:
    site.written["stdout"] = Captured(b"one")
    site.live.watch({"Run": "elsewhere"})
    site.live.watch({})

    assert site.turn() == []


def test_a_new_watcher_hears_all_from_the_beginning_and_the_others_know_what_they_had(site: Site) -> None:
    site.written["stdout"] = Captured(b"one ")
    site.watch()
    first = site.turn()
    site.written["stdout"] = Captured(b"one two")
    second = site.turn()
    site.watch()
    again = site.turn()

    assert first == [{"Here": True}, {"Stream": "stdout", "At": 0, "Next": 4, "Dropped": 0, "Text": "one "}]
    assert second == [{"Stream": "stdout", "At": 4, "Next": 7, "Dropped": 0, "Text": "two"}]
    assert again == [{"Here": True}, {"Stream": "stdout", "At": 0, "Next": 7, "Dropped": 0, "Text": "one two"}]
    site.watch(fresh=False)
    assert site.turn() == [{"Here": True}]


def test_characters_that_come_in_halves_are_whole(site: Site) -> None:
    whole = "ö".encode()
    site.watch()
    site.written["stderr"] = Captured(whole[:1])
    assert texts(site.turn()) == [""]
    site.written["stderr"] = Captured(whole)

    assert texts(site.turn()) == ["ö"]


def test_bytes_that_are_not_kept_are_counted_and_long_output_comes_in_pieces(site: Site) -> None:
    site.watch()
    site.written["stdout"] = Captured(b"h" * 10, b"t" * (2 * PIECE), 5)

    found = [message for message in site.turn() if "Text" in message]

    assert [len(message["Text"]) for message in found] == [10, PIECE, PIECE]
    assert [message["Dropped"] for message in found] == [0, 5, 0]
    assert [message["At"] for message in found[1:]] == [message["Next"] for message in found[:-1]]
    assert found[-1]["Next"] == 15 + 2 * PIECE


def test_the_end_is_told_after_the_last_bytes(site: Site) -> None:
    site.watch()
    site.turn()
    site.written["stdout"] = Captured(b"last")
    site.running.end(site.job)

    found = site.turn()

    assert (texts(found), found[-1]) == (["last"], {"End": True})
    assert site.turn() == []


def test_it_ends_when_nobody_asks_any_more(site: Site) -> None:
    site.watch()
    site.turn()
    site.clock.forward(LEASE_S + 1)
    site.turn()
    site.written["stdout"] = Captured(b"x")

    assert site.turn() == []


def test_there_is_a_limit_to_what_is_watched(site: Site) -> None:
    for number in range(MOST + 5):
        site.begin(f"n{number}")
        site.live.watch({"Run": f"n{number}"})

    assert len(site.live._watched) == MOST


def test_it_keeps_the_contract_of_a_service(links: LinkPool, queue_key: str) -> None:
    clock = FakeClock()

    def make() -> LiveOutput:
        outage = Outage("output", observer=RecordingObserver(), clock=clock)
        return LiveOutput(RunningTasks(clock=clock), links, queue_key=queue_key, outage=outage, clock=clock)

    stress(make)
