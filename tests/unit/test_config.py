"""`load`: what a configuration file may say, and what comes out."""

import json
from pathlib import Path
from typing import Any

import pytest
from configs import MINIMAL, config, task

from goophry.config import Settings, TaskType, load
from goophry.config_address import host_and_port


def test_defaults_are_those_documented(tmp_path: Path) -> None:
    loaded = config(tmp_path)

    assert loaded.model_dump() == {
        "redis_address": "127.0.0.1:6379",
        "redis_network": "tcp",
        "redis_username": None,
        "redis_password": None,
        "redis_password_file": None,
        "redis_sentinel_username": None,
        "redis_sentinel_password": None,
        "redis_sentinel_password_file": None,
        "redis_tls_ca_file": None,
        "redis_tls_cert_file": None,
        "redis_tls_key_file": None,
        "redis_db": 0,
        "redis_queue_key": "q",
        "redis_data_dir": tmp_path / "goophry-data",
        "embedded_port": 6379,
        "tasks": (loaded.tasks[0].model_dump(),),
        "schedules": (),
        "doors": None,
        "intake": None,
        "error_script": None,
        "failed_tasks_ttl": 0,
        "logfile": None,
        "log_format": "text",
        "stats_interface": None,
        "stats_pattern": "/",
        "stats_tls_cert_file": None,
        "stats_tls_key_file": None,
        "api_interface": None,
        "api_tokens": (),
        "api_tls_cert_file": None,
        "api_tls_key_file": None,
        "delivery": "at-least-once",
        "shutdown_timeout": None,
        "smtp": None,
        "result_ttl": 3600,
        "max_entry_bytes": 16_777_216,
        "max_recoveries": 3,
    }
    assert loaded.tasks[0].model_dump() == {
        "type": "a",
        "kind": "script",
        "script": (str(tmp_path / "a.sh"),),
        "preload": (),
        "max_tasks": 0,
        "allow": (),
        "allow_urls": (),
        "allow_networks": (),
        "headers": {},
        "success": ("2xx",),
        "redirects": 0,
        "proxy": None,
        "smtp": None,
        "workers": 1,
        "timeout": 0,
        "pause": 0,
        "kill_grace": 5,
        "retry": {"delays_s": (), "backoff": None, "times": 0},
        "exit_codes": {"success": (0,), "retry": (75,), "drop": (), "dead": ()},
        "notify_retries": False,
        "result_ttl": 3600,
        "args_schema": None,
        "unique": None,
        "rate_limit": None,
        "fail_on_output": True,
        "fail_on_stderr": False,
        "log_args": True,
        "failed_tasks_ttl": 0,
        "error_script": None,
        "delivery": "at-least-once",
        "env": {},
        "env_inherit": "all",
        "kill_orphans": True,
        "work_dir": None,
        "user": None,
        "group": None,
        "umask": None,
        "nice": None,
        "limits": None,
        "output_limit": 1_048_576,
    }


def test_a_file_of_the_original_loads_unmodified(tmp_path: Path) -> None:
    loaded = config(
        tmp_path,
        {
            "RedisAddress": "127.0.0.1:6379",
            "RedisNetwork": "tcp",
            "RedisQueueKey": "myqueue",
            "Tasks": [{"Type": "update_something", "Script": "/path/to/script.php", "Workers": 2}],
            "ErrorScript": "",
            "FailedTasksTTL": 86400,
            "Logfile": "",
            "StatsInterface": ":8888",
            "StatsPattern": "/stats",
            "StatsTLSCertFile": "",
            "StatsTLSKeyFile": "",
        },
    )

    assert loaded.tasks[0].script == ("/path/to/script.php",)
    assert (loaded.error_script, loaded.logfile, loaded.stats_tls_cert_file) == (None, None, None)
    assert (loaded.stats_interface, loaded.tasks[0].failed_tasks_ttl) == (":8888", 86400)


def test_keys_match_in_any_case_in_all_our_objects_but_not_inside_env(tmp_path: Path) -> None:
    document = {
        "redisqueuekey": "q",
        "TASKS": [
            {"tYPE": "a", "script": "a", "env": {"x": "1", "X": "2", "_y": "3"}, "LIMITS": {"NOFILE": 5, "As": 6}}
        ],
    }
    path = tmp_path / "c.json"
    path.write_text(json.dumps(document))

    only = load(path, environ={}).tasks[0]

    assert only.type == "a"
    assert only.env == {"x": "1", "X": "2", "_y": "3"}
    assert only.limits is not None
    assert (only.limits.nofile, only.limits.as_, only.limits.cpu) == (5, 6, None)


