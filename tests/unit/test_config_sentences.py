"""What is wrong with a configuration is told in sentences: one table for each object of the file."""

from pathlib import Path
from typing import Any

import pytest
from configs import MINIMAL, problems


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"Taskz": []}, "Taskz: unknown key, did you mean Tasks?"),
        ({"Quux": 1}, "Quux: unknown key"),
        ({"Windows": {}}, "Windows: unknown key"),
        ({"workers": 1}, "workers: unknown key here, it is one of the keys inside Tasks"),
        ({"my key": 1}, '"my key": unknown key'),
        ({"redisQueueKey": "b"}, "RedisQueueKey: given twice, as RedisQueueKey and as redisQueueKey"),
        ({"RedisQueueKey": ""}, "RedisQueueKey: missing, this key is required"),
        ({"RedisQueueKey": "a\0"}, 'RedisQueueKey: expected text without a NUL character, found "a\\u0000"'),
        ({"Tasks": None}, "Tasks: missing, this key is required"),
        ({"Tasks": []}, "Tasks: expected at least one task type, found []"),
        ({"Tasks": {}}, "Tasks: expected an array, found an object"),
        ({"RedisNetwork": "udp"}, 'RedisNetwork: expected "tcp" or "unix", found "udp"'),
        ({"RedisNetwork": "unix"}, "RedisAddress: missing, RedisNetwork unix needs the path of a socket"),
        (
            {"RedisNetwork": "unix", "RedisAddress": "unix:///x"},
            'RedisAddress: expected the path of a socket, as RedisNetwork is unix, found "unix:///x"',
        ),
        ({"RedisAddress": "h:0"}, 'RedisAddress: expected host:port, a URL or embedded, found "h:0"'),
        ({"RedisAddress": "u:pw@h:1"}, 'RedisAddress: expected host:port, a URL or embedded, found "…@h:1"'),
        ({"RedisAddress": "redis://:pw@"}, 'RedisAddress: expected redis://host:port, found "redis://…@"'),
        (
            {"RedisAddress": "redis://:pw@h:x"},
            'RedisAddress: expected redis://… with a host and a port, found "redis://…@h:x"',
        ),
        (
            {"RedisAddress": "redis://h:1/x"},
            'RedisAddress: expected the number of a database after the host, found "redis://h:1/x"',
        ),
        (
            {"RedisAddress": "unix://run/r.sock"},
            'RedisAddress: expected unix:///path/of/the/socket, found "unix://run/r.sock"',
        ),
        (
            {"RedisAddress": "amqp://h:1"},
            (
                "RedisAddress: amqp:// is not supported by this version, expected one of "
                "redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, redis+cluster://, rediss+cluster://"
            ),
        ),
        (
            {"RedisAddress": "redis+sentinel://:pw@h:1,h:x/m"},
            (
                "RedisAddress: expected redis+sentinel://host:port,host:port/MASTER/DB, "
                'with a host for each sentinel, found "redis+sentinel://…@h:1,h:x/m"'
            ),
        ),
        (
            {"RedisAddress": "redis+sentinel://:p/w@h:1,h/m"},
            (
                "RedisAddress: expected redis+sentinel://host:port,host:port/MASTER/DB, "
                'with a host for each sentinel, found "redis+sentinel://…@h:1,h/m"'
            ),
        ),
        (
            {"RedisAddress": "redis+sentinel://:pw@h:1,h"},
            (
                "RedisAddress: expected redis+sentinel://host:port,host:port/MASTER/DB, "
                'with the name that the sentinels have for the master, found "redis+sentinel://…@h:1,h"'
            ),
        ),
        (
            {"RedisAddress": "rediss+sentinel://h/m?x=1"},
            'RedisAddress: expected a name of letters, digits, and . - _ for the master, found "rediss+sentinel://h/m?x=1"',
        ),
        (
            {"RedisAddress": "redis+sentinel://h/m/x"},
            'RedisAddress: expected the number of a database after the master, found "redis+sentinel://h/m/x"',
        ),
        (
            {"RedisAddress": "redis+sentinel://:pw@h/m", "RedisPassword": "a"},
            "RedisPassword: given twice, the URL of RedisAddress has one too",
        ),
        (
            {"RedisAddress": "redis+cluster://:pw@h:1,h:x"},
            (
                "RedisAddress: expected redis+cluster://host:port,host:port, "
                'with a host for each node, found "redis+cluster://…@h:1,h:x"'
            ),
        ),
        (
            {"RedisAddress": "rediss+cluster://h/2"},
            (
                "RedisAddress: expected nothing after the nodes, as a cluster has one database only, "
                'found "rediss+cluster://h/2"'
            ),
        ),
        (
            {"RedisAddress": "redis+cluster://h", "RedisDB": 2},
            "RedisDB: expected 0, as a cluster has one database only, found 2",
        ),
        ({"RedisTLSCAFile": "ca"}, "RedisTLSCAFile: is for a RedisAddress with TLS, rediss://…"),
        (
            {"RedisAddress": "rediss://h", "RedisTLSCertFile": "c"},
            "RedisTLSKeyFile: missing, RedisTLSCertFile is given and needs it",
        ),
        (
            {"RedisSentinelPassword": "a"},
            "RedisSentinelPassword: is for a RedisAddress of sentinels, redis+sentinel://…",
        ),
        ({"RedisAddress": ["redis://:pw@h"]}, 'RedisAddress: expected a string, found ["redis://…@h"]'),
        ({"RedisPassword": 123}, "RedisPassword: expected a string, found a number"),
        (
            {"RedisPassword": "a", "RedisAddress": "redis://:pw@h"},
            "RedisPassword: given twice, the URL of RedisAddress has one too",
        ),
        ({"RedisDB": -1}, "RedisDB: expected 0 or more, found -1"),
        ({"RedisDB": True}, "RedisDB: expected a whole number, found true"),
        ({"RedisDB": "1"}, 'RedisDB: expected a whole number, found "1"'),
        ({"EmbeddedPort": 65536}, "EmbeddedPort: expected at most 65535, found 65536"),
        ({"FailedTasksTTL": 1.5}, "FailedTasksTTL: expected a whole number, found 1.5"),
        ({"ShutdownTimeout": -0.5}, "ShutdownTimeout: expected 0 or more, found -0.5"),
        ({"Logfile": "a\0b"}, 'Logfile: expected a path, found "a\\u0000b"'),
        ({"Logfile": 5}, "Logfile: expected a path, found 5"),
        ({"LogFormat": "xml"}, 'LogFormat: expected "text" or "json", found "xml"'),
        ({"Delivery": "x" * 99}, f'Delivery: expected "at-least-once" or "at-most-once", found "{"x" * 59}…'),
        ({"StatsInterface": "8080"}, 'StatsInterface: expected ip:port, or :port for all interfaces, found "8080"'),
        ({"StatsPattern": "stats"}, 'StatsPattern: expected a path that starts with /, found "stats"'),
        ({"StatsTLSCertFile": "c"}, "StatsTLSKeyFile: missing, StatsTLSCertFile is given and needs it"),
        ({"StatsTLSKeyFile": "k"}, "StatsTLSCertFile: missing, StatsTLSKeyFile is given and needs it"),
    ],
)
def test_sentences_about_the_top_level(tmp_path: Path, keys: dict[str, Any], sentence: str) -> None:
    assert problems(tmp_path, keys) == [sentence]


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"Worker": 1}, ".Worker: unknown key, did you mean Workers?"),
        ({"Retrys": [1]}, ".Retrys: unknown key, did you mean Retry?"),
        ({"TYPE": "b"}, ".Type: given twice, as Type and as TYPE"),
        ({"Type": None}, ".Type: missing, this key is required"),
        ({"Type": ""}, '.Type: expected text that is not empty, found ""'),
        ({"Type": 5}, ".Type: expected a string, found 5"),
        ({"Script": None}, ".Script: missing, this key is required"),
        ({"Script": ""}, '.Script: expected a path, or a list of strings that begins with the program, found ""'),
        ({"Script": []}, ".Script: expected a path, or a list of strings that begins with the program, found []"),
        (
            {"Script": ["a", 1]},
            '.Script: expected a path, or a list of strings that begins with the program, found ["a",1]',
        ),
        (
            {"Script": ["no-such-program", "x"]},
            '.Script: expected a program that PATH has, or a path with a / in it, found ["no-such-program","x"]',
        ),
        ({"Workers": "three"}, '.Workers: expected a whole number, found "three"'),
        ({"Workers": True}, ".Workers: expected a whole number, found true"),
        ({"Workers": 1e30}, f".Workers: expected at most 65536, found {int(1e30)}"),
        ({"Timeout": "5"}, '.Timeout: expected a number, found "5"'),
        ({"Timeout": False}, ".Timeout: expected a number, found false"),
        ({"KillGrace": -1}, ".KillGrace: expected 0 or more, found -1"),
        ({"FailOnOutput": 1}, ".FailOnOutput: expected true or false, found 1"),
        ({"Delivery": "never"}, '.Delivery: expected "at-least-once" or "at-most-once", found "never"'),
        ({"Env": "A=s3cret"}, ".Env: expected an object, found a string"),
        ({"Env": {"A": ["s3cret"]}}, ".Env.A: expected a string, found an array"),
        ({"Env": {"A": "s3\0cret"}}, ".Env.A: expected text without a NUL character, found a string"),
        (
            {"Env": {"A=s3cret": "x"}},
            '.Env: expected names of variables, neither empty nor with = or NUL, found "A=…"',
        ),
        ({"EnvInherit": "some"}, '.EnvInherit: expected "all", "none" or a list of names, found "some"'),
        ({"EnvInherit": ["A=1"]}, '.EnvInherit: expected "all", "none" or a list of names, found ["A=1"]'),
        ({"WorkDir": ""}, '.WorkDir: expected a path, found ""'),
        ({"User": True}, ".User: expected a name or a number, found true"),
        ({"User": ""}, '.User: expected a name or a number, found ""'),
        ({"Group": -1}, ".Group: expected a name or a number, found -1"),
        ({"Umask": 18}, '.Umask: expected octal digits in a string, as "022", found 18'),
        ({"Umask": "1777"}, '.Umask: expected octal digits in a string, as "022", found "1777"'),
        ({"Nice": 20}, ".Nice: expected at most 19, found 20"),
        ({"Nice": -21}, ".Nice: expected -20 or more, found -21"),
        ({"Limits": []}, ".Limits: expected an object, found an array"),
        ({"Limits": {"files": 1}}, ".Limits.files: unknown key, did you mean nofile?"),
        ({"Limits": {"AS": -1}}, ".Limits.as: expected 0 or more, found -1"),
        ({"OutputLimit": 1023}, ".OutputLimit: expected 1024 or more, found 1023"),
    ],
)
def test_sentences_about_a_type(tmp_path: Path, keys: dict[str, Any], sentence: str) -> None:
    tasks = [{"Type": "first", "Script": "f"}, MINIMAL["Tasks"][0] | keys]

    assert problems(tmp_path, {"Tasks": tasks}) == [f"Tasks[1]{sentence}"]


