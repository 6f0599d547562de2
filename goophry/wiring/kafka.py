"""Kafka, put together: messages for any task type, and jobs of poulpe's clients."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

from goophry.clock import Clock
from goophry.config_door_poulpe import PoulpeKafka
from goophry.config_intake import IntakeKafka
from goophry.doors.kafka import KafkaCarrier
from goophry.doors.kafka_messages import Broker, Message
from goophry.doors.poulpe_job import Job, NotAJob, NotJson, read_message, ticket_of
from goophry.engine.intake import Intake
from goophry.engine.service import Service
from goophry.entry import KNOWN_KEYS, NOTES, parse
from goophry.errors import UnreadableEntry
from goophry.store.poulpe import PoulpeStore
from goophry.store.skipped import Skipped
from goophry.submission import InvalidSubmission, Submission, UnknownType
from goophry.wiring.engine import Engine

#: The group in which poulpe took its jobs, as it is spelt.
POULPE_GROUP: Final = "pouple-consumer"


TakesJobs = Callable[[Sequence[tuple[Job, str]]], Sequence[InvalidSubmission | None]]
"""Takes jobs in, each with a ticket of its own; returns of each what speaks against it."""


class PoulpeMessages:
    """Jobs of poulpe's clients; see `TakesMessages`."""

    def __init__(self, take: TakesJobs, skipped: Skipped, *, clock: Clock) -> None:
        self._take = take
        self._skipped = skipped
        self._clock = clock

    def take(self, messages: Sequence[Message]) -> int:
        """Take the jobs in; what is none is kept for people to look at."""
        bad: list[tuple[Message, str]] = []
        # In several goes where a key comes twice: the later job replaces the earlier, which must be there by then.
        jobs: dict[str, tuple[Message, Job]] = {}
        for message in messages:
            try:
                job = read_message(message.value, source="kafka", now=self._clock.now())
            except (NotJson, NotAJob) as error:
                bad.append((message, str(error)))
                continue
            if job.key in jobs:
                bad += self._take_some(list(jobs.values()))
                jobs.clear()
            jobs[job.key] = (message, job)
        bad += self._take_some(list(jobs.values()))
        self._skipped.keep([(each.place, each.value, reason) for each, reason in bad])
        return len(bad)

    def _take_some(self, jobs: Sequence[tuple[Message, Job]]) -> list[tuple[Message, str]]:
        """Take jobs in; returns the messages of those that cannot be, and why."""
        if not jobs:
            return []
        problems = self._take([(job, ticket_of(job.key, uuid.uuid4())) for _, job in jobs])
        pairs = zip(jobs, problems, strict=True)
        return [(message, str(problem)) for (message, _), problem in pairs if problem is not None]


class TypeMessages:
    """Entries for task types, one type for each topic; see `TakesMessages`."""

    def __init__(self, intake: Intake, topics: dict[str, str], skipped: Skipped) -> None:
        self._intake = intake
        self._topics = topics
        self._skipped = skipped

    def take(self, messages: Sequence[Message]) -> int:
        """Take the tasks in; a message that comes twice is one task, for its place is its Id unless it has one."""
        bad: list[tuple[Message, str]] = []
        good: list[tuple[Message, Submission]] = []
        for message in messages:
            try:
                good.append((message, _submission(message, self._topics[message.topic])))
            except UnreadableEntry as error:
                bad.append((message, str(error)))
        try:
            received = self._intake.submit_many([submission for _, submission in good])
        except UnknownType as error:  # removed while goophry runs
            received = [InvalidSubmission(str(error))] * len(good)
        for (message, _), reception in zip(good, received, strict=True):
            if isinstance(reception, InvalidSubmission):
                bad.append((message, str(reception)))
        self._skipped.keep([(each.place, each.value, reason) for each, reason in bad])
        return len(bad)


def poulpe_kafka(
    section: PoulpeKafka,
    engine: Engine,
    store: PoulpeStore,
    skipped: Skipped,
    *,
    take: TakesJobs,
    clock: Clock,
) -> Service:
    """Return what carries jobs and results of poulpe's clients."""
    broker = Broker(section.servers, (section.topic,), POULPE_GROUP, section.response_topic)
    taker = PoulpeMessages(take, skipped, clock=clock)
    return KafkaCarrier("poulpe", broker, taker=taker, outbox=_Outbox(store), observer=engine.observer, clock=clock)


def intake_kafka(section: IntakeKafka, engine: Engine, skipped: Skipped, *, clock: Clock) -> Service:
    """Return what carries messages to task types."""
    broker = Broker(section.servers, tuple(section.topics), section.group)
    taker = TypeMessages(engine.intake, dict(section.topics), skipped)
    return KafkaCarrier("intake", broker, taker=taker, observer=engine.observer, clock=clock)


class _Outbox:
    """Results for poulpe's clients; see `Outbox`."""

    def __init__(self, store: PoulpeStore) -> None:
        self._store = store

    def waiting(self) -> Sequence[bytes]:
        return self._store.outbox()

    def sent(self, messages: Sequence[bytes]) -> None:
        self._store.sent(messages)


def _submission(message: Message, task_type: str) -> Submission:
    """Read an entry. Raises `UnreadableEntry`."""
    entry = parse(message.value)
    known = {*KNOWN_KEYS.values(), NOTES}
    further: dict[str, Any] = {key: value for key, value in entry.fields.items() if key not in known}
    return Submission(
        task_type,
        entry.args,
        id=entry.id or message.place,
        env=entry.env,
        delay_s=None if entry.at_s is not None else entry.delay_s,
        at_s=entry.at_s,
        timeout_s=entry.timeout_s,
        retry=entry.retry,
        fields=further,
    )
