"""A client of poulpe written from its readme alone, and what its jobs are aimed at."""

import json
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
from acceptance.goophry_process import Goophry
from conftest import eventually, free_port
from doors.http_client import Answer, ask
from websockets.sync.client import ClientConnection, connect


@dataclass
class Client:
    """What `curl` does in the readme."""

    address: str

    def post(self, **job: Any) -> str:
        return self.raw(job).text

    def raw(self, value: Any, content_type: str = "application/json") -> Answer:
        body = json.dumps(value, ensure_ascii=False)
        return ask(self.address, "POST", "/task_in_queue", body, content_type=content_type)

    def response(self, key: str) -> str:
        return ask(self.address, "GET", f"/task_resp/{quote(key)}").text

    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(ask(self.address, "GET", "/sys_info").text)
        return found

    def is_idle(self) -> bool:
        info = self.info()
        return not (info["working_keys"] or info["delaying_keys"] or info["wronging_keys"])

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/sys_info", timeout=5) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False


def message(
    id_: str, method: str, name: str, params: str = "", *, cc: str = "", delay: int = 0, **more: Any
) -> dict[str, Any]:
    return {"id": id_, "method": method, "delay": delay, "name": name, "params": params, "cc": cc, **more}


@dataclass
class Target:
    """A web server that notes its requests; `/status/N` answers N, `/to/N` leads through N redirects."""

    address: str = ""
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def requests(self, path: str) -> list[tuple[str, str, dict[str, str], bytes]]:
        return [each for each in self.seen if each[1].startswith(path)]


@contextmanager
def target() -> Iterator[Target]:
    found = Target()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length)
            found.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            parts = self.path.partition("?")[0].split("/")
            self.send_response(
                int(parts[2]) if parts[1] == "status" else 302 if parts[1] == "to" and parts[2] != "0" else 200
            )
            if parts[1] == "to" and parts[2] != "0":
                self.send_header("Location", f"/to/{int(parts[2]) - 1}")
            # A body that is promised and never comes is nobody's affair.
            self.send_header("Content-Length", "5" if parts[1] == "hang" else "0")
            self.end_headers()

        do_GET = do_POST = answer  # noqa: N815 - the library's names

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


class Site:
    """goophry with poulpe's door, which a test may kill and start again."""

    def __init__(self, folder: Path, redis_address: str, client: "redis.Redis[bytes]", **door: Any) -> None:
        self.folder, self.redis = folder, client
        self.dead, self.cron = folder / "dead", folder / "cron"
        self.client = Client(f"127.0.0.1:{free_port()}")
        self.key = f"test:{uuid.uuid4().hex[:12]}"
        section = {
            "Interface": self.client.address,
            "Workers": 2,
            "RetryInterval": 1,
            "MaxRetry": 1,
            "DeadDir": str(self.dead),
            "CronFile": str(self.cron),
            "Allow": ["*"],
            "AllowUrls": ["http://127.0.0.1:"],
        }
        doors = {"Poulpe": section | door}
        self.config: dict[str, Any] = {
            "RedisAddress": redis_address,
            "RedisQueueKey": self.key,
            "LogFormat": "json",
            "Doors": doors,
        }
        self.runs: list[Goophry] = []
        self.environment: dict[str, str] = {}

    def start(self) -> "Site":
        self.runs.append(
            Goophry(self.folder / f"run-{len(self.runs)}", self.config, client=self.redis, env=self.environment)
        )
        self.runs[-1].wait_ready()
        eventually(self.client.answers, what="the door answers")
        return self

    @property
    def goophry(self) -> Goophry:
        return self.runs[-1]

    def another(self) -> "Site":
        """Make a second instance on the same keys, with an interface of its own."""
        made = Site(self.folder / "another", "", self.redis)
        door = self.config["Doors"]["Poulpe"] | {"Interface": made.client.address}
        made.key, made.config = self.key, self.config | {"Doors": {"Poulpe": door}}
        return made

    def listeners(self, place: str) -> int:
        """Return how many instances have somebody who waits for a result of this key."""
        ((_, count),) = self.redis.pubsub_numsub(f"{self.key}:poulpe:said:{place}")
        return int(count)

    def socket(self) -> ClientConnection:
        return connect(f"ws://{self.client.address}/ws_task", proxy=None)

    def letters(self) -> dict[str, dict[str, Any]]:
        return {path.name: json.loads(path.read_bytes()) for path in self.dead.glob("*/*.json")}

    def clean_up(self) -> None:
        for run in self.runs:
            run.clean_up()
            print(run.log[-10_000:])  # noqa: T201 - shown if the test fails
        for pattern in (f"{self.key}:*", f"{{{self.key}:*"):
            names = list(self.redis.scan_iter(pattern, count=1000))
            if names:
                self.redis.delete(*names)


def words(path: Path) -> list[str]:
    """Return what scripts have noted in a file."""
    return path.read_text().split() if path.exists() else []
