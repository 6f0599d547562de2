"""A Redis user that may do no more than docs/redis.md says is all that goophry needs."""

import ast
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from acceptance.goophry_process import COMMAND, Goophry
from acceptance.stats_client import metric
from conftest import RedisServer, eventually, free_port

import goophry as package
from goophry import exit_codes
from goophry.client import Client
from goophry.store.cluster_commands import KEYLESS, READING, key_of

pytest_plugins = ("acceptance.fixtures",)

PACKAGE = Path(package.__file__).parent
PAGE = (PACKAGE.parent / "docs" / "redis.md").read_text(encoding="utf-8")

PAGE_OF_COYOTES = PACKAGE.parent / "docs" / "wire" / "coyotes.md"

Start = Callable[..., Goophry]
MakeScript = Callable[..., Path]

#: What the library sends beside what stands in the sources, to choose a database.
OF_THE_LIBRARY = {"select"}
#: What only a cluster is told. ASKING and MULTI, as AUTH and QUIT, need no rule, or go with the others.
OF_CLUSTERS = {"asking", "cluster|slots", "exec", "multi"}


def documented() -> list[str]:
    """Return the rules of the page, word by word."""
    (block,) = re.findall(r"```\n(ACL SETUSER goophry .*?)```", PAGE, re.DOTALL)
    return str(block).replace("\\\n", " ").split()[3:]


@pytest.fixture
def plain(redis_url: str) -> Iterator["redis.Redis[bytes]"]:
    """A client that hands out answers as they come."""
    client = redis.Redis.from_url(redis_url)
    client.response_callbacks.clear()
    yield client
    client.close()


