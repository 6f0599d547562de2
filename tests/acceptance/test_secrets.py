"""No secret that goophry is told stands where others can read it: logs, command lines, pages, error texts."""

import base64
import contextlib
import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from acceptance.goophry_process import Goophry, pids_with
from conftest import RedisServer, eventually, free_port
from sentinel_set import NAME

from goophry import exit_codes
from goophry.config import load
from goophry.errors import ConfigError

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
MakeScript = Callable[..., Path]

#: With signs that have to be escaped in a URL, in JSON and in a configuration of Redis.
PASSWORD = 'pa"ss/w@rd-7391'
SECRETS = {
    "password of Redis": PASSWORD,
    "password of the sentinels": "sentinel-2846",
    "variable of a type": "type-env-5127",
    "variable of an entry": "entry-env-9034",
    "variable of goophry": "own-env-6618",
}


def forms(secret: str) -> Iterator[bytes]:
    """Give each way in which the secret may stand somewhere; the end of it has no signs to escape."""
    for text in {secret, secret[-9:], quote(secret, safe=""), json.dumps(secret)[1:-1]}:
        yield text.encode()
    yield base64.b64encode(secret.encode())


def found_in(content: bytes) -> list[str]:
    return [name for name, secret in SECRETS.items() if any(form in content for form in forms(secret))]


def command_lines(mark: str) -> bytes:
    """Return what `ps` shows to everybody of all that a goophry started."""
    lines = []
    for pid in pids_with(mark):
        with contextlib.suppress(OSError):
            lines.append(Path(f"/proc/{pid}/cmdline").read_bytes())
    return b"\n".join(lines)


def pages(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    content = b""
    for path, accept in (("/", "text/html"), ("/", "*/*"), ("/?format=json", "*/*"), ("/readyz", "*/*")):
        connection.request("GET", path, headers={"Accept": accept})
        content += connection.getresponse().read()
    connection.close()
    return content


def test_the_scan_finds_what_it_looks_for() -> None:
    for name, secret in SECRETS.items():
        assert found_in(b"x" + secret.encode() + b"x") == [name]
        assert found_in(json.dumps({"x": f"Error: {secret}!"}).encode()) == [name]


@pytest.mark.parametrize("embedded", [False, True], ids=["server", "embedded"])
def test_nothing_that_runs_shows_a_secret(
    goophry: Start, own_redis: Callable[..., RedisServer], script: MakeScript, tmp_path: Path, embedded: bool
) -> None:
    """A success, a failure, rubbish, an outage, a wrong password and a stop, all of it in the verbose log."""
    port = free_port()
    server = None if embedded else own_redis(password=PASSWORD)
    address, redis_port, login = "embedded", free_port(), {"GOOPHRY_REDIS_PASSWORD": PASSWORD}
    if server is not None:
        address, redis_port, login = f"redis://:{quote(PASSWORD, safe='')}@{server.address}", server.port, {}
    client = redis.Redis(port=redis_port, password=PASSWORD)
    told = script(f'echo "$1" >> {tmp_path}/told; env >> {tmp_path}/env')
    running = goophry(
        {"Type": "good", "Script": str(script("sleep 0.2")), "Env": {"TOKEN": SECRETS["variable of a type"]}},
        {"Type": "bad", "Script": str(script(f"env > {tmp_path}/env; exit 3")), "ErrorScript": str(told)},
        client=client,
        ready=False,
        process={"arguments": ["-v"], "env": login | {"GOOPHRY_OTHER": SECRETS["variable of goophry"]}},
        RedisAddress=address,
        StatsInterface=f"127.0.0.1:{port}",
        EmbeddedPort=redis_port,
    )
    eventually(lambda: running.events("start"))
    eventually(lambda: _answers(client))
    running.wait_ready()
    seen = command_lines(running.mark)
    env = {"TOKEN": SECRETS["variable of an entry"]}
    for name in ("good", "bad"):
        running.push(name, "x", Env=env)
    client.rpush(running.queue("bad"), f'{{"Args":5,"Env":{json.dumps(env)}}}', f"{{{SECRETS['variable of an entry']}")
    eventually(lambda: len(running.events("task.finished")) == 2 and len(running.events("error_script.finished")) == 3)
    eventually(lambda: running.drained("good", "bad"))
    seen += command_lines(running.mark) + pages(port)
    if server is not None:
        client.config_set("requirepass", "another")
        client.execute_command("CLIENT", "KILL", "TYPE", "normal")
        running.wait_event("store.lost", who="heartbeat")
        seen += pages(port)
        client.config_set("requirepass", PASSWORD)
        running.wait_event("store.back", who="heartbeat")
    assert running.stop() == exit_codes.OK
    client.close()

    files = [running.log_path, tmp_path / "told", *tmp_path.rglob("redis.log")]
    seen += b"".join(path.read_bytes() for path in files)
    assert running.events("task.started"), "the log is the verbose one"
    assert found_in(seen) == []
    assert found_in((tmp_path / "env").read_bytes()) == ["variable of an entry"]


def _answers(client: "redis.Redis[bytes]") -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


#: Configurations with something wrong in them.
WRONG: list[dict[str, object]] = [
    {"RedisAddress": f"redis://:{PASSWORD}@127.0.0.1:1"},
    {"RedisAddress": f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:1/x"},
    {"RedisPassword": [PASSWORD]},
    {"RedisPassword": PASSWORD, "RedisPasswordFile": "x"},
    {"RedisAddress": f"redis+sentinel://:{PASSWORD}@127.0.0.1:1/{NAME}"},
    {"RedisAddress": f"redis+sentinel://:{quote(PASSWORD, safe='')}@127.0.0.1:1,x:y/{NAME}"},
    {"RedisSentinelPassword": SECRETS["password of the sentinels"]},
    {"Tasks": [{"Type": "t", "Env": {f"TOKEN={SECRETS['variable of a type']}": "x"}}]},
    {"Tasks": [{"Type": "t", "Env": {"TOKEN": [SECRETS["variable of a type"]]}}]},
    {"Tasks": [{"Type": "t", "Env": [SECRETS["variable of a type"]]}]},
]

#: Configurations that are right, but nobody is there.
ALONE: list[dict[str, object]] = [
    {"RedisAddress": f"redis://me:{quote(PASSWORD, safe='')}@127.0.0.1:1"},
    {
        "RedisAddress": f"redis+sentinel://:{quote(PASSWORD, safe='')}@127.0.0.1:1/{NAME}",
        "RedisSentinelPassword": SECRETS["password of the sentinels"],
    },
]


def configured(folder: Path, keys: dict[str, object]) -> Path:
    path = folder / "c.json"
    path.write_text(json.dumps({"RedisQueueKey": "q", "Tasks": [{"Type": "t", "Script": "/bin/true"}]} | keys))
    return path


@pytest.mark.parametrize("keys", WRONG)
def test_no_sentence_about_a_configuration_shows_a_secret(tmp_path: Path, keys: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(configured(tmp_path, keys), environ={})

    assert found_in(str(caught.value).encode()) == []


@pytest.mark.parametrize("keys", ALONE)
def test_no_command_shows_a_secret_when_redis_cannot_be_reached(tmp_path: Path, keys: dict[str, object]) -> None:
    for command in (["check"], ["push", "t", "x"], ["-v"]):
        line = [sys.executable, "-m", "goophry", *command, "-c", str(configured(tmp_path, keys))]
        ended = subprocess.run(line, capture_output=True, check=False, timeout=60)

        assert ended.returncode != 0
        assert b"127.0.0.1:1" in ended.stdout + ended.stderr
        assert found_in(ended.stdout + ended.stderr) == []
