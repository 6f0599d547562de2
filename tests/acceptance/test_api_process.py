"""The API of a real goophry: two instances, one page; a stop with clients that hang on."""

import http.client
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.goophry_process import Goophry
from conftest import eventually, free_port

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
TOKEN = "an-operator-0123456789"
TOKENS = json.dumps([{"Name": "night shift", "Role": "operator", "Token": TOKEN}])


class Client:
    """Asks the API; `close` ends every connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: list[Any] = []

    def open(self, method: str, path: str, body: object = None) -> http.client.HTTPResponse:
        reply = self.send(method, path, body).getresponse()
        self._open.append(reply)
        return reply

    def send(self, method: str, path: str, body: object = None) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        self._open.append(connection)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
        return connection

    def ask(self, method: str, path: str, body: object = None) -> Any:
        return json.loads(self.open(method, path, body).read())

    def close(self) -> None:
        for each in self._open:
            each.close()


@pytest.fixture
def client() -> Iterator[Callable[[int], Client]]:
    clients: list[Client] = []

    def make(port: int) -> Client:
        clients.append(Client(port))
        return clients[-1]

    yield make
    for each in clients:
        each.close()


def test_output_comes_from_whichever_instance_runs_the_task(
    goophry: Start, client: Callable[[int], Client], script: Callable[..., Path], tmp_path: Path
) -> None:
    port, go = free_port(), tmp_path / "go"
    program = script(f"echo from $GOOPHRY_INSTANCE; while [ ! -e {go} ]; do sleep 0.05; done; echo over")
    api = goophry(
        {"Type": "other", "Script": str(program)},
        ApiInterface=f"127.0.0.1:{port}",
        process={"env": {"GOOPHRY_API_TOKENS": TOKENS}},
    )
    runner = goophry({"Type": "other", "Script": str(program), "FailOnOutput": False})
    page = client(port)
    page.ask("POST", "/types/other/pause")
    eventually(lambda: api.client.sismember(f"{api.queue_key}:paused", "other"), what="it is paused")
    # Only the one without an API is left to run it: the other is quiet.
    api.send(signal.SIGUSR1)
    eventually(lambda: api.events("quiet"), what="the instance with the API is quiet")
    page.ask("POST", "/types/other/resume")
    page.ask("POST", "/tasks/other", {"Id": "x"})
    eventually(lambda: page.ask("GET", "/tasks/x")["Status"] == "running", what="it runs")

    stream = page.open("GET", "/tasks/x/output")
    lines = iter(stream.readline, b"")
    first = next(line for line in lines if line.startswith(b"data:"))
    go.touch()
    rest = b"".join(lines).decode()

    instance = page.ask("GET", "/tasks/x")["Instance"]
    assert f"-{runner.pid}-" in instance
    assert f"from {instance}" in first.decode()
    assert "over" in rest
    assert '"Outcome":"success"' in rest
    assert api.events("api", who="night shift")
    assert TOKEN not in api.log


def test_stop_waits_for_no_client(goophry: Start, client: Callable[[int], Client]) -> None:
    port = free_port()
    running = goophry(
        {"Type": "t", "Script": ["/bin/sleep", "1"]},
        ApiInterface=f"127.0.0.1:{port}",
        process={"env": {"GOOPHRY_API_TOKENS": TOKENS}},
    )
    page = client(port)
    page.ask("POST", "/tasks/t", {"Id": "x", "Delay": 600})
    page.send("GET", "/tasks/x?wait=300")
    page.open("GET", "/events")

    assert running.stop() == 0


def test_beyond_this_machine_it_does_not_start_without_tokens(goophry: Start) -> None:
    refused = goophry({"Type": "t", "Script": "/bin/true"}, ApiInterface="0.0.0.0:1", ready=False)

    assert refused.wait() == 1
    assert "ApiInterface: expected 127.0.0.1:port or [::1]:port as there are no ApiTokens" in refused.log
