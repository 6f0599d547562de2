"""A link to a cluster: each command to the node that has its key, wherever that is by now."""

import signal
import threading
from collections.abc import Iterator

import pytest
import redis
from conftest import RedisServer as Node
from conftest import eventually
from fakes import settings_for
from redis_cluster import RedisCluster

from goophry.errors import StoreCrossSlot, StoreFull, StoreRefused, StoreUnavailable, StoreWrongKind
from goophry.store import keys
from goophry.store.channel import Subscription, publish
from goophry.store.client import LinkPool, RedisServer, eval_script, unblock
from goophry.store.cluster import slot_of
from goophry.store.cluster_commands import key_of
from goophry.store.cluster_link import ClusterLink
from goophry.store.everywhere import each, scan
from goophry.store.queues import AtLeastOnce, Known
from goophry.store.refusals import translate
from goophry.store.views import server_info


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster"), password="pw") as made:
        yield made


@pytest.fixture
def links(nodes: RedisCluster) -> Iterator[LinkPool]:
    pool = LinkPool(server_of(nodes))
    yield pool
    pool.close()


def server_of(nodes: RedisCluster, address: str = "", *, password: str = "pw") -> RedisServer:
    return RedisServer(settings_for(address or nodes.address, "unused", redis_password=password))


def other_master(nodes: RedisCluster, key: str) -> Node:
    owner = nodes.owner(key)
    return next(node for node in nodes.running_masters() if node is not owner)


@pytest.mark.parametrize(
    ("key", "slot"),
    [(b"", 0), (b"123456789", 12739), (b"foo", 12182), (b"{foo}:x", 12182), (b"a{foo}b{bar}", 12182), (b"{}foo", 9500)],
)
def test_the_slot_of_a_key_is_that_of_its_tag(key: bytes, slot: int) -> None:
    assert slot_of(key) == slot


def test_slots_are_those_that_the_nodes_say(nodes: RedisCluster) -> None:
    for key in ("myqueue:resize", "{myqueue:resize}:running:x", "a{", "a{}", "a}{b}", "}{", "{{a}}", "ü"):
        assert slot_of(key.encode()) == nodes.slot(key)
    assert slot_of(keys.delayed("q:t").encode()) == slot_of(b"q:t")


def test_commands_find_their_keys() -> None:
    assert key_of(("GET", "a")) == b"a"
    assert key_of(("LREM", b"a", 1, "x")) == b"a"
    assert key_of(("EVAL", "return 1", 2, "a", "b", "c")) == b"a"
    assert key_of(("CLIENT", "ID")) is None


def test_a_pipeline_over_many_slots_is_answered_in_order(links: LinkPool) -> None:
    names = [f"many:{number}" for number in range(50)]
    assert links.pipeline([("SET", name, name) for name in names]) == [b"OK"] * 50

    assert links.pipeline([("TIME",), *(("GET", name) for name in names)])[1:] == [name.encode() for name in names]
    assert {*scan(links, "many:*")} == {name.encode() for name in names}
    assert sum(each(links, "DBSIZE")) >= 50
    assert len(each(links, "DBSIZE")) == 3


def test_a_refused_command_leaves_the_others_of_its_pipeline_alone(links: LinkPool) -> None:
    link = links.take()
    for kind in (("{one}", "{one}", "{one}"), ("p1", "p1", "p2")):
        first, second, third = (f"{key}:refused" for key in kind)
        replies = link.pipeline([("SET", first, "text"), ("RPUSH", second, "x"), ("GET", third)])

        assert replies[0] == b"OK"
        assert isinstance(replies[1], redis.ResponseError)
        assert not isinstance(replies[2], Exception)
    links.give(link)


def test_what_a_full_node_refuses_does_not_keep_it_from_removing(nodes: RedisCluster, links: LinkPool) -> None:
    links.pipeline([("RPUSH", "{full}:list", "x")])
    with nodes.owner("{full}").client() as client:
        client.config_set("maxmemory", 1)
        try:
            link = links.take()
            removed, added = link.pipeline([("LREM", "{full}:list", 1, "x"), ("RPUSH", "{full}:list", "y")])
        finally:
            client.config_set("maxmemory", 0)
    assert removed == 1
    assert isinstance(translate(added), StoreFull)
    links.give(link)


def test_errors_are_those_of_a_single_server(links: LinkPool) -> None:
    links.call("SET", "text", "x")
    with pytest.raises(StoreWrongKind):
        links.call("RPUSH", "text", "x")
    with pytest.raises(StoreCrossSlot):
        eval_script(links, "return 1", ("a", "b"), ())
    with pytest.raises(StoreRefused):
        links.call("NO-SUCH-COMMAND", "a")


def test_a_login_is_for_every_node(nodes: RedisCluster) -> None:
    with pytest.raises(StoreUnavailable, match=r"(?i)no node of the cluster answers: .*(wrongpass|invalid)"):
        server_of(nodes, password="wrong").link().call("GET", "a")


def test_one_node_is_enough_to_find_the_others(nodes: RedisCluster, links: LinkPool) -> None:
    alone = server_of(nodes, f"redis+cluster://127.0.0.1:1,{nodes.servers[-1].address}").link()
    for number in range(20):
        assert alone.call("SET", f"found:{number}", 1) == b"OK"
    alone.close()


