"""What an old poulpe left in Redis, and dead letters: both run again."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.command_line import said
from acceptance.goophry_process import Goophry
from acceptance.poulpe_site import Client, message
from conftest import RedisServer, eventually, free_port


class Old:
    def __init__(self, folder: Path, server: RedisServer) -> None:
        self.folder, self.redis, self.out = folder, server.client(), folder / "out"
        self.client = Client(f"127.0.0.1:{free_port()}")
        door = {
            "Interface": self.client.address,
            "Workers": 2,
            "DeadDir": str(folder / "dead"),
            "RetryInterval": 1,
            "MaxRetry": 0,
            "Allow": ["*"],
        }
        self.config = {
            "RedisAddress": server.address,
            "RedisQueueKey": "q",
            "LogFormat": "json",
            "Doors": {"Poulpe": door},
        }
        self.path = folder / "c.json"
        self.path.write_text(json.dumps(self.config))
        self.runs: list[Goophry] = []

    def start(self) -> None:
        self.runs.append(Goophry(self.folder / f"run-{len(self.runs)}", self.config, client=self.redis))
        self.runs[-1].wait_ready()

    def command(self, *words: str) -> str:
        return said("-c", self.path, *words)

    def task(self, key: str, name: str, params: str = "", **fields: Any) -> None:
        task = {"id": key, "tk_tp": "EXEC", "delay": 0, "name": name, "params": params, "post_time": 1704687999}
        task |= {"exec_time": 0, "retry": 1, "cc": [], "error": "", "waiting_resp": 0, "src_chn": "web"}
        self.redis.set(key, json.dumps(task | fields))


@pytest.fixture
def old(tmp_path: Path, own_redis: Callable[..., RedisServer]) -> Iterator[Old]:
    made = Old(tmp_path, own_redis())
    yield made
    for run in made.runs:
        run.clean_up()
    made.redis.close()


def test_what_poulpe_left_is_looked_at_and_then_taken_over(old: Old, script: Callable[..., Path]) -> None:
    note = str(script(f'echo "$1" >> {old.out}'))
    for key in ("task-works", "task-fails", "ST:1-5", "task-a b"):
        old.task(key, note, key, src_chn="cron" if key.startswith("ST") else "web")
    old.redis.sadd("task||working", "task-works", "ST:1-5", "task-gone")
    old.redis.sadd("task||wrong", "task-fails")
    old.redis.sadd("task||delayed", f"task-a b {int(time.time()) - 1}")
    old.redis.rpush("resp:task-told", "服务端错误", "OK")
    before = sorted(old.redis.keys())

    looked = old.command("import", "poulpe")
    assert sorted(old.redis.keys()) == before
    done = old.command("import", "poulpe", "--go")

    lines = [
        "2 waiting or running jobs",
        "1 entries without a task",
        "1 jobs to be tried again",
        "1 delayed jobs",
        "2 results",
    ]
    for text in (looked, done):
        assert all(line in text for line in lines), text
    assert not [key for key in old.redis.keys() if not key.startswith((b"q:", b"{q:"))]  # noqa: SIM118
    old.start()
    eventually(old.client.is_idle, what="all has ended")
    assert sorted(old.out.read_text().splitlines()) == ["ST:1-5", "task-a", "task-fails", "task-works"]
    assert old.client.response("told") == '{"reason":"错误：服务端错误","result":"Fail"}'
    assert old.client.response("told") == '{"reason":"","result":"OK"}'
    assert "nothing to take over" in old.command("import", "poulpe")


def test_dead_letters_are_listed_and_replayed(old: Old, script: Callable[..., Path]) -> None:
    flaky = str(script(f"test -e {old.out}"))
    old.start()
    old.client.post(**message("a", "EXEC", flaky, cc="1"))
    old.client.post(**message("b", "EXEC", "/no"))
    letters = eventually(lambda: len(found := sorted((old.folder / "dead").glob("*/*.json"))) == 2 and found)
    (old.folder / "dead" / "2024-01-01").mkdir()
    bad = old.folder / "dead" / "2024-01-01" / "task-x.json"
    bad.write_text("rubbish")

    text = old.command("dead", "ls")
    assert f"{letters[0]}  EXEC {flaky}  执行指令:{flaky} <br>报错信息:<br>" in text  # type: ignore[index]
    assert f"{bad}  unreadable" in text
    listed = [json.loads(line)["error"] for line in old.command("dead", "ls", "--json").splitlines()]
    assert "执行失败" in listed
    old.out.touch()
    assert "runs again" in old.command("dead", "replay", str(letters[0]))  # type: ignore[index]

    eventually(old.client.is_idle, what="it has ended")
    assert [path.name for path in (old.folder / "dead").glob("*/*.json")].count("task-a.json") == 0
    assert "left" in old.command("dead", "replay", "--all")
    assert bad.exists()
    assert "name FILEs" in old.command("dead", "replay")
