"""A goophry on a host: a process that is number 1 there, and another one for everybody else."""

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis
from acceptance.goophry_process import Goophry
from conftest import eventually
from hosts.network import Host


class HostGoophry(Goophry):
    """See `Goophry`; `process` is what keeps the host's processes together, and ends with them."""

    def __init__(
        self, folder: Path, config: Mapping[str, Any], *, client: "redis.Redis[bytes]", host: Host, **more: Any
    ) -> None:
        super().__init__(folder, config, client=client, prefix=host.machine, **more)
        self.host = host

    @property
    def instance(self) -> str:
        """The id of this instance, by its heartbeat; empty before the first."""
        start = f"{self.queue_key}:instance:"
        for name in self.client.scan_iter(f"{start}{self.host.name}-*", count=1000):
            if json.loads(self.client.get(name) or b"{}").get("Host") == self.host.name:
                return name.decode().removeprefix(start)
        return ""

    def _beats(self) -> bool:
        assert self.process.poll() is None, self.log
        return bool(self.instance)

    def send(self, sig: signal.Signals) -> None:
        """Send a signal to goophry itself."""
        os.kill(self._inner(), sig)

    def _inner(self) -> int:
        """Return the number that goophry has outside of its host."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        eventually(lambda: children.read_text().split(), what="goophry has been started")
        return int(children.read_text().split()[0])
