"""Doors of a goophry that is killed, that clients mean no good for, and that others share a Redis with."""

import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from conftest import eventually
from doors.door_site import DoorSite
from doors.http_client import Answer, ask

pytest_plugins = ("doors.fixtures",)

FULL = bool(os.environ.get("GOOPHRY_TEST_FULL"))
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

Start = Callable[..., DoorSite]


def script(site: DoorSite, **body: str) -> str:
    answer = ask(site.kingtask, "POST", "/api/v1/task/script", json.dumps(body), content_type=JSON)
    assert answer.status == 200, answer
    return str(json.loads(answer.body))


def result(site: DoorSite, task_id: str) -> Answer:
    return ask(site.kingtask, "GET", f"/api/v1/task/result/{task_id}")


def push(site: DoorSite, channel: str, form: str) -> dict[str, Any]:
    answer = json.loads(ask(site.coyotes, "POST", f"/channels/{channel}/tasks", form, content_type=FORM).body)
    assert answer["status_code"] == 200, answer
    data: dict[str, Any] = answer["data"]
    return data


def told(site: DoorSite, path: str) -> Any:
    return json.loads(ask(site.coyotes, "GET", path).body)["data"]


def test_a_goophry_that_was_killed_loses_no_task(door_site: Start) -> None:
    """50 wait, 5 run, 20 are delayed and 3 wait for another try, at each door; after the restart all end."""
    site = door_site(doors={"Coyotes": {"Concurrent": 5, "Retry": [3]}, "Kingtask": {"Workers": 5}})
    tally = site.folder / "tally"
    tally.mkdir()
    site.programs.joinpath("note").write_text(f'#!/bin/sh\nsleep "$2"\n: > {tally}/"$1"\n')
    site.programs.joinpath("twice").write_text(
        f"#!/bin/sh\n[ -e {tally}/first-$1 ] && {{ : > {tally}/$1; exit 0; }}\n: > {tally}/first-$1\nexit 1\n"
    )
    for name in ("note", "twice"):
        site.programs.joinpath(name).chmod(0o755)

    # given: what fails first, then what runs long, then what waits behind it
    retried = {script(site, bin_name="twice", args=f"k-retry-{n}", time_interval="3"): f"k-retry-{n}" for n in range(3)}
    for n in range(3):
        push(site, "biz", f"task=retry-{n}&command={site.programs}/twice&args=c-retry-{n}")
    eventually(lambda: len(list(tally.glob("first-*"))) == 6, what="six tasks have failed once")
    eventually(lambda: len(told(site, "/channels/biz")["tasks"]) == 3, what="three wait for another try")
    # Both doors' retries keep their place in the sorted sets.
    eventually(lambda: _delayed(site, "kingtask.script") == 3, what="three of kingtask wait for another try")
    kingtask = {script(site, bin_name="note", args=f"k-{n} {2 if n < 5 else 0}"): f"k-{n}" for n in range(55)}
    later = int(site.client.time()[0]) + 4
    kingtask |= {
        script(site, bin_name="note", args=f"k-late-{n} 0", start_time=str(later)): f"k-late-{n}" for n in range(20)
    }
    names = [f"c-{n}" for n in range(55)]
    for n, name in enumerate(names):
        push(
            site, "default", f"task={name}&command={site.programs}/note&args={name}&args={2 if n < 5 else 0}&id={name}"
        )
    late = [f"c-late-{n}" for n in range(20)]
    for name in late:
        push(site, "cron", f"task={name}&command={site.programs}/note&args={name}&args=0&delay=4&id={name}")

    # when
    site.goophry.kill()
    site.start()

    # then
    expected = {*retried.values(), *kingtask.values(), *names, *late, *(f"c-retry-{n}" for n in range(3))}
    eventually(lambda: expected <= {path.name for path in tally.iterdir()}, within=60, what="all have run")
    for task_id in [*retried, *kingtask]:
        eventually(lambda: result(site, task_id).status == 200, what=task_id)  # noqa: B023
        assert json.loads(result(site, task_id).body)["is_success"] == 1
    day = eventually(lambda: _counted(site, len(retried) + len(kingtask)), what="each counted once")
    assert day
    eventually(lambda: told(site, "/channels")["default"]["count"] == 0, what="nothing waits any more")
    assert told(site, "/delay-tasks") == {}
    assert [told(site, f"/channels/{name}/failed-tasks") for name in ("default", "biz", "delayed")] == [{}, {}, {}]


def _delayed(site: DoorSite, task_type: str) -> int:
    return int(site.client.zcard(f"{{{site.key}:{task_type}}}:delayed"))


def _counted(site: DoorSite, count: int) -> bool:
    keys = [key.decode() for key in site.client.scan_iter(f"{{{site.key}:kingtask}}:success:*")]
    return sum(int(site.client.get(key) or 0) for key in keys) == count


def test_what_a_killed_goophry_had_taken_from_the_prepare_list_comes_back(door_site: Start) -> None:
    """And at the end Coyotes' signal to stop is one for it, which waits for what runs."""
    site = door_site()
    site.goophry.kill()
    # given: what it would have left had it died between taking and putting in
    site.client.sadd(f"{{{site.key}:coyotes}}:takers", "dead-instance")
    taken = json.dumps({"task": f"touch {site.folder}/came-back", "chan": "default"})
    held = f"{{{site.biz_name}:task:prepare:queue}}:taken:dead-instance"
    site.client.lpush(held, taken)

    site.start()

    eventually((site.folder / "came-back").exists, what="the entry was recovered")
    assert not site.client.exists(held)
    push(site, "default", f"task=x&command=sh&args=-c&args=sleep+1;:>{site.folder}/ended".replace(";", "%3B"))
    eventually(lambda: told(site, "/channels/default")["count"] == 1)
    assert site.goophry.stop(signal.SIGUSR2) == 0
    assert (site.folder / "ended").exists()


