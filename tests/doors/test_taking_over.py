"""Switching over: the configuration from the old one, and what the old daemon left in Redis."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from acceptance.command_line import said
from conftest import RedisServer, eventually
from doors.door_site import DoorSite
from doors.http_client import ask

from goophry.config import load

NEVER = "0001-01-01T00:00:00Z"


run = partial(said, status=0)


@pytest.mark.parametrize(
    ("flags", "keys", "door"),
    [
        ("", {"redis_address": "127.0.0.1:6379", "redis_db": 0}, {"interface": "127.0.0.1:60001", "concurrent": 5}),
        (
            "-redis-host 10.0.0.1:7000 --redis-db=3 -biz-name 'my app' -concurrent 9 -debug -task-mode=true end -x",
            {"redis_address": "10.0.0.1:7000", "redis_db": 3},
            {"biz_name": "my app", "concurrent": 9},
        ),
        ("-host 10.0.0.2:7000 -http-addr 0.0.0.0:1", {"redis_address": "10.0.0.2:7000"}, {"interface": "0.0.0.0:1"}),
    ],
)
def test_a_configuration_from_flags(tmp_path: Path, flags: str, keys: dict[str, Any], door: dict[str, Any]) -> None:
    told = run("init", str(tmp_path), "--from-coyotes", flags)

    settings = load(tmp_path / "goophry.config.json", environ={})
    assert settings.doors is not None
    assert {name: getattr(settings, name) for name in keys} == keys
    assert {name: getattr(settings.doors.coyotes, name) for name in door} == door
    assert "Allow" in told


@pytest.mark.parametrize("flags", ["-nosuch x", "-concurrent", "-concurrent many", "-redis-db 'x"])
def test_flags_that_coyotes_would_not_take(tmp_path: Path, flags: str) -> None:
    assert "--from-coyotes" in run("init", str(tmp_path), "--from-coyotes", flags, status=2)
    assert not list(tmp_path.iterdir())


def test_a_password_is_for_its_owner_only_and_nothing_is_overwritten(tmp_path: Path) -> None:
    run("init", str(tmp_path), "--from-coyotes", "-password secret")
    path = tmp_path / "goophry.config.json"

    assert path.stat().st_mode & 0o777 == 0o600
    assert "nothing was written" in run("init", str(tmp_path), "--from-coyotes", "", status=1)


BROKER = "#broker\naddr : 0.0.0.0:9595\nredis : 127.0.0.1:6379/2\n#log_path: /x\nlog_level: debug\n"
WORKER = "redis : 127.0.0.1:6379/2\nbin_path : bin   # here\nperoid : 1\nresult_keep_time : 500\ntask_run_time: 0\n"


def test_a_configuration_from_kingtasks_files(tmp_path: Path) -> None:
    (tmp_path / "broker.yaml").write_text(BROKER)
    (tmp_path / "worker.yaml").write_text(WORKER)

    run("init", str(tmp_path), "--from-kingtask", str(tmp_path / "broker.yaml"), str(tmp_path / "worker.yaml"))

    settings = load(tmp_path / "goophry.config.json", environ={})
    assert settings.doors is not None
    door = settings.doors.kingtask
    assert door is not None
    assert (settings.redis_address, settings.redis_db) == ("127.0.0.1:6379", 2)
    assert (door.interface, door.bin_path) == ("0.0.0.0:9595", tmp_path / "bin")
    assert (door.period, door.result_keep_time, door.task_run_time) == (1, 500, 30)


@pytest.mark.parametrize(("broker", "worker"), [("addr : x\n", WORKER), (BROKER, "period : 1\n"), ("[]\n", WORKER)])
def test_files_that_do_not_say_enough(tmp_path: Path, broker: str, worker: str) -> None:
    (tmp_path / "b").write_text(broker)
    (tmp_path / "w").write_text(worker)

    assert "--from-kingtask" in run(
        "init", str(tmp_path), "--from-kingtask", *(str(tmp_path / n) for n in "bw"), status=1
    )


def old(task_id: str, name: str, channel: str, **fields: Any) -> str:
    task = {"task_id": task_id, "task_name": name, "command": {"name": "", "args": []}, "channel": channel}
    task |= {"status": "", "execute_at": NEVER, "retry_count": 0, "failed_at": NEVER, "write_backend": True}
    return json.dumps(task | fields, separators=(",", ":"))


@pytest.fixture
def site(tmp_path: Path, own_redis: Any) -> Any:
    """On a Redis of its own: the old daemons' keys stand in the database itself."""
    server: RedisServer = own_redis()
    made = DoorSite(
        tmp_path, redis_address=server.address, client=server.client(), doors={"Coyotes": {"BizName": "a b"}}
    )
    (tmp_path / "config.json").write_text(json.dumps(made.config))
    yield made
    made.close()