def commands_in_sources(plain: "redis.Redis[bytes]") -> set[str]:
    """Return what is sent to Redis, from Python and from Lua; with the subcommand where that is what is allowed."""
    words = set()
    for path in [*(PACKAGE / "store").rglob("*.py"), *(PACKAGE / "wiring").rglob("*.py"), *PACKAGE.glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch("[A-Z]{3,}", node.value):
                words.add(node.value)
    for path in PACKAGE.rglob("*.lua"):
        words |= set(re.findall(r"redis\.p?call\('([A-Z]+)'", path.read_text()))
    known = {word.lower() for word in words if plain.execute_command("COMMAND", "INFO", word)[0] is not None}
    # Words that are commands by chance, and those whose subcommands are told apart.
    known -= {"client", "cluster", "sentinel", "auth", "info", "asking", "multi", "exec"}
    return known | {"info", "client|id", "client|unblock"} | OF_CLUSTERS


def test_the_page_names_every_command_and_no_other(plain: "redis.Redis[bytes]") -> None:
    allowed = {rule.removeprefix("+") for rule in documented() if rule.startswith("+")}

    assert allowed - OF_THE_LIBRARY == commands_in_sources(plain)
    assert allowed >= OF_THE_LIBRARY


def test_a_cluster_is_sent_each_command_by_its_key(plain: "redis.Redis[bytes]") -> None:
    """Where each command has its first key, as Redis itself says."""
    for name in sorted(commands_in_sources(plain) - OF_CLUSTERS - {"subscribe", "unsubscribe"}):
        word = name.upper().partition("|")[0]
        if word == "EVAL":
            continue
        ((_, _, flags, first_key, *_),) = plain.execute_command("COMMAND", "INFO", word)
        assert first_key == (0 if word in KEYLESS else 1), word
        assert (key_of((word, "key")) is None) == (word in KEYLESS)
        if word in READING:
            assert b"readonly" in flags or word == "TIME", f"{word} changes something"


@pytest.fixture
def limited(own_redis: Callable[..., RedisServer]) -> Iterator["tuple[RedisServer, redis.Redis[bytes]]"]:
    """A server with a user `goophry` of the page's rules, for the queue key `myqueue`."""
    server = own_redis(password="admin")
    admin = server.client()
    rules = [rule.replace(">PASSWORD", ">secret") for rule in documented()]
    admin.execute_command("ACL", "SETUSER", "goophry", *rules)
    yield server, admin
    admin.close()


def test_goophry_does_its_work_with_the_documented_rights(
    goophry: Start, script: MakeScript, tmp_path: Path, limited: "tuple[RedisServer, redis.Redis[bytes]]"
) -> None:
    """Both deliveries, tries, delays, results, schedules, cancellation, pauses, failed lists, recovery, stats, commands."""
    server, admin = limited
    port = free_port()
    long = script(f"touch {tmp_path}/up; [ -e {tmp_path}/go ] || sleep 600")
    keys = {
        "RedisAddress": server.address,
        "RedisUsername": "goophry",
        "RedisPassword": "secret",
        "RedisQueueKey": "myqueue",
        "StatsInterface": f"127.0.0.1:{port}",
        "Schedules": [{"Name": "s", "Cron": "* * * * * *", "Type": "once", "Args": ["tick"]}],
    }
    tasks = [
        {"Type": "ok", "Script": "/bin/true", "Workers": 3, "RateLimit": "1000/s", "Unique": {"Until": "start"}},
        {"Type": "once", "Script": "/bin/true", "Delivery": "at-most-once"},
        {"Type": "bad", "Script": str(script("exit 3")), "FailedTasksTTL": 600, "Retry": [0.05]},
        {"Type": "long", "Script": str(long), "KillGrace": 0.1},
    ]
    first = goophry(*tasks, client=admin, **keys)
    for _ in range(20):
        first.push("ok", "a")
        first.push("once", "a")
    first.push("bad", "a", Id="b")
    first.push("ok", "late", Delay=0.1)
    with Client(f"redis://goophry:secret@{server.address}", "myqueue") as client:
        result = client.wait(client.push("ok", "x", delay_s=0.05), timeout_s=20)
        assert result is not None
        assert result.outcome == "success"
        running = client.push("long", "x")
        eventually((tmp_path / "up").exists)
        assert client.cancel(running) == "told"
        ended = client.wait(running, timeout_s=20)
        assert ended is not None
        assert ended.outcome == "cancelled"
    first.wait_failed("bad")
    for line in (
        ["failed", "ls", "bad"],
        ["failed", "retry", "bad", "--all"],
        ["status"],
        ["check"],
        ["push", "ok", "b"],
    ):
        ended_line = subprocess.run(
            [*COMMAND, *line, "-c", str(first.path)], capture_output=True, text=True, check=False
        )
        assert ended_line.returncode == 0, ended_line.stdout + ended_line.stderr
    assert metric(port, "goophry_redis_up") == 1
    eventually(lambda: first.events("task.finished", type="once", args=["tick"]))
    first.push("long", "y")
    eventually(lambda: first.held("long") == 1)
    first.kill()
    (tmp_path / "go").touch()

    second = goophry(*tasks, client=admin, **keys)

    second.wait_event("entries.recovered", type="long")
    eventually(lambda: second.drained("ok", "once", "bad", "long"))
    assert second.stop() == exit_codes.OK
    denied = [entry for entry in admin.acl_log() if entry["username"] == "goophry"]
    assert [(entry["reason"], entry["object"]) for entry in denied] == []
    assert "NOPERM" not in first.log + second.log


def test_who_may_not_ask_what_server_it_is_is_told_so_at_the_start(
    goophry: Start, limited: "tuple[RedisServer, redis.Redis[bytes]]"
) -> None:
    server, admin = limited
    admin.execute_command("ACL", "SETUSER", "goophry", "-info")
    running = goophry(
        {"Type": "t", "Script": "/bin/true"},
        client=admin,
        ready=False,
        RedisAddress=f"redis://goophry:secret@{server.address}",
    )

    assert running.wait(20) == exit_codes.FAILED
    (told,) = running.events("start_failed")
    assert re.search("Redis refuses the login or the command: .*info", told["message"], re.IGNORECASE)


def test_with_what_the_page_of_coyotes_adds_its_clients_are_served(
    goophry: Start, tmp_path: Path, limited: "tuple[RedisServer, redis.Redis[bytes]]"
) -> None:
    """What they pushed into their list, and what a dead instance had in hand of that."""
    server, admin = limited
    (keys,) = re.findall(r"`(~task:prepare:queue [^`]+)`", PAGE_OF_COYOTES.read_text(encoding="utf-8"))
    admin.execute_command("ACL", "SETUSER", "goophry", *keys.split())
    for name, where in {"pushed": "task:prepare:queue", "in-hand": "{task:prepare:queue}:taken:dead"}.items():
        admin.lpush(where, json.dumps({"task": f"touch {tmp_path}/{name}", "chan": "default"}))
    admin.sadd("{myqueue:coyotes}:takers", "dead")

    running = goophry(
        client=admin,
        RedisAddress=f"redis://goophry:secret@{server.address}",
        RedisQueueKey="myqueue",
        Doors={"Coyotes": {"Interface": f"127.0.0.1:{free_port()}", "Allow": ["*"]}},
    )

    eventually(lambda: all((tmp_path / name).exists() for name in ("pushed", "in-hand")), what="both have run")
    assert running.stop() == exit_codes.OK
    assert [entry["object"] for entry in admin.acl_log() if entry["username"] == "goophry"] == []
