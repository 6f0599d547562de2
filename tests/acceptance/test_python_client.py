"""The Python client: what its documentation shows, with a real goophry behind it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from acceptance.goophry_process import Goophry
from conftest import eventually

from goophry.client import Client, InvalidSubmission, UnknownType

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
