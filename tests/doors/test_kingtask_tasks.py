"""What becomes of kingtask's tasks: every verdict, limits, retries, requests, counts."""

import json
import time
from datetime import datetime
from typing import Any

import pytest
from acceptance.goophry_process import pids_with
from conftest import eventually
from doors.door_site import DoorSite
from doors.http_client import ask

pytest_plugins = ("doors.fixtures",)

JSON = "application/json"


def post(site: DoorSite, path: str, **body: str) -> str:
    answer = ask(site.kingtask, "POST", f"/api/v1/task{path}", json.dumps(body), content_type=JSON)
    assert answer.status == 200, answer
    return str(json.loads(answer.body))


def result(site: DoorSite, task_id: str) -> Any:
    """Return success and message, or None while there is no result."""
    answer = ask(site.kingtask, "GET", f"/api/v1/task/result/{task_id}")
    if answer.status == 403:
        assert answer.text == '"result not exist"'
        return None
    value = json.loads(answer.body)
    assert value["is_result_exist"] == 1
    return value["is_success"], value["message"]


def ended(site: DoorSite, task_id: str, *, within: float = 20) -> Any:
    return eventually(lambda: result(site, task_id), within=within, what=task_id)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"bin_name": "nowhere"}, (0, "file not exist")),
        ({"bin_name": "dangling"}, (0, "file not exist")),
        ({"bin_name": "../bin/../../x"}, (0, "file not exist")),
        ({"bin_name": "example -x"}, (0, "file not exist")),
        ({"bin_name": "not-executable"}, (0, "exec: not started")),
        ({"bin_name": "no-shebang"}, (0, "exec: not started")),
        ({"bin_name": "sub"}, (0, "exec: not started")),
        ({"bin_name": "example/x"}, (0, "exec: not started")),
        ({"bin_name": "x" * 5000}, (0, "exec: not started")),
        ({"bin_name": "a\0b"}, (0, "exec: not started")),
        ({"bin_name": "quiet", "args": "a\0b"}, (0, "exec: not started")),
        ({"bin_name": "quiet", "args": "x" * 140_000}, (0, "exec: not started")),
        ({"bin_name": "nap", "max_run_time": "1"}, (0, "exec time out")),
        ({"bin_name": "nap", "max_run_time": "-1"}, (0, "exec time out")),
        ({"bin_name": "quiet", "max_run_time": "9223372037"}, (1, "")),
        ({"bin_name": "fail"}, (0, "exit status 3")),
        ({"bin_name": "kill"}, (0, "signal: segmentation fault")),
        ({"bin_name": "complain"}, (0, "  bad ")),
        ({"bin_name": "blank-complaint"}, (0, "")),
        ({"bin_name": "quiet"}, (1, "")),
        ({"bin_name": "args", "args": "a  b"}, (1, "[a][][b]")),
        ({"bin_name": "args", "args": " "}, (1, "[][]")),
        ({"bin_name": "args", "args": "$X *\t\n'"}, (1, "[$X][*\t\n']")),
        ({"bin_name": "leave"}, (1, "done")),
        ({"bin_name": "/sub//./tool"}, (1, "sub")),
        ({"bin_name": "linked"}, (1, "sub")),
        ({"bin_name": "sub/../example", "args": "1 2"}, (1, "3")),
    ],
    ids=lambda value: str(value)[:60],
)
def test_verdicts(both_doors: DoorSite, body: dict[str, str], expected: tuple[int, str]) -> None:
    found = ended(both_doors, post(both_doors, "/script", **body))

    assert (found[0], found[1].removesuffix(" (core dumped)")) == expected


def test_at_the_limit_the_whole_group_is_gone(both_doors: DoorSite) -> None:
    task_id = post(both_doors, "/script", bin_name="nap", max_run_time="1")

    assert ended(both_doors, task_id) == (0, "exec time out")
    eventually(lambda: not pids_with(f"GOOPHRY_ID={task_id}"), what="no process is left")


