"""Hearing what others publish, and waiting for the end of tasks, on a real Redis."""

import threading
from collections.abc import Callable, Iterator

import pytest
import redis
from conftest import eventually
from engine.service_contract import stress
from fakes import PathToRedis, RecordingObserver, settings_for

from goophry.clock import SystemClock
from goophry.engine.bulletins import Bulletins
from goophry.engine.listener import Listener
from goophry.engine.outage import Outage
from goophry.engine.results import ResultWaiters
from goophry.record import TaskRecord
from goophry.store.channel import Subscription, publish
from goophry.store.client import LinkPool, RedisServer
from goophry.store.records import Records

DONE = TaskRecord("x", "t", "finished", outcome="success")


class Hearing:
    """A listener on a path of its own, and what it heard."""

    def __init__(self, address: str, queue_key: str) -> None:
        self.observer = RecordingObserver()
        self.server = RedisServer(settings_for(address, queue_key))
        self.links = LinkPool(self.server)
        outage = Outage("listener", observer=self.observer, clock=SystemClock())
        self.listener = Listener(Subscription(self.server.link()), outage=outage)
        self.records = Records(self.links, queue_key=queue_key)
        self.waiters = ResultWaiters(self.listener, self.records, queue_key=queue_key)
        self.queue_key = queue_key
        self.heard: list[bytes | None] = []

    def finish(self, record: TaskRecord) -> None:
        self.records.finish(record, ttl_s=60, also=("PING",))

    def close(self) -> None:
        self.listener.stop()
        self.links.close()


@pytest.fixture
def hearing(redis_address: str, queue_key: str) -> Iterator[Hearing]:
    made = Hearing(redis_address, queue_key)
    yield made
    made.close()


def test_a_listener_hears_from_its_subscription_on(hearing: Hearing) -> None:
    hearing.listener.start()
    end = hearing.listener.listen(f"{hearing.queue_key}:a", hearing.heard.append)
    eventually(lambda: hearing.heard == [None], what="the subscription is in force")

    publish(hearing.links, f"{hearing.queue_key}:a", b"1")
    publish(hearing.links, f"{hearing.queue_key}:b", b"2")
    publish(hearing.links, f"{hearing.queue_key}:a", {"Event": "x"})

    eventually(lambda: hearing.heard == [None, b"1", b'{"Event":"x"}'], what="both messages")
    end()
    end()


def test_who_listens_to_what_others_listen_to_is_told_that_it_is_in_force(hearing: Hearing) -> None:
    hearing.listener.start()
    hearing.listener.listen(hearing.queue_key, hearing.heard.append)
    eventually(lambda: hearing.heard, what="the first is in force")
    second: list[bytes | None] = []

    end = hearing.listener.listen(hearing.queue_key, second.append)

    eventually(lambda: second == [None], what="the second is in force")
    end()
    publish(hearing.links, hearing.queue_key, b"1")
    eventually(lambda: hearing.heard[-1] == b"1", what="the first goes on")
    assert second == [None]


def test_nothing_is_asked_of_redis_any_more_when_nobody_listens(hearing: Hearing, r: "redis.Redis[bytes]") -> None:
    hearing.listener.start()
    end = hearing.listener.listen(hearing.queue_key, hearing.heard.append)
    eventually(lambda: r.pubsub_numsub(hearing.queue_key)[0][1] == 1, what="subscribed")

    end()

    eventually(lambda: r.pubsub_numsub(hearing.queue_key)[0][1] == 0, what="unsubscribed")


def test_a_broken_connection_is_followed_by_another_look(
    path_to: Callable[[], PathToRedis], queue_key: str, r: "redis.Redis[bytes]"
) -> None:
    path = path_to()
    hearing = Hearing(path.address, queue_key)
    hearing.listener.start()
    hearing.listener.listen(queue_key, hearing.heard.append)
    eventually(lambda: hearing.heard == [None], what="in force")

    path.blip()

    eventually(lambda: hearing.heard == [None, None], what="in force again")
    r.publish(queue_key, b"1")
    eventually(lambda: hearing.heard[-1] == b"1", what="messages come again")
    hearing.close()


def test_one_that_fails_does_not_harm_the_others(hearing: Hearing) -> None:
    def fail(_payload: bytes | None) -> None:
        raise ZeroDivisionError

    hearing.listener.start()
    hearing.listener.listen(hearing.queue_key, fail)
    hearing.listener.listen(hearing.queue_key, hearing.heard.append)
    eventually(lambda: hearing.heard, what="in force")

    publish(hearing.links, hearing.queue_key, b"1")

    eventually(lambda: hearing.heard[-1] == b"1", what="the other hears")


def test_a_result_that_is_there_is_told_at_once(hearing: Hearing) -> None:
    hearing.listener.start()
    hearing.finish(DONE)

    assert hearing.waiters.wait("x", timeout_s=20) == DONE


def test_a_result_that_comes_is_told_to_all_who_wait(hearing: Hearing, r: "redis.Redis[bytes]") -> None:
    hearing.listener.start()
    told: list[TaskRecord] = []
    for _ in range(50):
        hearing.waiters.watch("x", told.append)
    hearing.records.write(TaskRecord("x", "t", "running"), left_s=0)
    eventually(lambda: r.pubsub_numsub(f"{hearing.queue_key}:done:x")[0][1] == 1, what="one subscription for all")
    before = threading.active_count()

    hearing.finish(DONE)

    eventually(lambda: told == [DONE] * 50, what="all are told")
    assert threading.active_count() == before
    eventually(lambda: r.pubsub_numsub(f"{hearing.queue_key}:done:x")[0][1] == 0, what="nobody waits any more")


def test_a_wait_ends_after_its_time(hearing: Hearing) -> None:
    hearing.listener.start()

    assert hearing.waiters.wait("nobody", timeout_s=0.05) is None


def test_a_result_that_came_while_redis_was_away_is_told_afterwards(
    path_to: Callable[[], PathToRedis], queue_key: str, links: LinkPool
) -> None:
    path = path_to()
    hearing = Hearing(path.address, queue_key)
    hearing.listener.start()
    told: list[TaskRecord] = []
    hearing.waiters.watch("x", told.append)
    hearing.listener.listen("other", hearing.heard.append)
    eventually(lambda: hearing.heard, what="in force")
    path.cut()
    Records(links, queue_key=queue_key).finish(DONE, ttl_s=60, also=("PING",))

    path.mend()

    eventually(lambda: told == [DONE], what="it is told")
    hearing.close()


def test_bulletins_go_to_whom_they_concern_and_rubbish_to_nobody() -> None:
    acted: list[object] = []
    bulletins = Bulletins({"cancel": acted.append, "pause": lambda bulletin: acted.append(("pause", bulletin))})

    for payload in (b'{"Event":"cancel","Id":"x"}', b"x", b"[]", b"{}", b'{"Event":[]}', b'{"Event":"newer"}', None):
        bulletins.hear(payload)

    assert acted == [{"Event": "cancel", "Id": "x"}, {}, ("pause", {})]


def test_the_listener_keeps_the_contract_of_a_service(redis_address: str, queue_key: str) -> None:
    made: list[Hearing] = []

    def make() -> Listener:
        made.append(Hearing(redis_address, queue_key))
        return made[-1].listener

    stress(make)
    for hearing in made:
        hearing.close()
