"""The carrier of Kafka: messages of topics to whoever takes them, results to another topic.

What was taken is committed only when it is in Redis; so a message is never lost, and may come twice
when goophry, or the broker, dies in between. A stop, and partitions that move to another instance,
wait until what is in hand is committed. Where a group has never been, it begins at the end of
the topic, and that is committed at once: what is sent while goophry is down is found afterwards.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from goophry.clock import Clock
from goophry.doors.kafka_messages import Broker, Message, Outbox, TakesMessages
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

#: Seconds that saying goodbye to a broker may take, and before it that committing what is in hand may.
FAREWELL_S: Final = 3.0

#: Bytes of a result that is given to the brokers; whether it is too large, they say.
LARGEST_RESULT: Final = 64 * 1024 * 1024

SESSION_MS: Final = 6000

#: Seconds that partitions which move wait for what is in hand; all members wait for this one.
HANDOVER_S: Final = 3.0

_log: Final = logging.getLogger(__name__)
_R = TypeVar("_R")


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
        self._troubled: set[str] = set()
        """Which parts fail: the outage is over when none does."""
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
        jobs = [asyncio.create_task(self._until_the_end("consumer", self._consume))]
        if self._outbox is not None:
            jobs.append(asyncio.create_task(self._until_the_end("producer", self._produce)))
        await self._ending.wait()
        await asyncio.wait(jobs, timeout=FAREWELL_S)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    async def _until_the_end(self, part: str, call: Callable[[], Awaitable[None]]) -> None:
        while not self._ending.is_set():
            try:
                await call()
            except (KafkaError, OSError) as error:
                self._lost(part, error)
            except GoophryError as error:
                _log.debug("Left undone: %s", error, extra={"action": "kafka", "who": self._name})
            except Exception:
                _log.exception("Kafka failed, and is tried again", extra={"action": "kafka", "who": self._name})
            await self._rest(AGAIN_S)

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)

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
        while not self._ending.is_set():
            if shares.are_new:
                shares.begin()
                await self._commit_beginnings(consumer)
            found = await consumer.getmany(timeout_ms=int(LOOK_S * 1000), max_records=MOST)
            if found or shares.uncommitted:
                async with shares.in_hand:
                    await self._take(consumer, shares, found)

    async def _take(self, consumer: Any, shares: "_Shares", found: Mapping[Any, Sequence[Any]]) -> None:
        """Take in what was found, and commit it."""
        messages = [
            Message(each.topic, each.partition, each.offset, each.timestamp, each.value or b"")
            for batch in found.values()
            for each in batch
        ]
        if messages:
            skipped = await self._insist(lambda: self._taker.take(messages))
            self._observer.notify(MessagesTaken(self._name, len(messages) - skipped, skipped))
        shares.uncommitted |= {place: batch[-1].offset + 1 for place, batch in found.items() if batch}
        # What others have by now, they take once more; to commit it would be to go back behind them.
        shares.uncommitted = {place: to for place, to in shares.uncommitted.items() if place in consumer.assignment()}
        try:
            if shares.uncommitted:
                await consumer.commit(shares.uncommitted)
        except KafkaError as error:  # tried again with what comes next, or soon
            _log.debug("Not committed yet: %s", error, extra={"action": "kafka", "who": self._name})
        else:
            shares.uncommitted = {}

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
                self._lost("consumer", error)
            else:
                self._back("consumer")
            await asyncio.sleep(HEALTH_S)

    async def _produce(self) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._broker.servers, acks="all", max_request_size=LARGEST_RESULT)
        try:
            await producer.start()
            await self._send_all(producer)
        finally:
            await _farewell(producer.stop)

    async def _send_all(self, producer: Any) -> None:
        outbox = self._outbox
        assert outbox is not None  # noqa: S101 - as `_serve` has seen
        while not self._ending.is_set():
            messages = await self._insist(outbox.waiting)
            if not messages:
                self._back("producer")
                await self._rest(LOOK_S)
                continue
            failed = await self._send(producer, messages)
            done = [message for message in messages if message not in failed]
            await self._insist(lambda done=done: outbox.sent(done))  # type: ignore[misc] # its own default
            for error in failed.values():
                raise error

    async def _send(self, producer: Any, messages: Sequence[bytes]) -> dict[bytes, KafkaError]:
        """Send in order; returns what is to be tried again, and why. What is too large for the brokers is not."""
        failed: dict[bytes, KafkaError] = {}
        sends: list[tuple[bytes, Awaitable[Any]]] = []
        for message in messages:
            try:
                sends.append((message, await producer.send(self._broker.response_topic, value=message)))
            except KafkaError as error:
                failed[message] = error
        for message, send in sends:
            try:
                await send
            except KafkaError as error:
                failed[message] = error
        for message in [each for each, error in failed.items() if isinstance(error, MessageSizeTooLargeError)]:
            text = "A result of %s bytes is dropped: it is too large for the brokers, %s"
            fields = {"action": "kafka_too_large", "who": self._name}
            _log.error(text, len(message), message[:100].decode(errors="replace"), extra=fields)
            del failed[message]
        return failed

    async def _insist(self, call: Callable[[], _R]) -> _R:
        """Call in a thread that may wait, again and again while Redis is away. Raises `GoophryError` only at the end."""
        while True:
            try:
                return await asyncio.to_thread(call)
            except GoophryError as error:
                if self._ending.is_set():
                    raise
                _log.debug("Again in a moment: %s", error, extra={"action": "kafka", "who": self._name})
                await self._rest(AGAIN_S)

    def _lost(self, part: str, error: Exception) -> None:
        self._troubled.add(part)
        if self._lost_at is None:
            self._lost_at = self._clock.monotonic()
            self._observer.notify(BrokerLost(self._name, str(error) or type(error).__name__))

    def _back(self, part: str) -> None:
        self._troubled.discard(part)
        if self._troubled or (self._is_known and self._lost_at is None):
            return
        outage_s = 0.0 if self._lost_at is None else self._clock.monotonic() - self._lost_at
        self._is_known, self._lost_at = True, None
        self._observer.notify(BrokerBack(self._name, outage_s))


class _Shares(ConsumerRebalanceListener):  # type: ignore[misc] # the library has no types
    """Which of the partitions are ours; they move when instances come and go, and are given anew after an outage."""

    def __init__(self) -> None:
        self.are_new = False
        self.in_hand = asyncio.Lock()
        """Held while messages are taken and committed."""
        self.uncommitted: dict[Any, int] = {}
        """Of partitions that are ours, the offset up to which their messages are in Redis."""

    def begin(self) -> None:
        """Forget what was before: somebody else may have gone on from there."""
        self.are_new = False
        self.uncommitted = {}

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Let what is in hand be committed first, so that whoever is next does not take it once more."""
        del revoked
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HANDOVER_S), self.in_hand:
                pass

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self.are_new = bool(assigned)


async def _farewell(stop: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        await asyncio.wait_for(stop(), FAREWELL_S)
