"""The Python client: what its documentation shows, with a real goophry behind it."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis
from acceptance.goophry_process import Goophry
from conftest import RedisServer, eventually, free_port
from redis_cluster import RedisCluster
from sentinel_set import SentinelSet

from goophry.client import Client, ConfigError, InvalidSubmission, StoreError, UnknownType
from goophry.store.link import Command, Link

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
MakeScript = Callable[..., Path]


@pytest.fixture
def client(redis_address: str, queue_key: str) -> Iterator[Client]:
    with Client(f"redis://{redis_address}", queue_key) as made:
        yield made


def test_a_task_is_handed_in_and_waited_for(goophry: Start, client: Client, script: MakeScript) -> None:
    goophry({"Type": "t", "Script": str(script('echo "$1 $NAME $GOOPHRY_ID"')), "FailOnOutput": False})

    task_id = client.push("t", "a b", env={"NAME": "x"}, task_id="order-17", delay_s=0.05)
    record = client.wait(task_id, timeout_s=20)

    assert task_id == "order-17"
    assert record is not None
    assert (record.outcome, record.output) == ("success", "a b x order-17\n")
    assert client.result(task_id) == record
    assert client.push("t", "a b", task_id="order-17") == "order-17"
    assert client.cancel(task_id) == "ended"


def test_many_tasks_are_handed_in_at_once(goophry: Start, client: Client, script: MakeScript) -> None:
    process = goophry({"Type": "t", "Script": str(script("exit 0")), "Workers": 4})

    ids = client.push_many("t", [[str(number)] for number in range(50)])

    assert len(set(ids)) == 50
    assert all((record := client.wait(one, timeout_s=20)) and record.outcome == "success" for one in ids)
    eventually(lambda: process.drained("t"), what="nothing is left")


def test_a_task_that_waits_is_cancelled(client: Client) -> None:
    task_id = client.push("nobody-runs-this", retry=[1, 2])

    assert client.cancel(task_id) == "removed"
    record = client.result(task_id)
    assert record is not None
    assert record.outcome == "cancelled"
    assert client.cancel("nobody") == "unknown"
    assert client.result("nobody") is None
    assert client.wait("nobody", timeout_s=0.01) is None


def test_what_cannot_be_a_task_is_refused(client: Client) -> None:
    with pytest.raises(InvalidSubmission, match="Retry: expected"):
        client.push("t", retry=[-1])
    with pytest.raises(InvalidSubmission, match="Env: 'A=B' is not a name"):
        client.push("t", env={"A=B": "x"})


def test_with_a_configuration_the_types_are_known(goophry: Start, script: MakeScript) -> None:
    process = goophry({"Type": "t", "Script": str(script("exit 0")), "Schema": {"maxItems": 1}, "Unique": {}})

    with Client.of_config(process.path, environ={}) as client:
        with pytest.raises(UnknownType):
            client.push("other")
        with pytest.raises(InvalidSubmission, match="is too long"):
            client.push("t", "a", "b")
        first = client.push("t", "a", delay_s=60)
        assert client.push("t", "a") == first


def test_of_many_tasks_all_are_taken_in_or_none(client: Client, r: "redis.Redis[bytes]", queue_key: str) -> None:
    """A wrong one at the end, behind more than one round trip's worth, leaves nothing of the others."""
    good = [[str(number)] for number in range(450)]

    with pytest.raises(InvalidSubmission, match="Args"):
        client.push_many("t", [*good, ["a", 5]])  # type: ignore[list-item]

    assert list(r.scan_iter(f"*{queue_key}*")) == []


def test_many_tasks_may_be_handed_in_again_by_their_ids(
    client: Client, r: "redis.Redis[bytes]", queue_key: str
) -> None:
    """As after a StoreError, when it is not known which of them arrived."""
    ids = [f"row-{number}" for number in range(250)]
    assert client.push_many("t", [["x"]] * 100, task_ids=ids[:100]) == ids[:100]

    assert client.push_many("t", [["x"]] * 250, task_ids=ids) == ids

    assert r.llen(f"{queue_key}:t") == 250
    with pytest.raises(InvalidSubmission, match="task_ids: expected 2 of them, found 1"):
        client.push_many("t", [["x"], ["y"]], task_ids=["one"])