def test_what_coyotes_left_is_taken_over(site: DoorSite) -> None:
    r, folder = site.client, site.folder
    # given
    r.hset("a-b:task:channels", mapping={"own": '{"name":"own","distinct":true,"worker_count":2}', "odd": "no JSON"})
    for name in ("w1", "w2"):
        r.lpush("a-b:own:tasks:queue", old(name, f"touch {folder}/{name}", "own"))
    r.lpush("a-b:default:tasks:queue", f"touch {folder}/bare")
    r.hset("a-b:own:tasks:queue:exec", "i1", old("i1", f"touch {folder}/i1", "own"))
    r.hset(
        "a-b:own:tasks:queue:failed",
        "f1",
        old("f1", "false", "own", retry_count=3, failed_at="2018-10-17T16:49:09.647182+08:00"),
    )
    r.zadd(
        "a-b:task:delay:queue", {old("d1", "true", "delayed", execute_at="2199-01-01T00:00:00.123456789+08:00"): 2199}
    )
    config = ("-c", str(folder / "config.json"))

    # when it only looks
    told = run("import", "coyotes", *config)
    assert "3 waiting tasks" in told
    assert "--go" in told
    assert r.llen("a-b:own:tasks:queue") == 2
    # when it acts, and again
    run("import", "coyotes", *config, "--go")
    assert "nothing to take over" in run("import", "coyotes", *config, "--go")
    site.start()

    # then
    eventually(lambda: all((folder / name).exists() for name in ("w1", "w2", "bare", "i1")))
    channels = json.loads(ask(site.coyotes, "GET", "/channels").body)["data"]
    assert set(channels) == {"biz", "cron", "default", "delayed", "odd", "own"}
    failed = json.loads(ask(site.coyotes, "GET", "/channels/own/failed-tasks/f1").body)["data"]
    assert (failed["retry_count"], failed["failed_at"]) == (3, "2018-10-17T16:49:09.647182+08:00")
    delayed = json.loads(ask(site.coyotes, "GET", "/delay-tasks/d1").body)["data"]
    assert delayed["execute_at"] == "2199-01-01T00:00:00.123456789+08:00"
    assert not [key for key in r.scan_iter("a-b:*") if b"prepare" not in key]


def test_what_kingtask_left_is_taken_over(site: DoorSite) -> None:
    r, folder = site.client, site.folder
    task = {"uuid": "w1", "bin_name": "example", "args": "1 2", "start_time": "0", "time_interval": "", "index": "0"}
    # given: a waiting one of an old broker, without the two last fields; one that failed once of two; a result; counts
    r.sadd("request_uuid_set", "w1", "gone")
    r.hset("t_w1", mapping=task)
    r.sadd("fail_result_uuid_set", "f1", "told")
    failed = {**task, "uuid": "f1", "bin_name": "quiet", "args": "", "time_interval": "9 1", "index": "1"}
    r.hset("r_f1", mapping={**failed, "max_run_time": "0", "task_type": "1", "is_success": "0", "result": "x"})
    r.hset("r_done", mapping={**task, "is_success": "1", "result": "46"})
    r.expire("r_done", 500)
    r.set("success_task_count:2026-01-02", 7)
    r.set("fail_task_count:2026-01-02", 2)
    config = ("-c", str(folder / "config.json"))

    told = run("import", "kingtask", *config)
    assert "1 waiting tasks" in told
    assert r.scard("request_uuid_set") == 2
    run("import", "kingtask", *config, "--go")
    assert "nothing to take over" in run("import", "kingtask", *config, "--go")
    site.start()

    def result(task_id: str) -> Any:
        answer = ask(site.kingtask, "GET", f"/api/v1/task/result/{task_id}")
        return json.loads(answer.body) if answer.status == 200 else None

    assert result("done") == {"is_result_exist": 1, "is_success": 1, "message": "46"}
    assert 0 < r.ttl(f"{{{site.key}:kingtask}}:result:done") <= 500
    eventually(lambda: result("w1") == {"is_result_exist": 1, "is_success": 1, "message": "3"})
    eventually(lambda: result("f1") == {"is_result_exist": 1, "is_success": 1, "message": ""})
    for ending, count in (("success", "7"), ("failure", "2")):
        assert ask(site.kingtask, "GET", f"/api/v1/task/result/{ending}/2026-01-02").text == count
    assert not r.keys("r_*")
    assert not r.keys("t_*")


def test_a_door_that_is_not_configured_takes_nothing_over(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"RedisQueueKey": "q", "Tasks": [{"Type": "a", "Script": "/bin/true"}]}))

    assert "Doors.Kingtask" in run("import", "kingtask", "-c", str(path), status=1)
