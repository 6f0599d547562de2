"""A Redis of its own and some goophrys on it, to be killed, frozen and started again."""

import contextlib
import itertools
import json
import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from acceptance.goophry_process import Goophry, entry, pids_with
from chaos.recorder import make_recorder
from conftest import RedisServer, eventually
from redis_cluster import RedisCluster
from sentinel_set import SentinelSet

#: Every write is on the disk before it is answered, so that Redis may be killed at any time.
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")

KEY = "chaos"


class Fleet:
    """Instances of goophry with one configuration. A context manager: whatever it started is gone afterwards."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        redis_options: Sequence[str] = (),
        prefix: Sequence[str] = (),
        server: RedisServer | SentinelSet | RedisCluster | None = None,
    ) -> None:
        """`server` is used instead of a single one with `redis_options`; not yet started."""
        self.folder, self.random = folder, random.Random(seed)
        self.recorder = make_recorder(folder / "record")
        self.server = server or RedisServer(folder / "redis", *redis_options)
        self.pushed: dict[int, tuple[str, str]] = {}
        """Number of each task → its type and act."""
        self.kills: list[tuple[int, int]] = []
        """When which process was killed: monotonic ns, pid."""
        self.members: dict[int, Goophry] = {}
        self.config: dict[str, Any] = {}
        self._prefix = prefix
        self._mark = uuid.uuid4().hex
        self._numbers = itertools.count()

    def __enter__(self) -> Self:
        self.server.start()
        self.client = self.server.client()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # More than once: what is killed may have been about to start something.
        for _ in range(3):
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for member in self.members.values():
            member.process.wait(10)
        self.client.close()
        self.server.end()

    def connect_anew(self) -> None:
        """Reach the server of now; the old connection may hang."""
        self.client.close()
        self.client = self.server.client()
        for member in self.members.values():
            member.client = self.client
        # Sentinels name a master shortly before they say that it is well.
        eventually(self._answers, within=30, every=0.05, what="the server of now answers")

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            return bool(self.client.ping())
        return False

    def configure(self, *tasks: dict[str, Any], **keys: Any) -> None:
        """Set the task types and top-level keys of instances that are started from now on."""
        keys = {"RedisAddress": self.server.address, "RedisQueueKey": KEY, "LogFormat": "json"} | keys
        self.config = keys | {"Tasks": list(tasks)}

    def record_type(self, name: str = "t", *, workers: int = 4, **keys: Any) -> dict[str, Any]:
        """Return a task type whose script is the recorder."""
        return {"Type": name, "Script": self.recorder.script, "Workers": workers, "FailedTasksTTL": 86400} | keys

    def start(self, index: int = 0, *, ready: bool = True) -> Goophry:
        """Start the instance of this number, after the last one of that number has ended."""
        member = Goophry(
            self.folder / f"goophry-{index}",
            self.config,
            client=self.client,
            env={"CHAOS_FLEET": self._mark},
            prefix=self._prefix,
        )
        self.members[index] = member
        return self.ready(member) if ready else member

    def ready(self, member: Goophry) -> Goophry:
        """Wait for the first heartbeat: signals are handled and Redis is in reach from then on."""
        eventually(lambda: self._beats(member), what="goophry is ready")
        return member

    def instance(self, member: Goophry) -> str:
        """Return the id of a running instance, by its heartbeat; empty before the first."""
        names = self.client.scan_iter(f"{KEY}:instance:*-{member.pid}-*", count=1000)
        return next((name.decode().removeprefix(f"{KEY}:instance:") for name in names), "")

    def _beats(self, member: Goophry) -> bool:
        assert member.process.poll() is None, member.log
        return bool(self.instance(member))

    def kill(self, index: int = 0) -> None:
        """`kill -9`, of goophry alone."""
        member = self.members[index]
        self.kills.append((time.monotonic_ns(), member.pid))
        member.kill()

    def revive(self) -> None:
        """Start every instance that has ended again."""
        for index, member in list(self.members.items()):
            if member.process.poll() is not None:
                self.start(index, ready=False)

    def push(
        self,
        count: int,
        *,
        name: str = "t",
        acts: Callable[[], tuple[str, int]] = lambda: ("ok", 0),
        fields: Callable[[int], dict[str, Any]] = lambda number: {},
    ) -> None:
        """Push tasks; `acts` returns act and milliseconds of the next one, `fields` what its entry has beside Args."""
        queue, lines = f"{KEY}:{name}", []
        for number in itertools.islice(self._numbers, count):
            act, ms = acts()
            self.pushed[number] = (name, act)
            lines.append(entry(str(number), act, str(ms), **fields(number)))
        for start in range(0, len(lines), 1000):
            self.client.rpush(queue, *lines[start : start + 1000])

    def mixed(self) -> tuple[str, int]:
        """Return an act: mostly quick successes, some that take a while, fail or print."""
        dice = self.random.random()
        if dice < 0.7:
            return "ok", self.random.choice((0, 0, 0, 1, 5))
        if dice < 0.79:
            return "ok", self.random.randint(10, 80)
        if dice < 0.8:
            return "ok", self.random.randint(500, 3000)
        return ("fail", 0) if dice < 0.9 else ("print", self.random.choice((0, 2)))

    def types(self) -> set[str]:
        return {task["Type"] for task in self.config["Tasks"]}

    def waiting(self) -> list[bytes]:
        """Return what stands in queues."""
        return [raw for name in self.types() for raw in self.client.lrange(f"{KEY}:{name}", 0, -1)]

    def failed(self) -> list[bytes]:
        """Return what stands in failed lists."""
        return [raw for name in self.types() for raw in self.client.lrange(f"{KEY}:{name}:failed", 0, -1)]

    def delayed(self) -> list[bytes]:
        """Return what is put off."""
        found: list[bytes] = []
        for name in self.types():
            with contextlib.suppress(redis.ResponseError):
                found += self.client.zrange(f"{{{KEY}:{name}}}:delayed", 0, -1)
        return found

    def held(self) -> list[bytes]:
        """Return what stands in running lists."""
        found: list[bytes] = []
        for key in self.keys(":running:"):
            # Somebody may have put another kind of value there.
            with contextlib.suppress(redis.ResponseError):
                found += self.client.lrange(key, 0, -1)
        return found

    def keys(self, part: str = "") -> list[bytes]:
        """Return the helper keys that have this in their names."""
        return [key for key in self.client.scan_iter(f"{{{KEY}:*", count=1000) if part.encode() in key]

    def drained(self) -> bool:
        waiting = any(self.client.llen(f"{KEY}:{name}") for name in self.types())
        # Last what an entry comes to last: it moves on between the looks.
        return not waiting and not self.delayed() and not self.held() and not self.waiting()

    def drain(self, *, within: float = 60) -> None:
        """Wait until nothing waits and nothing runs any more."""
        eventually(self.drained, within=within, every=0.05, what="everything is settled")

    def faults(self) -> list[str]:
        """Return what the logs say of goophry's own faults, one line for each kind."""
        found = set()
        for path in self.folder.glob("goophry-*/goophry.log"):
            for line in path.read_text(errors="replace").splitlines():
                if '"traceback"' in line or "Traceback" in line or '"exception"' in line:
                    found.add(line[:300])
        return sorted(found)

    def processes(self) -> set[int]:
        """Return all living processes that this fleet ever started, by the mark in their environment."""
        return pids_with(f"CHAOS_FLEET={self._mark}")

    def alive(self) -> bool:
        """Whether no instance has ended."""
        return all(member.process.poll() is None for member in self.members.values())


def number_of(raw: bytes) -> int:
    """Return the number of a task, from its entry in any list."""
    return int(json.loads(raw)["Args"][0])
