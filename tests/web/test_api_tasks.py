"""Tasks over HTTP: put in, told of, waited for, cancelled."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import eventually
from web.api_site import ApiSite, Reply, shell

from goophry.config import Unique
from goophry.store import keys

pytest_plugins = ("web.fixtures",)

Start = Callable[..., ApiSite]
R = "redis.Redis[bytes]"

QUICK = shell("quick", 'test "$1" != bad', failed_tasks_ttl=60)
SLOW = shell("slow", "sleep 60", workers=4)


def waiters(site: ApiSite, entry_id: str) -> int:
    return len(site.engine.listener._listeners.get(keys.done(site.settings.redis_queue_key, entry_id), ()))


def test_task_that_is_put_in_waits_in_redis_as_if_pushed(api: Start, r: R, queue_key: str) -> None:
    site = api(QUICK)

    reply = site.post("/tasks/quick", {"Args": ["ä", "2"], "Id": "a/b", "Env": {"X": "1"}, "Timeout": 5, "Retry": [1]})

    assert (reply.status, reply.json) == (202, {"Id": "a/b", "Due": None})
    assert reply.headers["location"] == "/api/v1/tasks/a%2Fb"
    (raw,) = r.lrange(f"{queue_key}:quick", 0, -1)
    entry = json.loads(raw)
    assert entry["Args"] == ["ä", "2"]
    assert (entry["Env"], entry["Timeout"], entry["Retry"]) == ({"X": "1"}, 5, [1])
    assert site.get("/tasks/a%2Fb").json["Status"] == "waiting"


def test_task_without_an_id_gets_one(api: Start) -> None:
    site = api(QUICK)

    made = site.post("/tasks/quick", {}).json["Id"]

    assert site.get(f"/tasks/{made}").json["Type"] == "quick"


def test_put_off_task_says_when_it_is_due(api: Start) -> None:
    site = api(QUICK)

    reply = site.post("/tasks/quick", {"Id": "later", "Delay": 600})

    assert 590 < reply.json["Due"] - time.time() < 610
    assert site.get("/tasks/later").json["Status"] == "delayed"


def test_wait_answers_with_the_result(api: Start) -> None:
    site = api(QUICK)
    site.run()

    good = site.post("/tasks/quick?wait=30", {"Args": ["good"]})
    bad = site.post("/tasks/quick?wait=30", {"Args": ["bad"]})

    assert (good.status, good.json["Status"], good.json["Outcome"]) == (200, "finished", "success")
    assert (bad.json["Outcome"], bad.json["ExitCode"], bad.json["Error"]) == ("failed", 1, "exit status 1")


def test_wait_that_is_over_answers_with_what_is_known(api: Start) -> None:
    site = api(SLOW)
    site.run()

    put_in = site.post("/tasks/slow?wait=0.05", {"Id": "s"})
    asked = site.get("/tasks/s?wait=0.05")

    assert (put_in.status, put_in.json) == (202, {"Id": "s", "Due": None})
    assert (asked.status, asked.json["Type"]) == (200, "slow")


def test_the_same_id_again_is_no_second_task_and_tells_of_the_first(api: Start, r: R, queue_key: str) -> None:
    site = api(QUICK)

    site.post("/tasks/quick", {"Id": "once"})
    again = site.post("/tasks/quick", {"Id": "once"})

    assert (again.status, again.json["Id"], again.json["Status"]) == (200, "once", "waiting")
    assert r.llen(f"{queue_key}:quick") == 1

    site.run()
    assert site.get("/tasks/once?wait=30").json["Outcome"] == "success"
    assert site.post("/tasks/quick?wait=30", {"Id": "once"}).json["Outcome"] == "success"


def test_the_like_of_a_unique_task_is_a_conflict_that_names_it(api: Start) -> None:
    site = api(shell("u", "true", unique=Unique()))

    first = site.post("/tasks/u", {"Args": ["x"]}).json["Id"]
    second = site.post("/tasks/u", {"Args": ["x"]})

    assert (second.status, second.json["Id"]) == (409, first)
    assert second.headers["content-type"] == "application/problem+json"


def test_many_wait_for_one_task_without_a_thread_each(api: Start) -> None:
    site = api(SLOW)
    site.run()
    site.post("/tasks/slow", {"Id": "s"})
    assert site.get("/tasks/s?wait=0.01").status == 200
    replies: list[Reply] = []
    before = threading.active_count()
    waiting = [threading.Thread(target=lambda: replies.append(site.get("/tasks/s?wait=60"))) for _ in range(50)]
    for each in waiting:
        each.start()
    eventually(lambda: waiters(site, "s") == 50, what="fifty wait")
    of_the_server = threading.active_count() - len(waiting)

    site.delete("/tasks/s")
    for each in waiting:
        each.join()

    assert {reply.json["Outcome"] for reply in replies} == {"cancelled"}
    assert of_the_server <= before + 16  # at most the pool that asks Redis
    assert not waiters(site, "s")


def test_waiter_that_leaves_is_waited_for_no_longer(api: Start) -> None:
    site = api(SLOW)
    site.post("/tasks/slow", {"Id": "s"})
    client = site.connect()
    client.request("GET", "/api/v1/tasks/s?wait=60", headers={"Authorization": "Bearer viewer-0123456789abcdef"})
    eventually(lambda: waiters(site, "s"), what="it waits")

    client.close()

    eventually(lambda: not waiters(site, "s"), what="nobody waits")


def test_cancel_takes_out_what_waits_and_ends_what_runs(api: Start, r: R, queue_key: str) -> None:
    site = api(SLOW)
    site.post("/tasks/slow", {"Id": "waits"})

    removed = site.delete("/tasks/waits", role="submitter")
    site.run()
    site.post("/tasks/slow", {"Id": "runs"})
    eventually(lambda: site.get("/tasks/runs").json["Status"] == "running", what="it runs")
    told = site.delete("/tasks/runs")

    assert (removed.status, removed.json) == (200, {"Result": "removed"})
    assert (told.status, told.json) == (202, {"Result": "told"})
    assert site.get("/tasks/runs?wait=30").json["Outcome"] == "cancelled"
    assert site.delete("/tasks/runs").json == {"Result": "ended"}
    assert not r.llen(f"{queue_key}:slow")


@pytest.mark.parametrize("path", ["/tasks/none", "/tasks/" + "x" * 513, "/tasks/"])
def test_unknown_tasks_are_not_found(api: Start, path: str) -> None:
    site = api(QUICK)

    assert site.get(path).status == 404
    assert site.delete(path).status == 404


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "not JSON"),
        (b'"text"', 422, "body"),
        (b'{"Args":["a",1]}', 422, "body.Args.1"),
        (b'{"args":[]}', 422, "body.args"),
        (b'{"Delay":-1}', 422, "body.Delay"),
        (b'{"Delay":1,"At":2}', 422, "Delay and At"),
        (b'{"Id":""}', 422, "body.Id"),
        (b'{"Args":["\\ud800"]}', 422, "surrogates"),
        (b'{"Retry":{"Times":-1}}', 422, "body.Retry"),
        (b'{"Env":{"PATH":"/tmp"}}', 422, "PATH"),
        (b'{"Delay":1e400}', 422, "body.Delay"),
        (b'{"Args":' + b"[" * 5000, 400, "not JSON"),
    ],
)
def test_bad_bodies_are_told_what_is_wrong(api: Start, body: bytes, status: int, says: str) -> None:
    reply = api(QUICK).post("/tasks/quick", body)

    assert reply.status == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert says in json.dumps(reply.json)
    assert reply.json["status"] == status


def test_unknown_type_is_not_found(api: Start) -> None:
    reply = api(QUICK).post("/tasks/nothing", {})

    assert (reply.status, reply.json["detail"]) == (404, "there is no task type 'nothing'")


def test_entry_beyond_the_limit_is_refused_before_it_is_read(api: Start) -> None:
    site = api(QUICK, max_entry_bytes=10_000)

    def post(size: int) -> Reply:
        return site.post("/tasks/quick", {"Args": ["x" * size]})

    assert post(9_000).status == 202
    assert (post(10_100).status, post(20_000).status) == (422, 413)
    assert site.post("/failed/quick/retry", {"Text": "x" * 70_000}).status == 413


def test_redis_that_is_away_is_told_and_not_waited_for_for_ever(api: Start, path_to: Any) -> None:
    path = path_to()
    site = api(QUICK, address=path.address)
    path.cut()

    reply = site.get("/tasks/x")

    assert (reply.status, reply.headers["retry-after"]) == (503, "2")
    assert reply.json["detail"].startswith("Redis: ")

    path.mend()
    eventually(lambda: site.get("/tasks/x").status == 404, what="it is back")