@pytest.mark.parametrize(
    ("method", "path", "args", "expected"),
    [
        ("POST", "/sum", '{"a":1,"b":2}', (1, "3")),
        ("GET", "/echo", "a body", (1, "end\n")),
        ("DELETE", "/echo", "a body", (1, "end\n")),
        ("PUT", "/echo", "", (1, "end\n")),
        ("GET", "/status/201", "", (0, "body\n")),
        ("GET", "/status/204", "", (0, "")),
        ("POST", "/status/500", "x", (0, "body\n")),
        ("POST", "/hops/9", "x", (1, "end\n")),
        ("PUT", "/see", "x", (1, "end\n")),
        ("GET", "/gzip", "", (1, "unpacked")),
    ],
)
def test_requests(both_doors: DoorSite, method: str, path: str, args: str, expected: tuple[int, str]) -> None:
    task_id = post(both_doors, "/rpc", method=method, url=f"{both_doors.target.url}{path}", args=args)

    assert ended(both_doors, task_id) == expected
    mine = [asked for asked in both_doors.target.asked if asked[1] == path]
    assert mine[-1][0] == method
    assert mine[-1][2]["Content-Type"] == "application/json"
    assert mine[-1][3] == args.encode()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/x", 'Get "http://127.0.0.1:1/x": '),
        ("no scheme", 'Get "no scheme": '),
        ("@hops@/10", "stopped after 10 redirects"),
    ],
)
def test_requests_without_an_answer(both_doors: DoorSite, url: str, words: str) -> None:
    task_id = post(both_doors, "/rpc", method="GET", url=url.replace("@hops@", f"{both_doors.target.url}/hops"))

    success, message = ended(both_doors, task_id)

    assert success == 0
    assert words in message


def test_every_interval_is_used_and_no_failure_shows_before_the_last(both_doors: DoorSite) -> None:
    count = both_doors.folder / "tries"
    program = both_doors.programs / "count"
    program.write_text(f"#!/bin/sh\necho x >> {count}\nexit 4\n")
    program.chmod(0o755)

    task_id = post(both_doors, "/script", bin_name="count", time_interval="0  1 1 abc 5")
    eventually(lambda: count.exists() and len(count.read_text().splitlines()) >= 2, every=0.001)

    assert result(both_doors, task_id) is None
    assert ended(both_doors, task_id) == (0, "exit status 4")
    assert len(count.read_text().splitlines()) == 4


def test_a_task_for_later_is_not_counted_and_not_early(both_doors: DoorSite) -> None:
    due = int(time.time()) + 2

    task_id = post(both_doors, "/script", bin_name="quiet", start_time=str(due))

    assert ask(both_doors.kingtask, "GET", "/api/v1/task/count/undo").text == "0"
    assert ended(both_doors, task_id) == (1, "")
    assert time.time() >= due


def test_results_expire_and_each_task_counts_once(door_site: Any) -> None:
    site = door_site(doors={"Kingtask": {"ResultKeepTime": 1}})
    before = datetime.now().astimezone().date().isoformat()
    ids = [post(site, "", bin_name=name) for name in ("quiet", "quiet", "fail")]
    ids.append(post(site, "", bin_name="fail", time_interval="0 0"))
    days = {before, datetime.now().astimezone().date().isoformat()}

    def counted(ending: str) -> int:
        return sum(int(ask(site.kingtask, "GET", f"/api/v1/task/result/{ending}/{day}").text) for day in days)

    eventually(lambda: (counted("success"), counted("failure")) == (2, 2))
    eventually(lambda: all(result(site, task_id) is None for task_id in ids))
    assert 0 < site.client.ttl(f"{{{site.key}:kingtask}}:success:{before}") <= 30 * 86400


def test_a_period_lies_between_two_tasks(door_site: Any) -> None:
    site = door_site(doors={"Kingtask": {"Period": 1, "Workers": 1}})
    began = time.monotonic()

    for task_id in [post(site, "", bin_name="quiet") for _ in range(3)]:
        ended(site, task_id)

    assert time.monotonic() - began >= 2
