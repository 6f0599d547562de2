"""A goophry that is made to leave something of every kind in Redis: entries in all states, and what is kept beside them."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import redis
from acceptance.goophry_process import Goophry, entry
from acceptance.poulpe_site import Client as PoulpeClient
from acceptance.poulpe_site import message
from conftest import eventually, free_port
from doors.http_client import ask
from formats.dump import KEY, Dump, dump_all

from goophry.client import Client

#: A moment, in Unix seconds, that comes in 2096: recordings are read for years.
FAR: Final = 4_000_000_000
#: Seconds after which what the scene puts off for a short time is due: longer than the scene takes.
SOON_S: Final = 60
YEARS_S: Final = 1_000_000_000

FORM: Final = "application/x-www-form-urlencoded"

_NOTE: Final = 'echo "$GOOPHRY_TYPE $1 ${GOOPHRY_RECOVERED:-0} $GOOPHRY_ATTEMPT" >> "$OUT"'
_SCRIPTS: Final = {
    "note": _NOTE,
    "hold": f'{_NOTE}; while [ ! -e "$GO" ]; do sleep 0.02; done',
    "fail": f"{_NOTE}; echo why >&2; exit 3",
    "say": "echo said",
}


@dataclass
class Scene:
    """Its instances have one configuration; `folder` has their scripts and what those wrote."""

    folder: Path
    client: "redis.Redis[bytes]"
    address: str
    key: str = KEY
    started: list[Goophry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.out, self.go = self.folder / "out", self.folder / "go"
        for name, body in _SCRIPTS.items():
            path = self.folder / "bin" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'#!/bin/sh\nOUT="{self.out}" GO="{self.go}"\n{body}\n')
            path.chmod(0o755)
        self.coyotes, self.kingtask = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.poulpe = PoulpeClient(f"127.0.0.1:{free_port()}")

    def start(self, *, doors: bool = True) -> Goophry:
        """Start one more instance; only one may have the doors."""
        config = self._config() | ({"Doors": self._doors()} if doors else {})
        made = Goophry(self.folder / f"goophry-{len(self.started)}", config, client=self.client)
        self.started.append(made)
        return made.wait_ready()

    def lines(self) -> list[str]:
        """Return what ran: type, first argument, how often it had been recovered, number of the attempt."""
        return self.out.read_text().splitlines() if self.out.exists() else []

    def ran(self, *lines: str) -> None:
        """Wait until these have run."""
        eventually(lambda: set(lines) <= set(self.lines()), what=f"{lines} ran")

    def push(self, task_type: str, *raw: bytes) -> None:
        self.client.rpush(f"{self.key}:{task_type}", *raw)

    def _config(self) -> dict[str, Any]:
        def task(name: str, script: str, **keys: Any) -> dict[str, Any]:
            return {"Type": name, "Script": str(self.folder / "bin" / script), "ResultTTL": 864_000} | keys

        return {
            "RedisAddress": self.address,
            "RedisQueueKey": self.key,
            "LogFormat": "json",
            "Tasks": [
                task("hold", "hold", Workers=3),
                task("bad", "fail", FailedTasksTTL=86_400),
                task("again", "fail", Retry=[YEARS_S], FailedTasksTTL=86_400),
                task("later", "note"),
                task("once", "note", Unique={"Until": "end"}),
                task("rated", "note", RateLimit="1/d"),
                task("ok", "say", FailOnOutput=False),
                task("still", "note"),
            ],
            "Schedules": [{"Name": "leap", "Cron": "0 12 29 2 *", "Type": "ok"}],
        }

    def _doors(self) -> dict[str, Any]:
        dead = str(self.folder / "dead")
        return {
            "Coyotes": {"Interface": self.coyotes, "Allow": ["*"]},
            "Kingtask": {"Interface": self.kingtask, "BinPath": str(self.folder / "bin"), "ResultKeepTime": 864_000},
            "Poulpe": {"Interface": self.poulpe.address, "DeadDir": dead, "Workers": 1, "Allow": ["*"]},
        }


@contextmanager
def scene(folder: Path, client: "redis.Redis[bytes]", address: str, *, key: str = KEY) -> Iterator[Scene]:
    """Yield a scene; its processes are gone afterwards."""
    made = Scene(folder, client, address, key)
    try:
        yield made
    finally:
        for each in made.started:
            each.clean_up()
            sys.stdout.write(each.log[-20_000:])  # shown if a test fails


def play(site: Scene) -> Dump:
    """Bring everything about, and return all that stands in Redis then."""
    _recover_one(site)
    first = site.started[-1]
    _hold(site)
    _fail(site, first)
    with Client.of_config(first.path, environ={}) as tasks:
        _put_off(site, tasks)
        _end(site, tasks)
    _doors(site)
    time.sleep(2.6)  # a heartbeat tells of all this
    return dump_all(site.client)


def _recover_one(site: Scene) -> None:
    """Let an instance die with an entry, and another one take that over."""
    doomed = site.start(doors=False)
    site.push("hold", entry("twice"))
    site.ran("hold twice 0 1")
    doomed.kill()
    site.start()
    site.ran("hold twice 1 1")


def _hold(site: Scene) -> None:
    site.push("hold", entry("bare"), entry("known", Id="hold-known"))
    site.ran("hold bare 0 1", "hold known 0 1")
    site.push("hold", entry("waits"), entry("waits-known", Id="hold-waits", Env={"A": "b"}, Timeout=600, Other=[1]))


def _fail(site: Scene, goophry: Goophry) -> None:
    for number, raw in enumerate((entry("bare"), entry("known", Id="bad-known"), b"no JSON", b"\xff"), 1):
        site.push("bad", raw)
        goophry.wait_failed("bad", number)
    site.push("again", entry("bare"))
    _wait_delayed(site, "again", 1)
    site.push("again", entry("known", Id="again-known", Other={"x": 1}))
    _wait_delayed(site, "again", 2)


def _put_off(site: Scene, tasks: Client) -> None:
    site.push("later", entry("far", At=FAR))
    _wait_delayed(site, "later", 1)
    site.push("later", entry("soon", Delay=SOON_S, Id="later-soon"))
    _wait_delayed(site, "later", 2)
    tasks.push("later", "submitted", task_id="later-submitted", at_s=FAR + 1)
    tasks.push("once", "one of a kind", task_id="once-first", at_s=FAR)


def _end(site: Scene, tasks: Client) -> None:
    tasks.push("ok", "x", task_id="ok-known")
    assert tasks.wait("ok-known", timeout_s=20)
    site.push("rated", entry("first"))
    site.ran("rated first 0 1")
    site.push("rated", entry("second"))
    site.client.sadd(f"{site.key}:paused", "still")
    site.client.publish(f"{site.key}:events", json.dumps({"Event": "pause", "Type": "still"}))
    site.started[-1].wait_event("type.paused", type="still")
    tasks.push("still", "cancelled", task_id="still-cancelled")
    assert tasks.cancel("still-cancelled") == "removed"
    site.push("still", entry("paused"))


def _doors(site: Scene) -> None:
    _post(site.coyotes, "/channels", "name=own&worker=1&distinct=true", FORM)
    _post(site.coyotes, "/channels/own/tasks", "task=false&id=coyotes-failed", FORM)
    eventually(
        lambda: "coyotes-failed" in told(site.coyotes, "/channels/own/failed-tasks"), what="Coyotes' task failed"
    )
    body = json.dumps({"bin_name": "say"})
    task_id = json.loads(_post(site.kingtask, "/api/v1/task/script", body, "application/json"))
    eventually(lambda: told(site.kingtask, f"/api/v1/task/result/{task_id}"), what="kingtask's task ended")
    site.poulpe.post(**message("ended", "EXEC", "/bin/true"))
    eventually(lambda: site.client.llen(f"{{{site.key}:poulpe}}:said:task-ended"), what="poulpe's job ended")
    site.poulpe.post(**message("later", "EXEC", "/bin/true", delay=YEARS_S))


def told(address: str, path: str) -> str:
    """Return what a door answers; nothing if it knows nothing."""
    answer = ask(address, "GET", path)
    return answer.text if answer.status == 200 else ""


def _post(address: str, path: str, body: str, content_type: str) -> str:
    answer = ask(address, "POST", path, body, content_type=content_type)
    assert answer.status == 200, answer
    return answer.text


def _wait_delayed(site: Scene, task_type: str, count: int) -> None:
    where = f"{{{site.key}:{task_type}}}:delayed"
    eventually(lambda: site.client.zcard(where) == count, what=f"{count} of {task_type} are put off")


def kingtask_ids(dump: Dump) -> list[str]:
    """Return the ids of the tasks of kingtask's clients of which there is a result."""
    return [name.rpartition(":")[2] for name in dump if ":kingtask}:result:" in name]


def instances(dump: Dump) -> list[Mapping[str, Any]]:
    """Return what the heartbeats say."""
    return [json.loads(about["Value"]) for name, about in dump.items() if ":instance:" in name]
