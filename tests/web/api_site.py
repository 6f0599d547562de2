"""The API over a real engine and a real Redis, in this process, and a client for it."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes import settings_for
from pydantic import SecretStr

from goophry.clock import SystemClock
from goophry.config import ApiToken, TaskType
from goophry.engine.presence import this_process
from goophry.runners.guardian import Guardian
from goophry.runners.live import LivePids
from goophry.stats.series import Series
from goophry.store.client import LinkPool, RedisServer
from goophry.web.listen import TlsFiles
from goophry.wiring.api import api_service
from goophry.wiring.board import board, witness
from goophry.wiring.engine import EngineBuilder
from goophry.wiring.reload import InForce

TOKENS = {role: f"{role}-0123456789abcdef" for role in ("viewer", "submitter", "operator")}


def tokens() -> tuple[ApiToken, ...]:
    return tuple(ApiToken(name=role, role=role, token=SecretStr(token)) for role, token in TOKENS.items())


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ApiSite:
    """Everything behind one ApiInterface. Tasks run once `run` was called."""

    def __init__(
        self,
        redis_address: str,
        queue_key: str,
        *types: TaskType,
        open_to_all: bool = False,
        tls: TlsFiles | None = None,
        series: Series | None = None,
        **keys: Any,
    ) -> None:
        if tls is not None:
            keys |= {"api_tls_cert_file": tls.cert, "api_tls_key_file": tls.key}
        keys.setdefault("api_tokens", () if open_to_all else tokens())
        self.settings = settings_for(redis_address, queue_key, *types, api_interface="127.0.0.1:0", **keys)
        clock = SystemClock()
        self.redis = RedisServer(self.settings)
        self.links = LinkPool(self.redis)
        live = LivePids()
        in_force = InForce(self.settings)
        seen = witness(self.settings, clock=clock)
        builder = EngineBuilder(
            in_force,
            server=self.redis,
            links=self.links,
            presence=this_process(now=clock.now()),
            live=live,
            guardian=Guardian(live),
            observers=seen.observers,
            clock=clock,
        )
        self.engine = builder.build()
        self.board = board(
            self.settings, server=self.redis, engine=self.engine, witness=seen, clock=clock, series=series
        )
        self.server = api_service(in_force, server=self.redis, engine=self.engine, board=self.board, clock=clock)
        self._tls = tls is not None
        self._runs = False

    def start(self) -> "ApiSite":
        self.engine.heartbeat.start()
        self.engine.listener.start()
        self.engine.pause_watch.start()
        self.engine.live_output.start()
        self.board.start()
        self.server.start()
        return self

    def run(self) -> None:
        """Begin to run tasks."""
        self._runs = True
        self.engine.scheduler.start()
        self.engine.types.start()

    def close(self) -> None:
        self.server.stop()
        self.board.stop()
        self.engine.pause_watch.stop()
        self.engine.live_output.stop()
        self.engine.types.finish()
        for loop in self.engine.types.loops():
            loop.interrupt(grace_s=0)
        self.engine.types.stop()
        self.engine.scheduler.stop()
        self.engine.listener.stop()
        self.engine.heartbeat.stop()
        for loop in self.engine.types.loops():
            loop.settle_rest()
            loop.close()
        self.links.close()

    @property
    def port(self) -> int:
        return int(self.server.address.rpartition(":")[2])

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        role: str | None = "operator",
        headers: Mapping[str, str] | None = None,
        prefix: str = "/api/v1",
        read: bool = True,
    ) -> Reply:
        sent = dict(headers or {})
        if role is not None and self.settings.api_tokens:
            sent.setdefault("Authorization", f"Bearer {TOKENS[role]}")
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if raw is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = self.connect()
        try:
            connection.request(method, prefix + path, raw, sent)
            reply = connection.getresponse()
            return Reply(
                reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read() if read else b""
            )
        finally:
            connection.close()

    def get(self, path: str, **options: Any) -> Reply:
        return self.ask("GET", path, **options)

    def post(self, path: str, body: object = None, **options: Any) -> Reply:
        return self.ask("POST", path, {} if body is None else body, **options)

    def delete(self, path: str, **options: Any) -> Reply:
        return self.ask("DELETE", path, **options)


def shell(name: str, text: str, **keys: Any) -> TaskType:
    """A type whose script is this text for sh; `$0` is `sh`, the entry's Args are `$1` and so on."""
    return TaskType(type=name, script=("/bin/sh", "-c", text, "sh"), **keys)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
