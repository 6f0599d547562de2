"""The carrier of Kafka: when it commits, step by step; with a real broker it is tested as a part of the whole program."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from conftest import eventually
from engine.service_contract import stress
from fakes import RecordingObserver

from goophry.clock import SystemClock
from goophry.doors import kafka
from goophry.doors.kafka import KafkaCarrier
from goophry.doors.kafka_messages import Broker, Message
from goophry.errors import StoreUnavailable
from goophry.events import BrokerBack, BrokerLost, MessagesTaken


class Taker:
    """Takes messages once it is let."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.tries = threading.Semaphore(0)
        self.may = threading.Event()
        self.problem: Exception | None = None

    def take(self, messages: Sequence[Message]) -> int:
        self.tries.release()
        assert self.may.wait(20)
        if self.problem is not None:
            raise self.problem
        self.taken += messages
        return 0


class Consumer:
    """A consumer of two partitions, `a` and `b`, as far as the carrier knows one; it finds what it is given."""

    def __init__(self) -> None:
        self.ours = {"a", "b"}
        self.committed_at: dict[str, int] = {"a": 0, "b": 0}
        self.refuses = 0
        self.batches: list[dict[str, list[Any]]] = []

    def __call__(self, **options: Any) -> "Consumer":
        return self

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def subscribe(self, topics: Sequence[str], *, listener: Any) -> None:
        pass

    async def topics(self) -> set[str]:
        return set()

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[str, list[Any]]:
        await asyncio.sleep(0.01)
        return self.batches.pop() if self.batches else {}

    def assignment(self) -> set[str]:
        return self.ours

    async def commit(self, offsets: Mapping[str, int]) -> None:
        if self.refuses:
            self.refuses -= 1
            raise KafkaError
        assert set(offsets) <= self.ours
        self.committed_at |= offsets


def record(offset: int) -> Any:
    return SimpleNamespace(topic="jobs", partition=0, offset=offset, timestamp=0, value=b"x")


def carrier(taker: Taker, observer: RecordingObserver | None = None, *, outbox: "Outbox | None" = None) -> KafkaCarrier:
    nobody = Broker("127.0.0.1:1", ("jobs",), "group", "answers")
    observer = observer or RecordingObserver()
    return KafkaCarrier("test", nobody, taker=taker, outbox=outbox or Outbox(), observer=observer, clock=SystemClock())


def test_it_keeps_the_contract_of_a_service() -> None:
    stress(lambda: carrier(Taker()))


def test_a_broker_that_is_not_there_is_told_of_once() -> None:
    observer = RecordingObserver()
    made = carrier(Taker(), observer)
    made.start()
    eventually(lambda: observer.of(BrokerLost), what="it is told")
    made.stop()

    (lost,) = observer.of(BrokerLost)
    assert lost.who == "test"


def test_what_is_not_ours_any_more_is_not_committed_and_what_is_refused_is_tried_again() -> None:
    consumer, taker, shares = Consumer(), Taker(), kafka._Shares()
    taker.may.set()
    consumer.refuses = 1
    take: Callable[..., Any] = carrier(taker)._take

    async def steps() -> list[dict[str, int]]:
        await take(consumer, shares, {"a": [record(3), record(4)], "b": [record(7)]})
        first = dict(consumer.committed_at)
        consumer.ours = {"a"}
        await take(consumer, shares, {})
        second = dict(consumer.committed_at)
        await take(consumer, shares, {})
        return [first, second]

    assert asyncio.run(steps()) == [{"a": 0, "b": 0}, {"a": 5, "b": 0}]
    assert shares.uncommitted == {}
    assert len(taker.taken) == 3


