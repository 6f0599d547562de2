"""What a reader of a page has before him, and what somebody has put there for a block."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from acceptance.goophry_process import Goophry
from conftest import RedisServer, eventually
from pages import ROOT, Terminal

from goophry.failed_entry import key_of

TYPES = [
    {"Type": "resize", "Script": "./resize.sh", "Workers": 4},
    {"Type": "mail", "Script": "/bin/true"},
    {"Type": "backup", "Script": "/bin/true"},
    {"Type": "media", "Kind": "command", "Allow": ["sh"]},
    {"Type": "hook", "Kind": "http", "AllowUrls": ["https://hooks.example.org/"], "Timeout": 1},
]


@dataclass
class Desk:
    """What a reader has before him: a folder, a terminal, a Redis, and mostly a goophry that runs."""

    folder: Path
    terminal: Terminal
    ports: dict[str, str]
    server: RedisServer | None = None
    goophry: Goophry | None = None

    @property
    def client(self) -> "redis.Redis[bytes]":
        return redis.Redis(port=int(self.ports["6379"]))

    @property
    def config(self) -> dict[str, Any]:
        return {
            "RedisAddress": self.address,
            "RedisQueueKey": "myqueue",
            "FailedTasksTTL": 3600,
            "StatsInterface": f"127.0.0.1:{self.ports['9137']}",
            "ApiInterface": f"127.0.0.1:{self.ports['8300']}",
            "Tasks": TYPES,
            "Schedules": [{"Name": "nightly", "Cron": "30 2 * * *", "Type": "backup"}],
        }

    def start(self, **keys: Any) -> None:
        self.goophry = Goophry(self.folder, self.config | keys, client=self.client)
        eventually(self._answers)
        self.goophry.wait_ready()

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.ports['6379']}"

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def fail(self, written: str, *args: str, message: str = "exit status 3") -> None:
        """Put an entry into the failed list; its key is called `written` on the page."""
        raw = json.dumps({"Args": args, "ErrorMessage": message}).encode()
        self.client.rpush("myqueue:resize:failed", raw)
        self.terminal.stand_for(written, key_of(raw))

    def put_off(self, written: str, entry: dict[str, Any]) -> None:
        """Put an entry off for a day; its key is called `written` on the page."""
        raw = json.dumps(entry).encode()
        self.client.zadd("{myqueue:resize}:delayed", {raw: 4_000_000_000_000})
        self.terminal.stand_for(written, key_of(raw))


def some_failed(desk: Desk) -> None:
    desk.fail("37c75e", "none.png", "1")
    desk.fail("0b3edd", "none.png", "2")
    desk.fail("37c75f", "in.png", message="timed out after 60 s")
    desk.fail("37c760", "tmp-1", message="exit status 3")
    desk.fail("37c761", "out.png", message="exit status 3")


def one_failed_today(desk: Desk) -> None:
    assert desk.goophry is not None
    desk.goophry.push("resize", "none.png", Id="order-1")
    desk.goophry.wait_failed("resize")


def an_unreadable_one(desk: Desk) -> None:
    raw = b'{"Entry":"{\\"Args\\":[1]}","ErrorMessage":"parseQueueTask(): no"}'
    desk.client.rpush("myqueue:resize:failed", raw)
    desk.terminal.stand_for("0b3edd", key_of(raw))
    desk.write("bin/vi", '#!/bin/sh\necho \'{"Args":["1"]}\' > "$1"\n')
    (desk.folder / "bin" / "vi").chmod(0o755)


def some_put_off(desk: Desk) -> None:
    desk.put_off("898dc4", {"Args": ["later.png"]})
    desk.put_off("898dc5", {"Args": ["in.png"]})
    desk.put_off("898dc6", {"Args": ["out.png"]})


def some_failed_and_put_off(desk: Desk) -> None:
    some_failed(desk)
    some_put_off(desk)


def redis_elsewhere(desk: Desk) -> None:
    desk.terminal.stand_for("redis.example.org:6379", desk.address)


def stats_over_tls(desk: Desk) -> None:
    assert desk.goophry is not None
    assert desk.goophry.stop() == 0
    desk.start(StatsTLSCertFile="stats.crt", StatsTLSKeyFile="stats.key")


def an_embedded_redis(desk: Desk) -> None:
    hello = {"Type": "hello", "Script": "/bin/true"}
    desk.start(RedisAddress="embedded", EmbeddedPort=int(desk.ports["6379"]), Tasks=[hello], Schedules=[])


def a_template(desk: Desk) -> None:
    shutil.copy(ROOT / "docs" / "templates" / "worker.py", desk.folder)


def tasks_to_push(desk: Desk) -> None:
    desk.write("tasks", '["a.png","200"]\n{"Args":["b.png","200"]}\n')


def old_daemons(desk: Desk) -> None:
    desk.terminal.stand_for("/srv", str(desk.folder / "srv"))
    desk.terminal.stand_for("10.0.0.1:6379", desk.address)
    desk.terminal.stand_for("/etc/cron_task", str(desk.folder / "cron_task"))
    desk.write("cron_task", "")
    desk.write("etc/broker.yaml", f"addr : 0.0.0.0:9595\nredis : {desk.address}/0\n")
    desk.write("etc/worker.yaml", f"redis : {desk.address}/0\nbin_path : {desk.folder}\n")
