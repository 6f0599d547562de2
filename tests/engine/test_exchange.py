"""What this instance holds, and what Redis believes it holds, on good connections and on bad ones."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from conftest import RedisServer, eventually
from engine.parts import Parts, entry, push
from fakes import PathToRedis

from goophry.engine.task import Task
from goophry.errors import StoreError, StoreRefused, StoreUnavailable
from goophry.outcome import Verdict
from goophry.store import keys
from goophry.store.client import Link

pytest_plugins = ("engine.fixtures",)

Make = Callable[..., Parts]
Redis = redis.Redis


def args_of(tasks: Sequence[Task]) -> list[bytes]:
    return [task.raw for task in tasks]


def test_nothing_is_taken_before_the_first_reconciliation(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    push(r, parts.q, "1")
    link = parts.server.link()

    assert parts.exchange.swap(want=1) == ()
    assert parts.exchange.wait(link, timeout_s=1) is None
    parts.exchange.reconcile()

    assert args_of(parts.exchange.swap(want=1)) == [entry("1")]
    link.close()


def test_a_finished_task_goes_and_the_next_comes(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    push(r, parts.q, "1", "2", "3")
    parts.exchange.reconcile()
    (first,) = parts.exchange.swap(want=1)

    (second,) = parts.exchange.swap(first, want=1)

    assert parts.exchange.held() == [second]
    assert r.lrange(parts.running, 0, -1) == [entry("2")]
    parts.exchange.swap(second)
    assert parts.exchange.clean
    assert r.lrange(parts.q, 0, -1) == [entry("3")]


def test_waiting_threads_share_round_trips_and_each_gets_what_it_asked_for(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis]
) -> None:
    path = path_to()
    parts = make(address=path.address)
    push(r, parts.q, *map(str, range(1600)))
    parts.exchange.reconcile()
    before, path.lag_s = path.requests, 0.001
    got: list[list[bytes]] = [[] for _ in range(16)]

    def work(mine: list[bytes]) -> None:
        tasks = parts.exchange.swap(want=1)
        while tasks:
            (task,) = tasks
            mine.append(task.raw)
            tasks = parts.exchange.swap(task, want=1)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, got))

    assert sorted(raw for mine in got for raw in mine) == sorted(entry(str(n)) for n in range(1600))
    assert parts.exchange.clean
    assert not r.exists(parts.running, parts.q)
    assert path.requests - before < 1616 * 0.8, "while one is on its way, others wait for the next"


def test_wishes_that_wait_travel_together(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    push(r, parts.q, *"abcdefgh")
    parts.exchange.reconcile()
    with ThreadPoolExecutor(4) as pool:
        with parts.exchange._line:
            wishes = [pool.submit(parts.exchange.swap, want=n) for n in (1, 3, 1, 2)]
            eventually(lambda: len(parts.exchange._wishes) == 4)
        sizes = [len(wish.result(10)) for wish in wishes]

    assert sizes == [1, 3, 1, 2]
    assert parts.exchange._steps == 2, "one reconciliation and one swap"


def test_after_a_failover_nothing_runs_beside_itself_although_its_taking_was_not_copied(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis], own_redis: Callable[..., RedisServer]
) -> None:
    """A path that leads to the promoted replica from one moment on; a and b are held, b ends during the outage."""
    path, replica = path_to(), own_redis()
    parts = make(address=path.address)
    parts.server.on_change(lambda where: parts.exchange.doubt())
    push(r, parts.q, "a", "b", "c")
    parts.exchange.reconcile()
    a, b = parts.exchange.swap(want=2)
    with replica.client() as there:
        push(there, parts.q, "a", "b", "c")
        path.lead_to(replica.address)
        with pytest.raises(StoreUnavailable):
            parts.exchange.swap(b)

        assert parts.exchange.reconcile().restored == 1

        assert there.lrange(parts.q, 0, -1) == [entry("c")]
        assert there.lrange(parts.running, 0, -1) == [a.raw]
        assert not parts.exchange.in_doubt


def test_a_take_that_reached_another_server_unawares_is_not_admitted(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis], own_redis: Callable[..., RedisServer]
) -> None:
    path, replica = path_to(), own_redis()
    parts = make(address=path.address)
    parts.server.on_change(lambda where: parts.exchange.doubt())
    push(r, parts.q, "a")
    parts.exchange.reconcile()
    (a,) = parts.exchange.swap(want=1)
    with replica.client() as there:
        push(there, parts.q, "a")
        path.lead_to(replica.address)
        parts.links.close()

        assert not parts.exchange.swap(want=1)

        parts.exchange.reconcile()
        assert there.lrange(parts.q, 0, -1) == []
        assert there.lrange(parts.running, 0, -1) == [a.raw]


def test_what_is_popped_by_an_instance_that_counts_as_dead_is_not_admitted(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    parts.exchange.reconcile()
    push(r, parts.q, "1", "2")
    parts.alive = False
    link = parts.server.link()

    assert parts.exchange.wait(link, timeout_s=1) is None
    assert parts.exchange.in_doubt
    parts.alive = True
    assert parts.exchange.reconcile().requeued == 1

    assert r.lrange(parts.q, 0, -1) == [entry("1"), entry("2")]
    link.close()


def test_an_instance_that_counts_as_dead_takes_nothing_by_swap_but_settles(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    push(r, parts.q, "1", "2")
    parts.exchange.reconcile()
    (task,) = parts.exchange.swap(want=1)
    parts.alive = False

    assert not parts.exchange.swap(task, want=1)
    assert not parts.exchange.swap(want=1)

    assert not r.exists(parts.running)
    assert r.lrange(parts.q, 0, -1) == [entry("2")]


def blocked(r: "redis.Redis[bytes]", number: int) -> bool:
    return any(c["id"] == str(number) and "b" in c["flags"] for c in r.client_list())


def in_wait(parts: Parts, r: "redis.Redis[bytes]", link: Link, pool: ThreadPoolExecutor) -> Callable[[], Task | None]:
    """Begin a wait; returned is what brings its result."""
    number = link.identify()
    waiting = pool.submit(parts.exchange.wait, link, timeout_s=1)
    eventually(lambda: blocked(r, number))
    return lambda: waiting.result(10)


def test_a_doubt_during_the_wait_sends_its_entry_back(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    parts.exchange.reconcile()
    link = parts.server.link()
    with ThreadPoolExecutor(1) as pool:
        result = in_wait(parts, r, link, pool)
        parts.exchange.doubt()
        push(r, parts.q, "1")

        assert result() is None

    assert parts.exchange.reconcile().requeued == 1
    assert r.lrange(parts.q, 0, -1) == [entry("1")]
    link.close()


def test_also_when_the_doubt_was_cleared_during_the_wait(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    parts.exchange.reconcile()
    link = parts.server.link()
    with ThreadPoolExecutor(1) as pool:
        result = in_wait(parts, r, link, pool)
        parts.exchange.doubt()
        parts.exchange.reconcile()
        assert not parts.exchange.in_doubt
        push(r, parts.q, "1")

        assert result() is None

    assert parts.exchange.in_doubt
    assert parts.exchange.reconcile().requeued == 1
    assert r.lrange(parts.q, 0, -1) == [entry("1")]
    link.close()


def test_what_was_left_for_a_wait_that_brought_nothing_is_looked_at_again(make: Make, r: "redis.Redis[bytes]") -> None:
    """A reconciliation during a wait leaves entries that nobody holds; without another they would stay for ever."""
    parts = make()
    parts.exchange.reconcile()
    link = parts.server.link()
    with ThreadPoolExecutor(1) as pool:
        result = in_wait(parts, r, link, pool)
        r.rpush(parts.running, entry("stray"))
        parts.exchange.doubt()
        assert parts.exchange.reconcile().requeued == 0
        r.execute_command("CLIENT", "UNBLOCK", link.identify())

        assert result() is None

    assert parts.exchange.in_doubt
    assert parts.exchange.reconcile().requeued == 1
    link.close()


def test_at_most_once_a_doubt_costs_no_entry(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make(at_most_once=True)
    parts.exchange.reconcile()
    link = parts.server.link()
    with ThreadPoolExecutor(1) as pool:
        result = in_wait(parts, r, link, pool)
        parts.exchange.doubt()
        push(r, parts.q, "1")
        task = result()

    assert task is not None
    assert task.raw == entry("1")
    link.close()


def test_a_missing_ack_is_a_doubt(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    push(r, parts.q, "1", "2")
    parts.exchange.reconcile()
    first, second = parts.exchange.swap(want=2)
    r.delete(parts.running)

    parts.exchange.swap(first)

    assert parts.exchange.in_doubt
    assert parts.exchange.reconcile().restored == 1
    assert r.lrange(parts.running, 0, -1) == [second.raw]


def test_what_others_have_taken_over_is_ended_here_and_settled_there(make: Make, r: "redis.Redis[bytes]") -> None:
    frozen, other = make(), make(name="other")
    push(r, frozen.q, "1", "2")
    frozen.exchange.reconcile()
    first, second = frozen.exchange.swap(want=2)
    other.leases.recover("t", "me", max_recoveries=3)

    frozen.exchange.doubt()
    assert not frozen.exchange.still_owns(first)

    for task in (first, second):
        assert task.taken
        assert task.interrupt.reason is Verdict.INTERRUPTED
    assert frozen.exchange.in_doubt, "until the mark is gone"
    frozen.exchange.reconcile()
    frozen.exchange.swap(first)
    assert frozen.exchange.clean
    assert len(r.lrange(frozen.q, 0, -1)) == 2


def test_as_long_as_life_is_uncertain_so_is_ownership(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    push(r, parts.q, "1")
    parts.exchange.reconcile()
    (task,) = parts.exchange.swap(want=1)
    parts.alive = False

    with pytest.raises(StoreUnavailable, match="heartbeat"):
        parts.exchange.still_owns(task)
    parts.alive = True

    assert parts.exchange.still_owns(task)


@pytest.mark.parametrize("executed", [True, False])
def test_a_requeue_whose_answer_is_lost_neither_loses_nor_doubles(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis], executed: bool
) -> None:
    path = path_to()
    parts = make(address=path.address)
    push(r, parts.q, "1", "2")
    parts.exchange.reconcile()
    (task,) = parts.exchange.swap(want=1)
    if executed:
        path.swallow_reply()
    else:
        path.cut()

    with pytest.raises(StoreUnavailable):
        parts.exchange.requeue(task)
    path.mend()
    eventually(parts.loop.settle_rest)

    assert r.lrange(parts.q, 0, -1) == [entry("1"), entry("2")]
    assert not r.exists(parts.running)
    assert parts.exchange.clean


def test_a_requeue_that_is_refused_keeps_the_entry(make: Make, r: "redis.Redis[bytes]") -> None:
    parts = make()
    push(r, parts.q, "1")
    parts.exchange.reconcile()
    (task,) = parts.exchange.swap(want=1)
    r.set(parts.q, "rubbish")

    with pytest.raises(StoreRefused):
        parts.exchange.requeue(task)

    assert r.lrange(parts.running, 0, -1) == [entry("1")]


@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("want", [1, 2])
def test_a_swap_whose_answer_is_lost_is_understood_afterwards(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis], equal: bool, want: int
) -> None:
    """What it settled is settled and what it took runs, also when the two are equal to the byte."""
    path = path_to()
    parts = make(address=path.address)
    push(r, parts.q, *(["x"] * 4 if equal else "1234"))
    parts.exchange.reconcile()
    (task,) = parts.exchange.swap(want=1)
    path.swallow_reply(lambda request: b"LREM" in request)

    with pytest.raises(StoreUnavailable):
        parts.exchange.swap(task, want=want)
    parts.exchange.reconcile()

    assert len(r.lrange(parts.q, 0, -1)) == 3
    assert not r.exists(parts.running)
    assert parts.exchange.clean


@pytest.mark.parametrize("want", [1, 2])
def test_a_swap_that_never_arrived_is_made_up_for(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis], want: int
) -> None:
    path = path_to()
    parts = make(address=path.address)
    push(r, parts.q, *["x"] * 4)
    parts.exchange.reconcile()
    (task,) = parts.exchange.swap(want=1)
    path.cut()

    with pytest.raises(StoreUnavailable):
        parts.exchange.swap(task, want=want)
    path.mend()
    eventually(parts.loop.settle_rest)

    assert len(r.lrange(parts.q, 0, -1)) == 3
    assert not r.exists(parts.running)


def test_a_reconciliation_whose_answer_is_lost_is_made_again(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis]
) -> None:
    path = path_to()
    parts = make(address=path.address)
    push(r, parts.q, "x", "x")
    parts.exchange.reconcile()
    (task,) = parts.exchange.swap(want=1)
    parts.exchange.doubt()
    parts.exchange.swap(task)
    path.swallow_reply()

    with pytest.raises(StoreUnavailable):
        parts.exchange.reconcile()
    assert parts.exchange.in_doubt
    r.lmove(parts.q, parts.running, "LEFT", "RIGHT")  # as a wait's pop would
    parts.exchange.reconcile()

    assert r.lrange(parts.q, 0, -1) == [entry("x")]


def test_a_recovery_whose_answer_is_lost_loses_nothing(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis]
) -> None:
    path = path_to()
    parts = make(address=path.address)
    parts.exchange.reconcile()
    r.sadd(keys.instances(parts.q), "dead")
    r.rpush(keys.running(parts.q, "dead"), entry("poison"))
    path.swallow_reply()

    with pytest.raises(StoreUnavailable):
        parts.exchange.recover(parts.leases, "dead", task_type="t", max_recoveries=0)
    parts.exchange.reconcile()

    assert r.lrange(parts.q, 0, -1) == [entry("poison")]
    assert not r.exists(parts.running)


class Hammer:
    """Threads that take, hold for a moment and settle, over a path that breaks in every way; a loop reconciles."""

    def __init__(self, parts: Parts, path: PathToRedis, total: int) -> None:
        self.parts, self.path, self.total = parts, path, total
        self.random = random.Random(total)
        self.runs: Counter[bytes] = Counter()
        self.now: Counter[bytes] = Counter()
        self.concurrent: list[bytes] = []
        self.lock = threading.Lock()
        self.done = threading.Event()

    def work(self) -> None:
        finished: Task | None = None
        while not self.done.is_set():
            try:
                tasks = self.parts.exchange.swap(finished, want=1)
            except StoreError:
                tasks = ()
            finished = tasks[0] if tasks else None
            if finished is None:
                self.done.wait(0.001)
            else:
                self.run(finished)

    def run(self, task: Task) -> None:
        with self.lock:
            if self.now[task.raw]:
                self.concurrent.append(task.raw)
            self.now[task.raw] += 1
        with self.lock:
            self.now[task.raw] -= 1
            self.runs[task.raw] += 1

    def loop(self) -> None:
        link = self.parts.server.link(timeout_s=2)
        while not self.done.is_set():
            try:
                if self.parts.exchange.in_doubt:
                    self.parts.exchange.reconcile()
                task = self.parts.exchange.wait(link, timeout_s=1)
                if task is not None:
                    self.run(task)
                    self.parts.exchange.swap(task)
            except StoreError:
                self.done.wait(0.002)
        link.close()

    def break_things(self, times: int, ways: Sequence[Callable[[], None]]) -> None:
        for number in range(times):
            goal = self.total * (number + 1) // (times + 2)
            eventually(lambda goal=goal: sum(self.runs.values()) >= goal, every=0.001)
            self.random.choice(ways)()
        self.path.mend()

    def hammer(self, *, threads: int, cuts: int, ways: Sequence[Callable[[], None]]) -> None:
        with ThreadPoolExecutor(threads + 1) as pool:
            done = [pool.submit(self.work) for _ in range(threads)] + [pool.submit(self.loop)]
            try:
                self.break_things(cuts, ways)
                exchange, r = self.parts.exchange, self.parts.links
                eventually(
                    lambda: (
                        exchange.clean
                        and not exchange.in_doubt
                        and r.call("EXISTS", self.parts.q, self.parts.running) == 0
                    ),
                    what="everything is settled",
                )
            finally:
                self.done.set()
            for each in done:
                each.result(10)


def out_of_order(path: PathToRedis) -> list[Callable[[], None]]:
    def blackout() -> None:
        path.cut()
        time.sleep(0.01)
        path.mend()

    return [path.blip, blackout, path.swallow_reply, lambda: path.swallow_reply(lambda request: b"LREM" in request)]


def test_hammered_over_a_good_path_every_entry_is_taken_exactly_once(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis]
) -> None:
    path = path_to()
    parts = make(address=path.address)
    push(r, parts.q, *map(str, range(2000)))
    hammer = Hammer(parts, path, 2000)

    hammer.hammer(threads=8, cuts=0, ways=())

    assert hammer.runs == Counter(entry(str(n)) for n in range(2000))


def test_hammered_over_a_path_that_breaks_nothing_is_lost_and_nothing_runs_twice(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis]
) -> None:
    """Every run here was settled by `swap`, so even a lost answer is no reason to run an entry again."""
    path = path_to()
    parts = make(address=path.address)
    push(r, parts.q, *map(str, range(2000)))
    hammer = Hammer(parts, path, 2000)

    hammer.hammer(threads=8, cuts=20, ways=out_of_order(path))

    assert set(hammer.runs) == {entry(str(n)) for n in range(2000)}
    assert hammer.concurrent == []
    assert hammer.runs == Counter(entry(str(n)) for n in range(2000))


def test_hammered_with_equal_entries_as_many_run_as_were_pushed(
    make: Make, r: "redis.Redis[bytes]", path_to: Callable[[], PathToRedis]
) -> None:
    path = path_to()
    parts = make(address=path.address)
    push(r, parts.q, *["same"] * 2000)
    hammer = Hammer(parts, path, 2000)

    hammer.hammer(threads=8, cuts=20, ways=out_of_order(path))

    assert hammer.runs[entry("same")] == 2000
