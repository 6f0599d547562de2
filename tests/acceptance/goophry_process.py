"""goophry as its users have it: a process of its own, with a configuration file, a log and signals."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import redis
from conftest import eventually

COMMAND = (sys.executable, "-m", "goophry")


class Goophry:
    """One `goophry -c FILE`; whatever it started is known by `mark` in the environment."""

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        *,
        client: "redis.Redis[bytes]",
        arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        prefix: Sequence[str] = (),
        command: Sequence[str] = COMMAND,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.config, self.client = folder, config, client
        self.path = folder / "goophry.config.json"
        self.path.write_text(json.dumps(config))
        self.log_path = folder / "goophry.log"
        self.mark = f"ACCEPTANCE_MARK={uuid.uuid4().hex}"
        name, value = self.mark.split("=")
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, *command, "-c", str(self.path), *arguments],
                stdin=stdin,
                stdout=log,
                stderr=log,
                cwd=cwd or folder,
                env={**os.environ, name: value, **(env or {})},
                start_new_session=not prefix,
            )

    @property
    def queue_key(self) -> str:
        return str(self.config["RedisQueueKey"])

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def queue(self, task_type: str) -> str:
        return f"{self.queue_key}:{task_type}"

    def wait_ready(self) -> "Goophry":
        """Wait for the first heartbeat: signals are handled and Redis is in reach from then on."""
        eventually(self._beats, what="goophry is ready")
        return self

    def _beats(self) -> bool:
        assert self.process.poll() is None, self.log
        names = list(self.client.scan_iter(f"{self.queue_key}:instance:*", count=1000))
        return any(json.loads(self.client.get(name) or b"{}").get("Pid") == self.pid for name in names)

    def events(self, action: str, **fields: object) -> list[dict[str, Any]]:
        """Return the log lines of this action; for LogFormat json."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if line["action"] == action and fields.items() <= line.items()]

    def wait_event(self, action: str, *, within: float = 20, **fields: object) -> dict[str, Any]:
        eventually(lambda: self.events(action, **fields), within=within, every=0.05, what=f"{action} {fields}")
        return self.events(action, **fields)[0]

    def reload(self, *tasks: Mapping[str, Any], done: str = "config.read", **keys: object) -> None:
        """Write the configuration anew, with these types and keys on top, and have it read; `done` is what it says then."""
        before = len(self.events(done))
        self.config = {**self.config, **({"Tasks": list(tasks)} if tasks else {}), **keys}
        self.path.write_text(json.dumps(self.config))
        self.send(signal.SIGHUP)
        eventually(lambda: len(self.events(done)) > before, what=done)

    def push(self, task_type: str, *args: str, **fields: object) -> None:
        self.client.rpush(self.queue(task_type), entry(*args, **fields))

    def waiting(self, task_type: str) -> list[bytes]:
        return self._entries(self.queue(task_type))

    def failed(self, task_type: str) -> list[bytes]:
        return self._entries(f"{self.queue(task_type)}:failed")

    def _entries(self, key: str) -> list[bytes]:
        return [bytes(raw) for raw in self.client.lrange(key, 0, -1)]

    def wait_failed(self, task_type: str, count: int = 1) -> list[bytes]:
        eventually(lambda: len(self.failed(task_type)) >= count, what=f"{count} failed of {task_type}")
        return self.failed(task_type)

    def held(self, task_type: str) -> int:
        """Return how many entries stand in running lists, of any instance."""
        names = list(self.client.scan_iter(f"{{{self.queue(task_type)}}}:running:*", count=1000))
        return sum(self.client.llen(name) for name in names)

    def drained(self, *types: str) -> bool:
        return not any(self.client.llen(self.queue(name)) or self.held(name) for name in types)

    def send(self, sig: signal.Signals) -> None:
        self.process.send_signal(sig)

    def wait(self, timeout_s: float = 30) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(timeout_s)

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        self.send(sig)
        return self.wait()

    def kill(self) -> None:
        """`kill -9`, of goophry alone."""
        self.process.kill()
        self.process.wait(10)

    def clean_up(self) -> None:
        """End goophry and all that it ever started."""
        if self.process.poll() is None:
            self.kill()
        for pid in pids_with(self.mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def entry(*args: str, **fields: object) -> bytes:
    return json.dumps({"Args": list(args), **fields}, ensure_ascii=False, separators=(",", ":")).encode()


def pids_with(line: str) -> set[int]:
    """Return the processes that have this `NAME=value` in their environment."""
    return {pid for pid, environ in _environs() if line.encode() in environ}


def pids_with_name(name: str) -> set[int]:
    """Return the processes whose environment has a variable of this name."""
    return {pid for pid, environ in _environs() if any(item.startswith(f"{name}=".encode()) for item in environ)}


def _environs() -> Iterator[tuple[int, list[bytes]]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                yield int(folder.name), (folder / "environ").read_bytes().split(b"\0")
