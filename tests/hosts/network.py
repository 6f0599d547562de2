"""Hosts in namespaces of Linux, on one switch, which can be lost and cut off.

The switch is a bridge in a namespace of its own: nothing is changed outside, and with the namespaces everything is gone.
A host that is cut off keeps its address, its route and its carrier. What it sends is dropped without a word: nothing
answers, and nothing is refused.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import redis
from conftest import RedisServer, eventually, redis_binary

#: What all namespaces of one network begin with, before the number of the process and a few random letters.
PREFIX: Final = "goophry"

NET: Final = "10.213.0"

#: Starts a program as on a machine of its own: it sees other processes as little as they see it, and has a host name.
_MACHINE: Final = ("unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c")


@cache
def why_not() -> str:
    """Return why no network can be made here, as a sentence; empty if it can."""
    if os.geteuid() != 0:
        return "Network namespaces need root."
    missing = [name for name in ("ip", "unshare") if not shutil.which(name)]
    if missing:
        return f"Network namespaces need the command {missing[0]} (packages iproute2 and util-linux)."
    try:
        with Network() as network:
            subprocess.run([*network.host("probe").machine, "true"], check=True, capture_output=True, timeout=10)
    except subprocess.CalledProcessError as error:
        return f"No network namespaces are to be had here: {error.stderr.decode(errors='replace').strip()}."
    return ""


class Network:
    """A switch and the hosts on it. A context manager: whatever runs there, and it itself, is gone afterwards."""

    def __init__(self) -> None:
        self.mark = f"{PREFIX}-{os.getpid()}-{secrets.token_hex(2)}"
        self.switch = f"{self.mark}-switch"
        self._spaces: list[str] = []
        self._ports = 0

    def __enter__(self) -> Self:
        try:
            self._add(self.switch)
            ip("-n", self.switch, "link", "add", "name", "switch", "type", "bridge")
            ip("-n", self.switch, "link", "set", "switch", "up")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._remove()

    def host(self, name: str) -> "Host":
        """Add a host."""
        space = f"{self.mark}-{name}"
        self._add(space)
        port, address = self._plugged_in(space, "eth0")
        ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
        ip("-n", space, "link", "set", "eth0", "up")
        ip("-n", space, "link", "set", "lo", "up")
        return Host(self, name, space, address, port)

    def let_this_machine_in(self, name: str) -> None:
        """Give this machine an address in the network, on an interface of that name."""
        _, address = self._plugged_in(str(os.getpid()), name)
        ip("addr", "add", f"{address}/24", "dev", name)
        ip("link", "set", name, "up")

    def _plugged_in(self, space: str, interface: str) -> tuple[str, str]:
        self._ports += 1
        port = f"port{self._ports}"
        link = ("link", "add", "name", port, "type", "veth", "peer", "name", interface, "netns", space)
        ip("-n", self.switch, *link)
        ip("-n", self.switch, "link", "set", port, "master", "switch", "up")
        return port, f"{NET}.{self._ports}"

    def _add(self, space: str) -> None:
        ip("netns", "add", space)
        self._spaces.append(space)

    def _remove(self) -> None:
        for space in self._spaces:
            kill_all(space)
        for space in self._spaces:
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", space)
        self._spaces.clear()


class Host:
    """One machine, as far as goophry can tell: with a network, processes and a name of its own."""

    def __init__(self, network: Network, name: str, space: str, address: str, port: str) -> None:
        self.name, self.space, self.address, self.port = name, space, address, port
        self._network = network

    @property
    def prefix(self) -> tuple[str, ...]:
        """What starts a program in the network of the host, and else on this machine."""
        return ("ip", "netns", "exec", self.space)

    @property
    def machine(self) -> tuple[str, ...]:
        """What starts a program on the host; killing that kills all that the program has started, too."""
        return (*self.prefix, *_MACHINE, 'hostname "$0" && exec "$@"', self.name)

    def cut_off(self) -> None:
        """Let nothing through to it and nothing from it, without a word."""
        ip("-n", self._network.switch, "link", "set", self.port, "nomaster")

    def plug_in(self) -> None:
        """End that."""
        ip("-n", self._network.switch, "link", "set", self.port, "master", "switch")

    def lose(self) -> None:
        """As if its power was cut: all processes are gone, and its link is down."""
        kill_all(self.space)
        ip("-n", self._network.switch, "link", "set", self.port, "down")


class HostRedis(RedisServer):
    """A redis-server on a host; who is on no host reaches it through a Unix socket."""

    def __init__(self, folder: Path, *options: str, host: Host) -> None:
        super().__init__(folder, *options)
        self.host, self.socket = host, folder / "redis.sock"
        bound = ("--bind", host.address, "--protected-mode", "no", "--unixsocket", str(self.socket))
        self.options = (*self.options, *bound)

    @property
    def address(self) -> str:
        return f"{self.host.address}:{self.port}"

    def client(self) -> "redis.Redis[bytes]":
        return redis.Redis(unix_socket_path=str(self.socket))

    def start(self) -> "HostRedis":
        with (self.folder / "redis.log").open("ab") as log:
            arguments = ["--port", str(self.port), "--dir", str(self.folder), "--save", "", *self.options]
            command = [*self.host.prefix, redis_binary(), *arguments]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        eventually(lambda: self.socket.exists() and self._answers(), what="redis-server answers")
        return self


def ip(*words: str) -> str:
    """Run `ip` and return what it says."""
    done = subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)
    return done.stdout.decode()


def kill_all(space: str) -> None:
    """Kill every process of a network namespace; also those that one of them has just started."""
    for _ in range(3):
        for pid in ip("netns", "pids", space).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