def test_remarks_are_ignored_and_null_is_no_value(tmp_path: Path) -> None:
    remarks = {"_comment": "x", "$schema": ["anything"], "_": {"deep": 1}}
    first = {"Type": "a", "Script": "a", "Workers": None, "ErrorScript": None, "Limits": {"_why": "x", "cpu": None}}

    loaded = config(tmp_path, remarks, {"ErrorScript": "e.sh", "Logfile": None, "Tasks": [first | remarks]})

    assert loaded.tasks[0].workers == 1
    assert loaded.tasks[0].error_script == tmp_path / "e.sh"
    assert loaded.logfile is None


def test_a_type_takes_over_what_it_has_not_itself(tmp_path: Path) -> None:
    own = {"Type": "b", "Script": "b", "FailedTasksTTL": 0, "ErrorScript": "mine.sh", "Delivery": "at-least-once"}
    without = {"Type": "c", "Script": "c", "ErrorScript": ""}

    top = {"FailedTasksTTL": 60, "ErrorScript": "e.sh", "Delivery": "at-most-once"}
    taken, kept, off = config(tmp_path, top, {"Tasks": [*MINIMAL["Tasks"], own, without]}).tasks

    assert (taken.failed_tasks_ttl, taken.error_script, taken.delivery) == (60, tmp_path / "e.sh", "at-most-once")
    assert (kept.failed_tasks_ttl, kept.error_script, kept.delivery) == (0, tmp_path / "mine.sh", "at-least-once")
    assert off.error_script is None


@pytest.mark.parametrize(
    ("key", "given", "field", "value"),
    [
        ("Workers", 0, "workers", 1),
        ("Workers", -3, "workers", 1),
        ("Workers", 2.0, "workers", 2),
        ("FailedTasksTTL", -1, "failed_tasks_ttl", 0),
        ("Timeout", 1.5, "timeout", 1.5),
        ("KillGrace", 0, "kill_grace", 0),
        ("FailOnOutput", False, "fail_on_output", False),
        ("FailOnStderr", True, "fail_on_stderr", True),
        ("LogArgs", False, "log_args", False),
        ("Umask", "022", "umask", 0o22),
        ("Umask", "0077", "umask", 0o77),
        ("Umask", "7", "umask", 7),
        ("Nice", -20, "nice", -20),
        ("User", "www-data", "user", "www-data"),
        ("User", 33, "user", 33),
        ("Group", "33", "group", "33"),
        ("EnvInherit", "none", "env_inherit", "none"),
        ("EnvInherit", ["PATH", "HOME"], "env_inherit", ("PATH", "HOME")),
        ("EnvInherit", [], "env_inherit", ()),
        ("OutputLimit", 1024, "output_limit", 1024),
        ("Type", "a:b c:é*", "type", "a:b c:é*"),
    ],
)
def test_values_of_a_type(tmp_path: Path, key: str, given: Any, field: str, value: Any) -> None:
    assert getattr(task(tmp_path, **{key: given}), field) == value


def test_paths_begin_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf").mkdir()
    monkeypatch.chdir(tmp_path)
    keys = ("ErrorScript", "Logfile", "RedisDataDir", "StatsTLSCertFile", "StatsTLSKeyFile")
    document = MINIMAL | dict.fromkeys(keys, "sub/x") | {"Tasks": [{"Type": "a", "Script": "x.sh", "WorkDir": ".."}]}
    Path("conf/c.json").write_text(json.dumps(document))

    loaded = load(Path("conf/c.json"), environ={"GOOPHRY_LOGFILE": "env.log"})

    base = tmp_path / "conf"
    assert loaded.logfile == base / "env.log"
    assert {loaded.error_script, loaded.redis_data_dir, loaded.stats_tls_cert_file} == {base / "sub/x"}
    assert loaded.tasks[0].script == (str(base / "x.sh"),)
    assert loaded.tasks[0].work_dir == base / ".."


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("x.sh", ["{folder}/x.sh"]),
        ("php", ["{folder}/php"]),
        ("/abs/x y", ["/abs/x y"]),
        (["./x.sh", "a"], ["{folder}/x.sh", "a"]),
        (
            ["bin/x", "./in.txt", "../up", "-c", "a./b", ""],
            ["{folder}/bin/x", "{folder}/in.txt", "{folder}/../up", "-c", "a./b", ""],
        ),
        (["/usr/bin/php", "./x.php"], ["/usr/bin/php", "{folder}/x.php"]),
        (["tool", "x"], ["{folder}/bin/tool", "x"]),
    ],
)
def test_script(tmp_path: Path, script: Any, expected: list[str]) -> None:
    tool = tmp_path / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)

    loaded = task(tmp_path, Script=script, environ={"PATH": str(tool.parent)})

    assert list(loaded.script) == [word.format(folder=tmp_path) for word in expected]


