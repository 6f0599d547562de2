"""A client of poulpe written from its readme alone, and what its jobs are aimed at."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

from doors.http_client import Answer, ask


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
            self.send_header("Content-Length", "0")
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