def test_a_cluster_says_what_it_is(links: LinkPool) -> None:
    info = server_info(links)

    assert info.in_cluster
    assert info.version >= (5,)
    assert info.maxmemory_policy == "noeviction"


def is_blocked(node: Node, number: int) -> bool:
    with node.client() as client:
        return any(c["id"] == str(number) and "b" in c["flags"] for c in client.client_list())


def test_a_blocked_link_is_unblocked_at_its_own_node(nodes: RedisCluster, links: LinkPool) -> None:
    for name in ("blocked:a", "blocked:b", "blocked:c", "blocked:d"):
        link = server_of(nodes).link(near=name)
        number = link.identify()
        replies: list[object] = []
        waiting = threading.Thread(
            target=lambda link=link, name=name, to=replies: to.append(link.call("BLPOP", name, 9))
        )
        waiting.start()
        eventually(lambda name=name, number=number: is_blocked(nodes.owner(name), number))
        unblock(links, number, near=name)
        waiting.join()
        assert replies == [None]
        link.close()


def test_messages_reach_whoever_subscribed_wherever(nodes: RedisCluster, links: LinkPool) -> None:
    subscription = Subscription(server_of(nodes).link())
    subscription.subscribe(["news"])
    hello = b"hello"
    assert eventually(lambda: subscription.receive(timeout_s=0.1, wake_fd=0) or None) == [("news", None)]

    publish(links, "news", hello)

    assert eventually(lambda: subscription.receive(timeout_s=0.1, wake_fd=0) or None) == [("news", hello)]
    subscription.close()


def test_a_slot_on_its_way_is_worked_with_and_nothing_is_half_done(nodes: RedisCluster, links: LinkPool) -> None:
    """Between any two keys: entries are taken and settled, or the answer is that it is not possible now."""
    queue = AtLeastOnce(queue_key="moving", task_type="t", instance="me")
    server, changes = server_of(nodes), list[str]()
    server.on_change(changes.append)
    link = server.link(near=queue.name)
    raws = [b"%d" % number for number in range(30)]
    links.call("RPUSH", queue.name, *raws)
    queue.reconcile(link, known=Known(step=1), popping=False)
    held, _ = queue.swap(link, acks=(), want=3, step=2)
    refused = done = 0

    def work() -> None:
        nonlocal held, refused, done
        try:
            taken, removed = queue.swap(link, acks=held[:1], want=1, step=done + 3)
        except StoreUnavailable:
            refused += 1
            return
        assert removed == 1
        held, done = [*held[1:], *taken], done + 1

    nodes.move_slot(nodes.slot(queue.name), other_master(nodes, queue.name), between=work)
    work()

    assert refused
    assert done
    assert links.call("LRANGE", queue.running, 0, -1) == held
    assert links.call("LRANGE", queue.name, 0, -1) == raws[len(held) + done :]
    assert links.call("GET", keys.step(queue.name, "me")) == b"%d" % (done + 2)
    assert changes == [], "a slot takes everything with it"
    link.close()


def test_a_blocked_pop_follows_its_slot(nodes: RedisCluster, links: LinkPool) -> None:
    link = server_of(nodes).link(near="follow")
    number, old = link.identify(), nodes.owner("follow")
    replies: list[object] = []
    waiting = threading.Thread(target=lambda: replies.append(link.call("BLPOP", "follow", 20)))
    waiting.start()
    eventually(lambda: is_blocked(old, number))
    nodes.move_slot(nodes.slot("follow"), other_master(nodes, "follow"))

    links.call("RPUSH", "follow", "x")

    waiting.join(20)
    assert replies == [[b"follow", b"x"]]
    link.close()


def test_a_lost_master_is_waited_for_and_its_replica_found_and_told_of(nodes: RedisCluster, links: LinkPool) -> None:
    """Whoever had connected before the failover must look before anything is sent to the new master."""
    server, changes = server_of(nodes), list[str]()
    server.on_change(changes.append)
    link, opened = server.link(), server.link()
    link.call("SET", "lost", 1)
    nodes.await_copied()
    opened.open(near="lost")
    master = nodes.owner("lost")
    master.stop(signal.SIGKILL)

    with pytest.raises(StoreUnavailable):
        link.call("SET", "lost", 2)

    def again() -> bool:
        try:
            return bool(link.call("SET", "lost", 2))
        except StoreUnavailable:
            return False

    eventually(again, what="the replica is promoted")
    assert changes == [nodes.owner("lost").address]
    with pytest.raises(StoreUnavailable, match="another server has taken over"):
        opened.call("GET", "lost")
    assert opened.call("GET", "lost") == b"2"
    for each_link in (link, opened):
        each_link.close()
    master.start()
    eventually(nodes.serves, what="the cluster is whole again")


def test_links_to_a_cluster_are_made_for_its_address_only(nodes: RedisCluster, redis_address: str) -> None:
    assert isinstance(server_of(nodes).link(), ClusterLink)
    assert not isinstance(server_of(nodes, redis_address).link(), ClusterLink)