@pytest.mark.parametrize(
    ("given", "address", "username", "password"),
    [
        ("h:1", "h:1", None, None),
        (":7000", "localhost:7000", None, None),
        ("[::1]:6379", "[::1]:6379", None, None),
        ("embedded", "embedded", None, None),
        ("redis://h", "redis://h", None, None),
        ("redis://:s%40cret@h:1/2", "redis://h:1/2", None, "s@cret"),
        ("rediss://me:pw@h:1?ssl_cert_reqs=none", "rediss://h:1?ssl_cert_reqs=none", "me", "pw"),
        ("unix:///run/r.sock?db=2", "unix:///run/r.sock?db=2", None, None),
        ("unix://me:pw@/run/r.sock", "unix:///run/r.sock", "me", "pw"),
        ("redis+cluster://me:pw@a:1,b,[::1]:2", "redis+cluster://a:1,b,[::1]:2", "me", "pw"),
        ("redis+sentinel://me:p%2Cw@a:1,[::1]:2/m/3", "redis+sentinel://a:1,[::1]:2/m/3", "me", "p,w"),
    ],
)
def test_redis_address_loses_its_credentials(
    tmp_path: Path, given: str, address: str, username: str | None, password: str | None
) -> None:
    loaded = config(tmp_path, {"RedisAddress": given})

    found = loaded.redis_password.get_secret_value() if loaded.redis_password else None
    assert (loaded.redis_address, loaded.redis_username, found) == (address, username, password)


def test_socket_of_redis_network_unix(tmp_path: Path) -> None:
    loaded = config(tmp_path, {"RedisNetwork": "unix", "RedisAddress": "run/redis.sock"})

    assert loaded.redis_address == str(tmp_path / "run/redis.sock")


def test_password_file_counts_without_its_line_break(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text(" s3cret \n")

    loaded = config(tmp_path, {"RedisPasswordFile": "pw"})

    assert loaded.redis_password is not None
    assert loaded.redis_password.get_secret_value() == " s3cret "
    assert "s3cret" not in repr(loaded)


def test_environment_beats_the_file(tmp_path: Path) -> None:
    environ = {
        "GOOPHRY_REDIS_ADDRESS": "other:1",
        "GOOPHRY_REDIS_DB": "5",
        "GOOPHRY_REDIS_PASSWORD": "12345",
        "GOOPHRY_FAILED_TASKS_TTL": " 60 ",
        "GOOPHRY_SHUTDOWN_TIMEOUT": "2.5",
        "GOOPHRY_STATS_TLS_CERT_FILE": "cert.pem",
        "GOOPHRY_STATS_TLS_KEY_FILE": "/key.pem",
        "GOOPHRY_STATS_INTERFACE": "",
        "GOOPHRY_TASKS": '[{"type":"e","Script":"e.sh"}]',
        "GOOPHRY_TYPE": "x",
        "GOOPHRY_REDIS_ADRESS": "typo",
    }

    loaded = config(tmp_path, {"RedisAddress": 5, "StatsInterface": ":80", "Tasks": [{"Nonsense": 1}]}, environ=environ)

    assert (loaded.redis_address, loaded.redis_db, loaded.failed_tasks_ttl) == ("other:1", 5, 60)
    assert loaded.redis_password is not None
    assert loaded.redis_password.get_secret_value() == "12345"
    assert loaded.shutdown_timeout == 2.5
    assert loaded.stats_tls_cert_file == tmp_path / "cert.pem"
    assert loaded.stats_interface is None
    assert [item.type for item in loaded.tasks] == ["e"]


def test_types_that_do_not_meet_are_accepted(tmp_path: Path) -> None:
    names = ["a", "A", "a:b", "b:failed", "a:instances", "failed"]

    loaded = config(tmp_path, {"Tasks": [{"Type": name, "Script": "x"} for name in names]})

    assert [item.type for item in loaded.tasks] == names


def test_settings_are_frozen_and_can_be_made_by_field_names() -> None:
    made = Settings(redis_queue_key="q", tasks=(TaskType(type="a", script=("/bin/true",)),))

    assert made.tasks[0].script == ("/bin/true",)
    with pytest.raises(ValueError, match="frozen"):
        made.redis_db = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        (":8080", ("", 8080)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:80", ("::1", 80)),
        ("::1:80", None),
        ("[x]:80", None),
        ("h:65536", None),
        ("h:99999999999999", None),
        ("h:-1", None),
        ("h:٣", None),
        ("h:", None),
        ("h", None),
        ("a b:1", None),
        ("http://h:1", None),
    ],
)
def test_host_and_port(text: str, pair: tuple[str, int] | None) -> None:
    assert host_and_port(text) == pair
