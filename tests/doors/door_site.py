"""The whole program with doors, as tests start it."""

from pathlib import Path
from typing import Any

import redis
from acceptance.goophry_process import Goophry
from conftest import free_port
from doors.kingtask_site import Target, make_programs


class DoorSite:
    """A goophry with doors; it may be killed and started again."""

    def __init__(self, folder: Path, *, redis_address: str, client: "redis.Redis[bytes]", **keys: Any) -> None:
        self.folder, self.client = folder, client
        self.key = f"test:{folder.name}:{free_port()}"
        self.kingtask = f"127.0.0.1:{free_port()}"
        self.coyotes = f"127.0.0.1:{free_port()}"
        self.biz_name = self.key
        self.target = Target()
        self.programs = make_programs(folder / "bin")
        doors = {
            "Coyotes": {"Interface": self.coyotes, "Allow": ["*"], "BizName": self.biz_name},
            "Kingtask": {
                "Interface": self.kingtask,
                "BinPath": str(self.programs),
                "AllowUrls": ["*"],
                "AllowNetworks": ["127.0.0.0/8"],
                "Workers": 4,
            },
        }
        for name, options in keys.pop("doors", {}).items():
            doors[name] |= options
        self.config = {
            "RedisAddress": redis_address,
            "RedisQueueKey": self.key,
            "LogFormat": "json",
            "Doors": doors,
            **keys,
        }
        self.started: list[Goophry] = []

    @property
    def goophry(self) -> Goophry:
        return self.started[-1]

    def start(self, *, ready: bool = True) -> "DoorSite":
        folder = self.folder / f"goophry-{len(self.started)}"
        self.started.append(Goophry(folder, self.config, client=self.client))
        if ready:
            self.goophry.wait_ready()
        return self

    def close(self) -> None:
        for each in self.started:
            each.clean_up()
        self.target.close()
        for pattern in (f"{self.key}:*", f"{{{self.key}:*"):
            names = list(self.client.scan_iter(pattern, count=1000))
            if names:
                self.client.delete(*names)