class Producer:
    """Sends what it can, but for what is too large, and what its trouble is about."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.trouble = b""
        self.tries = 0

    def __call__(self, **options: Any) -> "Producer":
        return self

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def send(self, topic: str, *, value: bytes) -> Any:
        self.tries += 1
        if value == b"too large for us":
            raise MessageSizeTooLargeError

        async def done() -> None:
            if value == b"too large for them":
                raise MessageSizeTooLargeError
            if value == self.trouble:
                raise KafkaError("away")
            self.got.append(value)

        return done()


class Outbox:
    def __init__(self, *messages: bytes) -> None:
        self.messages = list(messages)

    def waiting(self) -> Sequence[bytes]:
        return list(self.messages)

    def sent(self, messages: Sequence[bytes]) -> None:
        for message in messages:
            self.messages.remove(message)


def test_a_result_that_cannot_be_sent_keeps_back_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """What is too large is dropped, and told of; what fails is tried again, and nothing else is sent twice."""
    producer, outbox = Producer(), Outbox(b"too large for us", b"a", b"too large for them", b"b", b"c")
    producer.trouble = b"b"
    made = carrier(Taker(), outbox=outbox)

    with pytest.raises(KafkaError, match="away"):
        asyncio.run(made._send_all(producer))

    assert producer.got == [b"a", b"c"]
    assert outbox.messages == [b"b"]
    assert len([line for line in caplog.messages if "too large for the brokers" in line]) == 2


def test_an_outage_is_over_when_results_can_be_sent_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A response topic that is not there: told once, not at every try, although everything else works."""
    producer, outbox, observer = Producer(), Outbox(b"a"), RecordingObserver()
    producer.trouble = b"a"
    for name, value in {"AIOKafkaConsumer": Consumer(), "AIOKafkaProducer": producer, "AGAIN_S": 0.01}.items():
        monkeypatch.setattr(kafka, name, value)
    monkeypatch.setattr(kafka, "HEALTH_S", 0.01)
    monkeypatch.setattr(kafka, "LOOK_S", 0.01)
    made = carrier(Taker(), observer, outbox=outbox)

    made.start()
    eventually(lambda: producer.tries > 5, what="it has tried often")
    assert len(observer.of(BrokerLost)) == 1
    before = len(observer.of(BrokerBack))
    producer.trouble = b""
    eventually(lambda: len(observer.of(BrokerBack)) > before, what="it is over")
    made.stop()

    assert len(observer.of(BrokerLost)) == 1
    assert before <= 1  # when it was known first
    assert producer.got == [b"a"]


def test_a_commit_of_before_a_change_is_not_made_after_it() -> None:
    shares = kafka._Shares()
    shares.uncommitted = {"a": 5}

    asyncio.run(shares.on_partitions_assigned(["a"]))
    shares.begin()

    assert (shares.uncommitted, shares.are_new) == ({}, False)


def test_partitions_move_when_what_is_in_hand_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def order() -> list[str]:
        shares, seen = kafka._Shares(), []
        await shares.in_hand.acquire()
        moved = asyncio.create_task(shares.on_partitions_revoked(["a"]))
        moved.add_done_callback(lambda _: seen.append("moved"))
        for _ in range(5):
            await asyncio.sleep(0)
        seen.append("committed")
        shares.in_hand.release()
        await moved
        return seen

    assert asyncio.run(order()) == ["committed", "moved"]
    # But not for ever: the others wait for this one.
    monkeypatch.setattr(kafka, "HANDOVER_S", 0.01)

    async def stuck() -> None:
        shares = kafka._Shares()
        await shares.in_hand.acquire()
        await shares.on_partitions_revoked(["a"])

    asyncio.run(stuck())


@pytest.mark.parametrize("is_away", [False, True])
def test_a_stop_waits_for_what_is_in_hand_and_commits_nothing_else(
    monkeypatch: pytest.MonkeyPatch, is_away: bool
) -> None:
    """Where Redis is away, what is in hand is left to whoever comes next."""
    consumer, taker, observer = Consumer(), Taker(), RecordingObserver()
    consumer.batches = [{"a": [record(8)]}]
    monkeypatch.setattr(kafka, "AIOKafkaConsumer", consumer)
    made = carrier(taker, observer)
    made.start()
    assert taker.tries.acquire(timeout=20)

    stops = threading.Thread(target=made.stop)
    stops.start()
    eventually(made._ending.is_set, what="it is told to stop")
    if is_away:
        taker.problem = StoreUnavailable("away")
    assert consumer.committed_at["a"] == 0
    taker.may.set()
    stops.join(20)

    assert not stops.is_alive()
    assert consumer.committed_at["a"] == (0 if is_away else 9)
    assert len(observer.of(MessagesTaken)) == (0 if is_away else 1)
