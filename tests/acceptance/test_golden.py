"""What was written for the original in 2015 works for ever: its configuration, its entries, its failed entries."""

import json
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from acceptance.goophry_process import Goophry, entry
from conftest import eventually, free_port

from goophry.config import load
from goophry.entry import failed_entry, parse

GOLDEN = Path(__file__).parents[1] / "golden" / "2015"


def cases(name: str) -> list[Any]:
    found: list[Any] = json.loads((GOLDEN / name).read_text())
    assert found
    return found


@pytest.mark.parametrize(("raw", "args"), cases("entries.json"))
def test_the_entry_is_read(raw: str, args: list[str]) -> None:
    assert parse(raw.encode()).args == tuple(args)


@pytest.mark.parametrize(("raw", "message", "kept"), cases("failed.json"))
def test_the_failed_entry_has_these_bytes(raw: str, message: str, kept: str) -> None:
    assert failed_entry(parse(raw.encode()), message, raw.encode()) == kept.encode()


def test_the_configuration_means_what_it_meant() -> None:
    settings = load(GOLDEN / "goophry.config.json", environ={})
    assert settings.redis_address == "127.0.0.1:6379"
    assert settings.redis_queue_key == "myqueue"
    types = [(task.type, task.script, task.workers, task.failed_tasks_ttl) for task in settings.tasks]
    assert types == [
        ("update_something", (str(GOLDEN / "do_something.sh"),), 2, 3600),
        ("send:newsletter", (str(GOLDEN / "newsletter.sh"),), 1, 3600),
        ("cleanup", (str(GOLDEN / "cleanup.sh"),), 1, 3600),
    ]
    assert settings.error_script == GOLDEN / "error.sh"
    assert (settings.logfile, settings.stats_tls_cert_file, settings.stats_tls_key_file) == (None, None, None)
    assert (settings.stats_interface, settings.stats_pattern) == ("127.0.0.1:3333", "/RaNdOmStRiNg")


def test_the_configuration_runs_unmodified(
    tmp_path: Path, redis_address: str, queue_key: str, r: "redis.Redis[bytes]", script: Callable[..., Path]
) -> None:
    for name, body in {"do_something": 'echo "$@"', "newsletter": ":", "cleanup": "exit 1"}.items():
        script(body, name=f"{name}.sh")
    script('printf "%s" "$1" > "$0.$GOOPHRY_TYPE"', name="error.sh")
    document = json.loads((GOLDEN / "goophry.config.json").read_text())
    # Where Redis is, and which port is free, differs from machine to machine: the environment says it.
    port = free_port()
    env = {
        "GOOPHRY_REDIS_ADDRESS": redis_address,
        "GOOPHRY_REDIS_QUEUE_KEY": queue_key,
        "GOOPHRY_STATS_INTERFACE": f"127.0.0.1:{port}",
    }
    process = Goophry(tmp_path, document | {"RedisQueueKey": queue_key}, client=r, env=env)
    shutil.copy(GOLDEN / "goophry.config.json", process.path)
    try:
        process.wait_ready()
        for task_type in ("update_something", "send:newsletter", "cleanup"):
            process.push(task_type, "1234")
        assert process.wait_failed("update_something") == [b'{"Args":["1234"],"ErrorMessage":"1234\\n"}']
        assert process.wait_failed("cleanup") == [b'{"Args":["1234"],"ErrorMessage":"exit status 1"}']
        assert r.ttl(f"{process.queue('cleanup')}:failed") > 3500
        told = tmp_path / "error.sh.cleanup"
        eventually(lambda: told.exists() and told.read_text() == f'{tmp_path}/cleanup.sh "1234"\n\nexit status 1')
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/RaNdOmStRiNg", headers={"Accept": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            assert json.loads(reply.read())["TaskCount"] == dict.fromkeys(
                ("cleanup", "send:newsletter", "update_something"), 1
            )
        # What the failed list holds may be pushed as it is.
        r.rpush(process.queue("cleanup"), entry("again", ErrorMessage="exit status 1"))
        eventually(lambda: len(process.failed("cleanup")) == 2)
        assert process.stop() == 0
    finally:
        process.clean_up()
