"""The carrier of Kafka where there is no broker; with one, it is tested as a part of the whole program."""

from collections.abc import Sequence

from conftest import eventually
from engine.service_contract import stress
from fakes import RecordingObserver

from goophry.clock import SystemClock
from goophry.doors.kafka import KafkaCarrier
from goophry.doors.kafka_messages import Broker, Message
from goophry.events import BrokerLost


class Nothing:
    """Takes no message, and has none."""

    def take(self, messages: Sequence[Message]) -> int:
        raise AssertionError(messages)

    def waiting(self) -> Sequence[bytes]:
        return []

    def sent(self, messages: Sequence[bytes]) -> None:
        raise AssertionError(messages)


def carrier(observer: RecordingObserver) -> KafkaCarrier:
    nobody = Broker("127.0.0.1:1", ("jobs",), "group", "answers")
    return KafkaCarrier("test", nobody, taker=Nothing(), outbox=Nothing(), observer=observer, clock=SystemClock())


def test_it_keeps_the_contract_of_a_service() -> None:
    stress(lambda: carrier(RecordingObserver()))


def test_a_broker_that_is_not_there_is_told_of_once() -> None:
    observer = RecordingObserver()
    made = carrier(observer)
    made.start()
    eventually(lambda: observer.of(BrokerLost), what="it is told")
    made.stop()

    (lost,) = observer.of(BrokerLost)
    assert lost.who == "test"
