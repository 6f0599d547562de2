"""What a running goophry takes over from a new configuration, and what waits for a restart."""

from pathlib import Path
from typing import Any

from configs import MINIMAL, config

from goophry.config import Settings
from goophry.config_fields import keys_of
from goophry.config_reload import NEED_RESTART, taken_over

#: Keys that a running goophry follows. A new key belongs here or to `NEED_RESTART`: decide.
FOLLOWED = {
    *("Tasks", "ErrorScript", "FailedTasksTTL", "Delivery", "ShutdownTimeout", "ResultTTL"),
    *("MaxEntryBytes", "MaxRecoveries", "Schedules", "Smtp"),
}

#: A value for each of the others that is not the default.
CHANGED: dict[str, Any] = {
    "RedisAddress": "127.0.0.1:6380",
    "RedisNetwork": "unix",
    "RedisUsername": "u",
    "RedisPassword": "p",
    "RedisPasswordFile": "password",
    "RedisSentinelUsername": "u",
    "RedisSentinelPassword": "p",
    "RedisSentinelPasswordFile": "password",
    "RedisDB": 3,
    "RedisQueueKey": "other",
    "RedisDataDir": "elsewhere",
    "EmbeddedPort": 7000,
    "Doors": {"Kingtask": {"BinPath": "bin"}},
    "Logfile": "log",
    "LogFormat": "json",
    "StatsInterface": ":9000",
    "StatsPattern": "/stats",
    "StatsTLSCertFile": "c",
    "StatsTLSKeyFile": "k",
    "ApiInterface": "127.0.0.1:9001",
    "RedisTLSCAFile": "c",
    "RedisTLSCertFile": "c",
    "RedisTLSKeyFile": "k",
    "Intake": {"Kafka": {"Servers": "127.0.0.1:9092", "Topics": {"jobs": "a"}}},
    "ApiTokens": [{"Name": "n", "Role": "viewer", "Token": "0123456789abcdef"}],
    "ApiTLSCertFile": "c",
    "ApiTLSKeyFile": "k",
}
NEEDS_ANOTHER: dict[str, dict[str, Any]] = {
    "RedisNetwork": {"RedisAddress": "a-socket"},
    "RedisSentinelUsername": {"RedisAddress": "redis+sentinel://host:1/master", "RedisSentinelPassword": "p"},
    "RedisSentinelPassword": {"RedisAddress": "redis+sentinel://host:1/master"},
    "RedisSentinelPasswordFile": {"RedisAddress": "redis+sentinel://host:1/master"},
    "RedisTLSCAFile": {"RedisAddress": "rediss://host:1"},
    "RedisTLSCertFile": {"RedisAddress": "rediss://host:1", "RedisTLSKeyFile": "k"},
    "RedisTLSKeyFile": {"RedisAddress": "rediss://host:1", "RedisTLSCertFile": "c"},
    "StatsTLSCertFile": {"StatsTLSKeyFile": "k"},
    "StatsTLSKeyFile": {"StatsTLSCertFile": "c"},
    "ApiTLSCertFile": {"ApiTLSKeyFile": "k"},
    "ApiTLSKeyFile": {"ApiTLSCertFile": "c"},
}


def test_for_every_key_it_is_decided_whether_it_needs_a_restart() -> None:
    keys = dict(zip(keys_of(Settings), Settings.model_fields, strict=True))

    assert {key for key, name in keys.items() if name not in NEED_RESTART} == FOLLOWED
    assert set(CHANGED) == set(keys) - FOLLOWED


def test_keys_that_need_a_restart_are_named_and_keep_their_value(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret")
    old = config(tmp_path)
    for key, value in CHANGED.items():
        new = config(tmp_path, {key: value, **NEEDS_ANOTHER.get(key, {})}, {"ShutdownTimeout": 7})

        kept, waiting = taken_over(old, new)

        assert key in waiting
        assert kept == old.model_copy(update={"shutdown_timeout": 7}), key


def test_types_are_taken_over_as_they_are(tmp_path: Path) -> None:
    old = config(tmp_path)
    tasks = [
        {"Type": "a", "Script": "other.sh", "Workers": 3},
        {"Type": "b", "Script": "b.sh", "Delivery": "at-most-once"},
    ]
    new = config(tmp_path, {"Tasks": tasks, "FailedTasksTTL": 60})

    assert taken_over(old, new) == (new, [])


def test_the_delivery_of_a_type_that_is_there_stays(tmp_path: Path) -> None:
    old = config(tmp_path)
    tasks = [*MINIMAL["Tasks"], {"Type": "b", "Script": "b.sh"}]
    new = config(tmp_path, {"Delivery": "at-most-once", "Tasks": tasks})

    kept, waiting = taken_over(old, new)

    assert waiting == ['Delivery of the type "a"']
    assert [task.delivery for task in kept.tasks] == ["at-least-once", "at-most-once"]
    assert kept.delivery == "at-most-once"
    assert taken_over(kept, new)[1] == ['Delivery of the type "a"'], "it is named each time"


def test_a_file_that_has_not_changed_changes_no_type(tmp_path: Path) -> None:
    """Types are compared; one that always differed would have its programs that stay started anew each time."""
    rich = {
        "Schedules": [{"Name": "n", "Cron": "* * * * *", "Type": "a"}],
        "Tasks": [
            MINIMAL["Tasks"][0]
            | {
                "Schema": {"type": "array"},
                "Retry": [1, 2],
                "RateLimit": "3/s",
                "Unique": {"Until": "end"},
                "Limits": {"nofile": 3},
                "ExitCodes": {"Success": [0, 1]},
                "Env": {"A": "b"},
                "EnvInherit": ["A"],
            },
            {"Type": "c", "Kind": "command", "Allow": ["/bin/*", "echo"]},
            {"Type": "h", "Kind": "http", "AllowUrls": ["http://h/"], "AllowNetworks": ["10.0.0.0/8"]},
        ],
    }

    assert config(tmp_path, rich) == config(tmp_path, rich)