def test_many_tasks_go_in_few_round_trips(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    trips: list[int] = []
    pipeline = Link.pipeline

    def counted(link: Link, commands: Sequence[Command]) -> list[Any]:
        trips.append(len(commands))
        return pipeline(link, commands)

    monkeypatch.setattr(Link, "pipeline", counted)

    client.push_many("t", [["x"]] * 450)

    assert trips == [400, 400, 100]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda client: client.push("t", 5), "Args"),
        (lambda client: client.push("t", delay_s=1, at_s=2), "Delay and At: expected one of the two"),
        (lambda client: client.push("t", delay_s=-1), "Delay: expected seconds"),
        (lambda client: client.push("t", timeout_s=-1), "Timeout: expected seconds"),
        (lambda client: client.push("t", task_id=""), "Id"),
        (lambda client: client.push_many("t", ["abc"]), "expected a list of strings, found the string 'abc'"),
        (lambda client: client.push("t", "x" * 2000), "MaxEntryBytes is 1024"),
    ],
)
def test_what_cannot_be_a_task_is_refused_and_leaves_nothing(
    redis_address: str,
    r: "redis.Redis[bytes]",
    queue_key: str,
    make: Callable[[Client], object],
    message: str,
) -> None:
    with (
        Client(f"redis://{redis_address}", queue_key, max_entry_bytes=1024) as small,
        pytest.raises(InvalidSubmission, match=message),
    ):
        make(small)

    assert list(r.scan_iter(f"*{queue_key}*")) == []


def test_a_name_that_no_type_can_have_is_that_of_no_type(client: Client) -> None:
    with pytest.raises(UnknownType):
        client.push("")


def test_every_call_says_that_redis_is_away(queue_key: str) -> None:
    """None of them waits for ever, and none says that all was well."""
    with Client(f"127.0.0.1:{free_port()}", queue_key) as away:
        calls: list[Callable[[], object]] = [
            lambda: away.push("t"),
            lambda: away.push_many("t", [["x"]]),
            lambda: away.result("x"),
            lambda: away.cancel("x"),
            lambda: away.wait("x", timeout_s=0.05),
        ]
        for call in calls:
            with pytest.raises(StoreError):
                call()


@pytest.mark.parametrize(
    ("address", "further", "message"),
    [
        ("redis://", {}, r"RedisAddress: expected redis://host:port"),
        ("http://h:1", {}, r"RedisAddress: http:// is not supported"),
        ("h:1", {"redis_db": -1}, "RedisDB: expected 0 or more, found -1"),
        ("h:1", {"password": "x"}, "password: unknown, expected one of redis_username, redis_password"),
        ("h:1", {"redis_password_file": "/none"}, "RedisPasswordFile: "),
    ],
)
def test_what_is_wrong_with_the_connection_is_told_at_once(address: str, further: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Client(address, "q", **further)


def test_a_password_may_stand_in_the_address_or_beside_it(
    own_redis: Callable[..., RedisServer], tmp_path: Path
) -> None:
    server = own_redis(password="s:e@c")
    (tmp_path / "password").write_text("s:e@c\n")

    clients = [
        Client(f"redis://:s%3Ae%40c@{server.address}", "q"),
        Client(server.address, "q", redis_password="s:e@c"),
        Client(server.address, "q", redis_password_file=str(tmp_path / "password")),
    ]
    for each in clients:
        with each:
            assert each.cancel(each.push("t")) == "removed"


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelSet]:
    with SentinelSet(tmp_path_factory.mktemp("set"), replicas=0, password="secret") as started:
        yield started


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster"), replicas=0, password="secret") as started:
        yield started


@pytest.mark.parametrize("kind", ["sentinels", "cluster"])
def test_sentinels_and_clusters_are_addresses_like_others(request: pytest.FixtureRequest, kind: str) -> None:
    """The login too stands in the address."""
    address: str = request.getfixturevalue(kind).address.replace("://", "://:secret@")

    with Client(address, "q") as tasks:
        ids = [tasks.push(f"t{number}") for number in range(3)]
        ids += tasks.push_many("many", [["x"]] * 250)

        assert [tasks.cancel(each) for each in ids] == ["removed"] * 253
        record = tasks.wait(ids[0], timeout_s=20)
        assert record is not None
        assert record.outcome == "cancelled"


def test_the_client_brings_only_what_it_needs() -> None:
    """A web application that hands in tasks does not want a web stack and a process runner for it."""
    code = (
        "import sys, threading, goophry.client; assert threading.active_count() == 1\n"
        "print(*sorted(name for name in sys.modules if name.startswith('goophry.')))\n"
        "assert not {'starlette', 'fastapi', 'uvicorn', 'typer', 'rich', 'urllib3', 'prometheus_client'} & set(sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)

    modules = {name.removeprefix("goophry.") for name in done.stdout.split()}
    rooms = {name.partition(".")[0] for name in modules}
    assert not rooms & {"runners", "web", "stats", "doors", "cli", "app"}
    assert {name for name in modules if name.startswith("wiring.")} == {"wiring.outside"}
    assert {name for name in modules if name.startswith("engine.")} == {
        "engine.announce",
        "engine.intake",
        "engine.listener",
        "engine.outage",
        "engine.prepared",
        "engine.results",
        "engine.service",
    }
