"""What systemd hears of goophry, over a real notification socket."""

import signal
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from acceptance.goophry_process import Goophry
from conftest import eventually

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]


class Manager:
    """Keeps what it is told."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))
        self._socket.setblocking(False)
        self._told: list[str] = []

    def told(self) -> list[str]:
        try:
            while True:
                self._told.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            return self._told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@goophry-{uuid.uuid4().hex}"


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    made = Manager(address)
    yield made
    made.close()


def test_systemd_hears_of_start_watchdog_reload_and_stop_and_scripts_do_not_hear_of_systemd(
    goophry: Start, manager: Manager, address: str, script: Callable[..., Path]
) -> None:
    path = script('[ -z "$NOTIFY_SOCKET$WATCHDOG_USEC$WATCHDOG_PID" ]')
    env = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}
    process = goophry({"Type": "t", "Script": str(path)}, process={"env": env})
    eventually(lambda: manager.told()[:1] == ["READY=1"], what="it is ready")
    eventually(lambda: "WATCHDOG=1" in manager.told(), what="it is well")
    process.push("t")
    assert process.wait_event("task.finished")["outcome"] == "success"

    process.send(signal.SIGHUP)

    eventually(lambda: any(news.startswith("RELOADING=1\nMONOTONIC_USEC=") for news in manager.told()), what="reload")
    eventually(lambda: manager.told().count("READY=1") == 2, what="it is ready again")
    assert process.stop() == 0
    assert manager.told()[-1] == "STOPPING=1"


def test_a_socket_that_is_not_there_is_told_in_the_log_and_harms_nothing(goophry: Start, tmp_path: Path) -> None:
    process = goophry({"Type": "t", "Script": "/bin/true"}, process={"env": {"NOTIFY_SOCKET": str(tmp_path / "none")}})

    process.wait_event("notify")
    assert process.stop() == 0