ODD = [
    "a\0b",
    "a/b",
    "../../etc",
    'a"b',
    "a'b",
    "😀",
    "a\nb",
    "<script>",
    "%00",
    "a b",
    ".",
    "..",
    "x" * 5000,
    "{t}:failed",
]


def test_odd_names_are_names(both_doors: DoorSite) -> None:
    """Everywhere where a client may put one; nothing is lost, and goophry has nothing to complain about."""
    site = both_doors
    for odd in ODD:
        word = quote(odd, safe="")
        answer = ask(site.coyotes, "POST", "/channels", f"name={word}&worker=1", content_type=FORM)
        assert json.loads(answer.body)["status_code"] == 200, odd
        data = push(site, "default", f"task={word}&id={word}&command=true&args={word}&delay=600")
        assert data == {"task_id": odd, "task_name": odd, "result": True}
        for method in ("GET", "POST", "DELETE", "PUT"):
            for path in (f"/channels/{word}", f"/channels/{word}/failed-tasks/{word}", f"/delay-tasks/{word}"):
                if (method, path) != ("DELETE", f"/channels/{word}"):
                    assert ask(site.coyotes, method, path).status in {200, 301, 404}, (method, path)
            assert ask(site.kingtask, method, f"/api/v1/task/result/{word}").status in {403, 404}
        task_id = script(site, bin_name=odd, args=odd)
        eventually(lambda: result(site, task_id).status == 200, what=odd)  # noqa: B023
    assert "Traceback" not in site.goophry.log
    assert site.goophry.process.poll() is None


@pytest.mark.parametrize("megabytes", [100 if FULL else 33])
def test_huge_bodies_get_the_answers_of_empty_ones(both_doors: DoorSite, megabytes: int) -> None:
    site = both_doors
    huge = b"x" * (megabytes << 20)
    part = b'--b\r\nContent-Disposition: form-data; name="task"\r\n\r\n' + huge + b"\r\n--b--\r\n"

    answers = [
        ask(site.coyotes, "POST", "/channels/default/tasks", b"task=" + huge, content_type=FORM),
        ask(site.coyotes, "POST", "/channels/default/tasks", part, content_type="multipart/form-data; boundary=b"),
    ]
    refused = ask(site.kingtask, "POST", "/api/v1/task", b'{"bin_name":"' + huge, content_type=JSON)

    assert [json.loads(answer.body)["message"] for answer in answers] == ["任务名称不能为空"] * 2
    assert (refused.status, refused.text) == (403, '"http: request body too large"')
    assert "Traceback" not in site.goophry.log


BROKEN = [
    b"",
    b"--b",
    b"--b\r\n",
    b'--b\r\nContent-Disposition: form-data; name="task"\r\n\r\nx',
    b'--b\r\nContent-Disposition: form-data; name="task"\r\n\r\nx\r\n--c--\r\n',
    b"--b\r\n\r\nx\r\n--b--\r\n",
    b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
    b'--b\r\nContent-Disposition: form-data; name="task"; filename="f"\r\n\r\nx\r\n--b--\r\n',
    b"\0" * 1000,
    b"--b--" * 1000,
]


@pytest.mark.parametrize("body", BROKEN)
def test_broken_multipart_is_no_parameter(both_doors: DoorSite, body: bytes) -> None:
    content_type = "multipart/form-data; boundary=b"

    answer = ask(both_doors.coyotes, "POST", "/channels/default/tasks", body, content_type=content_type)

    assert json.loads(answer.body) == {"status_code": 500, "message": "任务名称不能为空", "data": None}


def test_both_doors_and_the_core_do_not_interfere(door_site: Start) -> None:
    """As many tasks through each, at once, on one Redis."""
    count = 1000 if FULL else 100
    site = door_site(
        doors={"Coyotes": {"Concurrent": 4}, "Kingtask": {"Workers": 4}},
        Tasks=[{"Type": "own", "Script": ["/bin/sh", "-c", ': > "$1"', "sh"], "Workers": 4}],
    )
    folder = site.folder / "done"
    folder.mkdir()
    site.programs.joinpath("touch").write_text(f'#!/bin/sh\n: > "{folder}/$1"\nprintf %s "$1"\n')
    site.programs.joinpath("touch").chmod(0o755)

    def through_each(number: int) -> str:
        site.goophry.push("own", f"{folder}/own-{number}")
        push(site, "default", f"task=t-{number}&command=touch&args={folder}/coyotes-{number}")
        return script(site, bin_name="touch", args=f"kingtask-{number}")

    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(through_each, range(count)))

    expected = {f"{door}-{number}" for door in ("own", "coyotes", "kingtask") for number in range(count)}
    eventually(lambda: {path.name for path in folder.iterdir()} == expected, within=90, every=0.2)
    for task_id, number in zip(ids, range(count), strict=True):
        eventually(lambda: result(site, task_id).status == 200, what=task_id)  # noqa: B023
        assert json.loads(result(site, task_id).body)["message"] == f"kingtask-{number}"
    assert _counted(site, count)
    assert not site.goophry.failed("own")
    assert told(site, "/channels/default/failed-tasks") == {}


def test_a_port_that_is_taken_ends_the_start_with_a_sentence(door_site: Start, both_doors: DoorSite) -> None:
    site = door_site(ready=False, doors={"Kingtask": {"Interface": both_doors.kingtask}})

    assert site.goophry.wait() == 1
    assert "Doors.Kingtask.Interface" in site.goophry.log
