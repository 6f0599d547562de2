"""Clients written from nothing but the readmes of Coyotes and kingtask, with the tools shown there."""

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest
from conftest import eventually
from doors.door_site import DoorSite

pytest_plugins = ("doors.fixtures",)

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="the readme's client is curl")


def curl(*args: str) -> dict[str, Any]:
    done = subprocess.run(["curl", "-sS", *args], check=True, capture_output=True, timeout=30)
    value: dict[str, Any] = json.loads(done.stdout)
    return value


@needs_curl
def test_coyotes_over_http(both_doors: DoorSite) -> None:
    base = f"http://{both_doors.coyotes}"

    assert set(curl(f"{base}/channels")["data"]) >= {"biz", "cron", "default", "delayed"}

    # 新建任务队列
    made = curl(f"{base}/channels", "-F", "name=test", "-F", "distinct=true", "-F", "worker=1")
    assert made == {"status_code": 200, "message": "ok", "data": None}

    # the first example: a command line as the name, by the path of the beta
    pushed = curl(f"{base}/channels/test", "-F", "task=sleep 1")
    assert pushed["status_code"] == 200
    assert pushed["message"] == "ok"
    assert (pushed["data"]["task_name"], pushed["data"]["result"]) == ("sleep 1", True)
    again = curl(f"{base}/channels/test/tasks", "-F", "task=sleep 1")
    assert again["data"]["result"] is False
    (task,) = eventually(lambda: curl(f"{base}/channels/test")["data"]["tasks"])  # type: ignore[misc]
    assert (task["task_name"], task["channel"]) == ("sleep 1", "test")
    assert task["status"] in {"queued", "running"}

    # 请求示例: a name, a command, its arguments and a delay
    parts = ["task=pwd", "command=ping", "args=-c", "args=10", "args=baidu.com", "delay=600"]
    delayed = curl(f"{base}/channels/default/tasks", *(word for part in parts for word in ("-F", part)))
    task_id = delayed["data"]["task_id"]
    assert delayed["data"] == {"task_id": task_id, "task_name": "pwd", "result": True}
    found = curl(f"{base}/delay-tasks")["data"][task_id]
    assert found["command"] == {"name": "ping", "args": ["-c", "10", "baidu.com"]}
    assert curl(f"{base}/delay-tasks/{task_id}")["data"] == found
    assert curl(f"{base}/delay-tasks/{task_id}", "-X", "DELETE")["data"] == found
    assert task_id not in curl(f"{base}/delay-tasks")["data"]

    # failed tasks
    failing = curl(f"{base}/channels/test/tasks", "-F", "task=git-command", "-F", "command=false")["data"]["task_id"]
    where = f"{base}/channels/test/failed-tasks"
    (record,) = eventually(lambda: list(curl(where)["data"].values()))  # type: ignore[misc]
    assert (record["task_id"], record["retry_count"], record["status"]) == (failing, 1, "")
    assert curl(f"{where}/{failing}")["data"] == record
    assert curl(f"{where}/{failing}", "-X", "POST") == {"status_code": 200, "message": "ok", "data": None}
    eventually(lambda: (curl(f"{where}/{failing}")["data"] or {}).get("retry_count") == 2)


LPUSH = """
import json, socket, sys, time
host, port, key, task, channel = sys.argv[1:]
entry = json.dumps({"task": task, "chan": channel, "ts": int(time.time())}, ensure_ascii=False)
words = [b"LPUSH", key.encode(), entry.encode()]
with socket.create_connection((host, int(port))) as redis:
    redis.sendall(b"*3\\r\\n" + b"".join(b"$%d\\r\\n%b\\r\\n" % (len(word), word) for word in words))
    assert redis.recv(100).startswith(b":")
"""

PHP = r"""
$redis = fsockopen($argv[1], (int)$argv[2]);
$entry = json_encode(['task' => $argv[4], 'chan' => $argv[5], 'ts' => time()], JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
fwrite($redis, "*3\r\n");
foreach (['LPUSH', $argv[3], $entry] as $word) { fwrite($redis, '$' . strlen($word) . "\r\n$word\r\n"); }
fgets($redis);
"""


@pytest.mark.parametrize("language", ["python", "php"])
def test_coyotes_by_the_prepare_list(both_doors: DoorSite, redis_address: str, language: str) -> None:
    if language == "php" and shutil.which("php") is None:
        pytest.skip("there is no php here")
    host, port = redis_address.split(":")
    program = [sys.executable, "-c", LPUSH] if language == "python" else ["php", "-r", PHP, "--"]
    made = both_doors.folder / f"pushed-by-{language}-é"

    where = f"{both_doors.biz_name}:task:prepare:queue"
    subprocess.run([*program, host, port, where, f"touch {made}", "default"], check=True, timeout=30)
    subprocess.run([*program, host, port, where, "touch x", "no such channel"], check=True, timeout=30)

    eventually(made.exists)
    dropped = f"{{{both_doors.key}:coyotes}}:dropped"
    reason = eventually(lambda: both_doors.client.lindex(dropped, 0))
    assert b"no such channel" in bytes(reason)  # type: ignore[call-overload]


def http(verb: str, address: str, path: str, /, **items: str) -> tuple[int, Any]:
    """What httpie does with `name=value`: a JSON object of strings."""
    args = ["-sS", "-X", verb, "-w", "\n%{http_code}", f"http://{address}{path}"]
    if items:
        args += ["-H", "Content-Type: application/json", "-H", "Accept: application/json, */*;q=0.5"]
        args += ["--data-binary", json.dumps(items)]
    done = subprocess.run(["curl", *args], check=True, capture_output=True, timeout=30)
    body, _, status = done.stdout.rpartition(b"\n")
    return int(status), json.loads(body)


@needs_curl
def test_kingtask(both_doors: DoorSite) -> None:
    address, api = both_doors.kingtask, "/api/v1/task"

    # (1) a script task for a moment that has passed, with retries
    status, task_id = http(
        *("POST", address, api),
        bin_name="mytask",
        args="12 hello",
        start_time="1445562622",
        time_interval="60 600 3600",
    )
    assert (status, len(task_id)) == (200, 36)
    assert http("GET", address, f"{api}/result/{task_id}") == (403, "result not exist"), "it is to be tried again"

    # (2) an rpc task
    url = f"{both_doors.target.url}/sum"
    status, task_id = http("POST", address, f"{api}/rpc", method="POST", url=url, args='{"a":132,"b":75}')
    assert status == 200
    expected = (200, {"is_result_exist": 1, "is_success": 1, "message": "207"})
    eventually(lambda: http("GET", address, f"{api}/result/{task_id}") == expected)
    method, path, headers, body = both_doors.target.asked[-1]
    assert (method, path, headers["Content-Type"], body) == ("POST", "/sum", "application/json", b'{"a":132,"b":75}')

    # (3) an example that succeeds, and one that does not
    for args, success, message in (("12 34", 1, "46"), ("12", 0, "args count must be two")):
        status, task_id = http("POST", address, api, bin_name="example", args=args)
        expected = (200, {"is_result_exist": 1, "is_success": success, "message": message})
        eventually(lambda: http("GET", address, f"{api}/result/{task_id}") == expected)  # noqa: B023

    # (4) statistics
    assert http("GET", address, f"{api}/count/undo") == (200, 0)
    for ending in ("success", "failure"):
        status, count = http("GET", address, f"{api}/result/{ending}/2015-10-30")
        assert (status, count) == (200, 0)
