"""The carrier of Kafka: messages of topics to whoever takes them, results to another topic.

What was taken is committed only when it is in Redis; so a message is never lost, and may come twice
when goophry, or the broker, ends in between. Where a group has never been, it begins at the end of
the topic, and that is committed at once: what is sent while goophry is down is found afterwards.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from goophry.clock import Clock
from goophry.engine.service import OneThread
from goophry.errors import GoophryError
from goophry.events import BrokerBack, BrokerLost, MessagesTaken, Observer

#: Messages that are taken at a time, and seconds that a look for them lasts.
MOST: Final = 200
LOOK_S: Final = 0.5

#: Seconds between looks at whether the broker answers, and until it counts as away.
HEALTH_S: Final = 2.0
ANSWER_S: Final = 5.0

#: Seconds between two tries.
AGAIN_S: Final = 1.0

#: Seconds that saying goodbye to a broker may take.
FAREWELL_S: Final = 3.0

SESSION_MS: Final = 6000

_log: Final = logging.getLogger(__name__)
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Message:
    """One message. Where it stood tells it from all others."""

    topic: str
    partition: int
    offset: int
    sent_ms: int
    value: bytes

    @property
    def place(self) -> str:
        """Where it stood, and when it was sent: a topic that was made anew begins from 0 again."""
        return f"{self.topic}.{self.partition}.{self.offset}.{self.sent_ms}"


class TakesMessages(Protocol):
    """Whom messages are for. Called in a thread that may wait."""

    def take(self, messages: Sequence[Message]) -> int:
        """Take messages in; returns how many were passed over. Raises `GoophryError` when it is to be tried again."""
        ...


class Outbox(Protocol):
    """Results that are to be sent. Called in a thread that may wait; both raise `GoophryError`."""

    def waiting(self) -> Sequence[bytes]:
        """Return the oldest."""
        ...

    def sent(self, messages: Sequence[bytes]) -> None:
        """Forget those."""
        ...


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the messages are."""

    servers: str
    topics: tuple[str, ...]
    group: str
    response_topic: str = ""


class KafkaCarrier:
    """Carries messages in, and results out, in a thread of its own. A `Service`; starts once."""

    def __init__(
        self,
        name: str,
        broker: Broker,
        *,
        taker: TakesMessages,
        outbox: Outbox | None = None,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._name = name
        self._broker = broker
        self._taker = taker
        self._outbox = outbox
        self._observer = observer
        self._clock = clock
        self._lost_at: float | None = None
        self._is_known = False
        self._thread = OneThread(f"goophry-kafka-{name}", self._run)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()

    def start(self) -> None:
        """Begin to take messages; without a broker it goes on looking for one."""
        self._thread.start()

    def stop(self) -> None:
        """Take nothing more; what is not committed comes again."""
        self._thread.stopping.set()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            _log.exception("The carrier of Kafka died", extra={"action": "kafka", "who": self._name})

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        # It writes some lines for each try; we tell of the beginning of an outage, and of its end.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        if self._thread.stopping.is_set():
            return
        jobs = [asyncio.create_task(self._for_ever(self._consume))]
        if self._outbox is not None:
            jobs.append(asyncio.create_task(self._for_ever(self._produce)))
        await self._ending.wait()
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    async def _for_ever(self, call: Callable[[], Awaitable[None]]) -> NoReturn:
        while True:
            try:
                await call()
            except (KafkaError, OSError) as error:
                self._lost(error)
            except Exception:
                _log.exception("Kafka failed, and is tried again", extra={"action": "kafka", "who": self._name})
            await asyncio.sleep(AGAIN_S)

    async def _consume(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._broker.servers,
            group_id=self._broker.group,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=SESSION_MS // 3,
        )
        health, shares = None, _Shares()
        try:
            await consumer.start()
            consumer.subscribe(self._broker.topics, listener=shares)
            health = asyncio.create_task(self._watch(consumer))
            await self._take_all(consumer, shares)
        finally:
            if health is not None:
                health.cancel()
            await _farewell(consumer.stop)

    async def _take_all(self, consumer: Any, shares: "_Shares") -> None:
        while True:
            if shares.are_new:
                shares.are_new = False
                await self._commit_beginnings(consumer)
            found = await consumer.getmany(timeout_ms=int(LOOK_S * 1000), max_records=MOST)
            messages = [
                Message(each.topic, each.partition, each.offset, each.timestamp, each.value or b"")
                for batch in found.values()
                for each in batch
            ]
            if not messages:
                continue
            skipped = await self._insist(lambda messages=messages: self._taker.take(messages))  # type: ignore[misc] # its own default
            self._observer.notify(MessagesTaken(self._name, len(messages) - skipped, skipped))
            # Refused when others have the partition by now: they take these messages once more.
            with contextlib.suppress(KafkaError):
                await consumer.commit({place: batch[-1].offset + 1 for place, batch in found.items() if batch})

    async def _commit_beginnings(self, consumer: Any) -> None:
        for place in consumer.assignment():
            if await consumer.committed(place) is None:
                await consumer.commit({place: await consumer.position(place)})

    async def _watch(self, consumer: Any) -> None:
        """Ask the broker for its topics now and then: the consumer itself waits in silence for one that is away."""
        while True:
            try:
                await asyncio.wait_for(consumer.topics(), ANSWER_S)
            except (KafkaError, OSError, TimeoutError) as error:
                self._lost(error)
            else:
                self._back()
            await asyncio.sleep(HEALTH_S)

    async def _produce(self) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._broker.servers, acks="all")
        try:
            await producer.start()
            await self._send_all(producer)
        finally:
            await _farewell(producer.stop)

    async def _send_all(self, producer: Any) -> None:
        outbox = self._outbox
        assert outbox is not None  # noqa: S101 - as `_serve` has seen
        while True:
            messages = await self._insist(outbox.waiting)
            if not messages:
                await asyncio.sleep(LOOK_S)
                continue
            sends = [await producer.send(self._broker.response_topic, value=message) for message in messages]
            await asyncio.gather(*sends)
            await self._insist(lambda messages=messages: outbox.sent(messages))  # type: ignore[misc] # same

    async def _insist(self, call: Callable[[], _R]) -> _R:
        """Call in a thread that may wait, again and again while Redis is away."""
        while True:
            try:
                return await asyncio.to_thread(call)
            except GoophryError as error:
                _log.debug("Again in a moment: %s", error, extra={"action": "kafka", "who": self._name})
                await asyncio.sleep(AGAIN_S)

    def _lost(self, error: Exception) -> None:
        if self._lost_at is None:
            self._lost_at = self._clock.monotonic()
            self._observer.notify(BrokerLost(self._name, str(error) or type(error).__name__))

    def _back(self) -> None:
        if self._is_known and self._lost_at is None:
            return
        outage_s = 0.0 if self._lost_at is None else self._clock.monotonic() - self._lost_at
        self._is_known, self._lost_at = True, None
        self._observer.notify(BrokerBack(self._name, outage_s))


class _Shares(ConsumerRebalanceListener):  # type: ignore[misc] # the library has no types
    """Which of the partitions are ours; after an outage they are given anew."""

    are_new = False

    async def on_partitions_revoked(self, revoked: Any) -> None:
        pass

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self.are_new = bool(assigned)


async def _farewell(stop: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        await asyncio.wait_for(stop(), FAREWELL_S)