@pytest.mark.parametrize(
    ("types", "found"),
    [
        (
            ["a", "b", "a", "a"],
            ['[2].Type: "a" is the Type of Tasks[0] already', '[3].Type: "a" is the Type of Tasks[0] already'],
        ),
        (["a:failed", "a"], ['[0].Type: "a:failed" is a list that the type "a" needs for itself']),
        (["paused"], ['[0].Type: "paused" is a name that goophry needs for a key of its own']),
        (["a", "result:a"], ['[1].Type: "result:a" is a name that goophry needs for a key of its own']),
        (["{a}", "{a}:instances"], ['[1].Type: "{a}:instances" is a list that the type "{a}" needs for itself']),
    ],
)
def test_types_that_would_meet_in_one_list_are_refused(tmp_path: Path, types: list[str], found: list[str]) -> None:
    tasks = [{"Type": name, "Script": "x"} for name in types]

    assert problems(tmp_path, {"Tasks": tasks}) == [f"Tasks{rest}" for rest in found]


def test_everything_wrong_is_told_at_once_top_level_first(tmp_path: Path) -> None:
    wrong = {
        "Tasks": [{"Type": "a", "Workrs": 1, "Script": 5}, {"Type": "a", "Script": "x", "Nice": 99}, 7],
        "RedisDB": "x",
        "Quux": 1,
        "StatsTLSCertFile": "c",
        "RedisPassword": 5,
    }

    assert problems(tmp_path, wrong, environ={"GOOPHRY_EMBEDDED_PORT": "x"}) == [
        "Quux: unknown key",
        "StatsTLSKeyFile: missing, StatsTLSCertFile is given and needs it",
        "RedisPassword: expected a string, found a number",
        'RedisDB: expected a whole number, found "x"',
        'GOOPHRY_EMBEDDED_PORT: expected a whole number, found "x"',
        "Tasks[0].Workrs: unknown key, did you mean Workers?",
        "Tasks[0].Script: expected a path, or a list of strings that begins with the program, found 5",
        'Tasks[1].Type: "a" is the Type of Tasks[0] already',
        "Tasks[1].Nice: expected at most 19, found 99",
        "Tasks[2]: expected an object, found 7",
    ]
