"""Everything at a glance, live numbers, live output, what comes later."""

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from conftest import eventually
from web.api_site import TOKENS, ApiSite, shell

from goophry.config import Schedule, TaskType
from goophry.store import keys

pytest_plugins = ("web.fixtures",)

Start = Callable[..., ApiSite]
R = "redis.Redis[bytes]"
T = shell("t", "true")


class Stream:
    """The events of a stream, one after the other."""

    def __init__(self, site: ApiSite, path: str) -> None:
        self._connection = site.connect()
        headers = {"Authorization": f"Bearer {TOKENS['viewer']}"}
        self._connection.request("GET", f"/api/v1{path}", headers=headers)
        self._reply: http.client.HTTPResponse = self._connection.getresponse()
        assert self._reply.status == 200
        assert self._reply.headers["content-type"].startswith("text/event-stream")

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        name = ""
        try:
            for raw in self._reply:
                key, _, value = raw.decode().rstrip("\n").partition(": ")
                if key == "event":
                    name = value
                elif key == "data":
                    yield name, json.loads(value)
        finally:
            self.close()

    def close(self) -> None:
        self._reply.close()
        self._connection.close()


def row(site: ApiSite, name: str = "t") -> dict[str, Any]:
    return next(each for each in site.get("/types").json if each["Type"] == name)


def test_overview_tells_of_every_type_and_instance(api: Start, r: R, queue_key: str) -> None:
    site = api(T, shell("u", "true"))
    r.rpush(f"{queue_key}:t", "{}", "{}")
    site.board.turn()

    overview = site.get("/overview").json

    assert [each["Type"] for each in overview["Types"]] == ["t", "u"]
    assert (row(site)["Waiting"], row(site)["Workers"], row(site)["Instances"]) == (2, 1, 1)
    assert overview["Redis"] == {"Up": True, "Since": None, "Reason": ""}
    (instance,) = overview["Instances"]
    assert (instance["Id"], instance["Alive"], instance["Workers"]) == (overview["Instance"], True, 2)


def test_last_hour_counts_what_ran_and_why_it_failed(api: Start) -> None:
    site = api(shell("t", 'echo "no such image" >&2; exit $1', failed_tasks_ttl=60))
    site.board.turn()
    site.run()
    for code in ("0", "3", "3"):
        site.post("/tasks/t?wait=30", {"Args": [code]})

    def counted() -> bool:
        site.engine.heartbeat.turn()
        site.board.turn()
        return bool(row(site)["DoneHour"] == 1 and row(site)["FailedHour"] == 2)

    eventually(counted, what="three runs are counted")
    found = row(site)
    assert (found["Failed"], found["LastError"]) == (2, "exit status 3")
    assert 0 < found["P50"] <= found["P95"]
    plot = site.get("/types/t").json["Plot"]
    assert sum(each or 0 for each in plot["Done"]) == 1
    assert sum(each or 0 for each in plot["Failed"]) == 2
    assert "t" in site.get("/plots").json
    assert any("2 of 3 runs failed" in each["Text"] for each in site.get("/overview").json["Findings"])


def test_pause_and_resume_reach_the_loops_and_the_page(api: Start, r: R, queue_key: str) -> None:
    site = api(T)
    site.run()

    assert site.post("/types/t/pause").json == {"Changed": True}
    assert site.post("/types/t/pause").json == {"Changed": False}
    eventually(lambda: "t" in site.engine.types.paused(), what="its loop is held")
    site.board.turn()
    assert row(site)["Paused"] is True

    site.post("/tasks/t", {"Id": "later"})
    site.post("/types/t/resume")
    assert site.get("/tasks/later?wait=30").json["Outcome"] == "success"
    assert site.post("/types/nothing/pause").status == 404


def test_configuration_is_shown_without_its_secrets(api: Start) -> None:
    site = api(shell("t", "true", env={"PASSWORD": "secret-value"}, timeout=5))

    config = site.get("/types/t").json["Config"]

    assert config["Env"] == {"PASSWORD": "(hidden)"}
    assert (config["Timeout"], config["Script"]) == (5.0, ["/bin/sh", "-c", "true", "sh"])
    assert "secret-value" not in site.get("/types/t").body.decode()
    assert site.get("/types/nothing").status == 404


def test_live_numbers_come_as_they_change(api: Start, r: R, queue_key: str) -> None:
    site = api(T, shell("u", "true"))
    stream = Stream(site, "/events")
    events = iter(stream)

    name, first = next(events)
    r.rpush(f"{queue_key}:t", "{}")
    site.board.turn()
    changes = [next(events)]
    while not any(each["Type"] == "t" and each["Waiting"] for _, change in changes for each in change["Types"]):
        changes.append(next(events))

    assert (name, [each["Type"] for each in first["Types"]]) == ("overview", ["t", "u"])
    assert {kind for kind, _ in changes} == {"change"}
    assert all(each["Type"] != "u" for _, change in changes for each in change["Types"])
    stream.close()
    eventually(lambda: not site.board._watchers, what="nobody watches")


def test_output_arrives_while_the_task_runs(api: Start, tmp_path: Path) -> None:
    go = tmp_path / "go"
    site = api(
        shell("t", f"echo one; echo oops >&2; while [ ! -e {go} ]; do sleep 0.05; done; printf 'zw\\303\\266lf'")
    )
    site.run()
    site.post("/tasks/t", {"Id": "x"})
    eventually(lambda: site.get("/tasks/x").json["Status"] == "running", what="it runs")
    events = iter(Stream(site, "/tasks/x/output"))

    first = [next(events), next(events)]
    later = iter(Stream(site, "/tasks/x/output"))
    again = [next(later), next(later)]
    go.touch()
    rest, rest_again = list(events), list(later)

    assert sorted((each["Stream"], each["Text"]) for _, each in first) == [("stderr", "oops\n"), ("stdout", "one\n")]
    assert sorted(str(each) for each in again) == sorted(str(each) for each in first)
    assert [each["Text"] for name, each in rest if name == "output"] == ["zwölf"]
    assert rest_again == rest
    assert rest[-1] == ("end", {"Outcome": "output"})


def test_output_of_what_has_ended_is_told_from_its_record(api: Start) -> None:
    site = api(shell("t", "echo one; echo two >&2", fail_on_output=False))
    site.run()
    site.post("/tasks/t?wait=30", {"Id": "x"})

    events = list(Stream(site, "/tasks/x/output"))

    assert [each["Text"] for name, each in events if name == "output"] == ["one\n", "two\n"]
    assert events[-1] == ("end", {"Outcome": "success"})
    assert site.get("/tasks/nothing/output").status == 404


def test_run_without_an_id_is_watched_and_cancelled_by_its_run(api: Start, r: R, queue_key: str) -> None:
    site = api(shell("t", "echo here; sleep 60"))
    site.run()
    r.rpush(f"{queue_key}:t", '{"Args":["a"]}')

    def running() -> Any:
        site.engine.heartbeat.turn()
        site.board.turn()
        return site.get("/running").json

    (run,) = eventually(running, what="it is told of")
    events = iter(Stream(site, f"/runs/{run['Run']}/output"))
    assert next(events)[1]["Text"] == "here\n"
    assert (run["Type"], run["Id"], run["Args"], run["Timeout"]) == ("t", None, '"a"', 0.0)

    assert site.delete(f"/runs/{run['Run']}", role="submitter").status == 202
    assert list(events)[-1] == ("end", {"Outcome": None})
    assert site.delete("/runs/nothing").status == 404


def test_delayed_tasks_are_paged_by_when_they_are_due_run_now_and_deleted(api: Start) -> None:
    site = api(T, shell("u/v", "true"))
    for number in range(5):
        site.post(
            "/tasks/" + ("t" if number % 2 else "u%2Fv"), {"Id": f"n{number}", "Delay": 600 + number, "Args": ["a"]}
        )

    first = site.get("/delayed?limit=3").json
    second = site.get(f"/delayed?limit=3&cursor={first['Cursor']}").json
    entries = first["Entries"] + second["Entries"]

    assert [each["Id"] for each in entries] == ["n0", "n1", "n2", "n3", "n4"]
    assert second["Cursor"] is None
    assert [each["Id"] for each in site.get("/delayed?type=t").json["Entries"]] == ["n1", "n3"]
    assert site.get("/delayed?cursor=x").status == 422

    path = f"/delayed/u%2Fv/entries/{entries[0]['Key']}"
    site.run()
    assert site.post(f"{path}/run").json["Id"] == "n0"
    assert site.get("/tasks/n0?wait=30").json["Outcome"] == "success"
    assert site.delete(f"/delayed/t/entries/{entries[1]['Key']}").json["Id"] == "n1"
    assert site.delete(f"/delayed/t/entries/{entries[1]['Key']}").status == 404
    assert [each["Id"] for each in site.get("/delayed").json["Entries"]] == ["n2", "n3", "n4"]


def test_entries_due_at_the_same_moment_are_all_paged(api: Start) -> None:
    site = api(T)
    for number in range(7):
        site.post("/tasks/t", {"Id": f"n{number}", "At": 4_000_000_000})

    found, cursor = [], ""
    while True:
        page = site.get(f"/delayed?limit=2{cursor}").json
        found += [each["Id"] for each in page["Entries"]]
        if page["Cursor"] is None:
            break
        cursor = f"&cursor={page['Cursor']}"

    assert sorted(found) == [f"n{number}" for number in range(7)]


def test_schedules_tell_their_next_moments_and_run_at_once(api: Start) -> None:
    nightly = Schedule(name="nightly/a", cron="0 3 * * *", type="t", args=("x",), timezone="UTC", overlap="skip")
    site = api(T, schedules=(nightly,))

    (told,) = site.get("/schedules").json
    run = site.post("/schedules/nightly%2Fa/run")
    again = site.post("/schedules/nightly%2Fa/run")

    assert (told["Name"], told["Type"], told["Args"]) == ("nightly/a", "t", ["x"])
    assert len(told["Next"]) == 5
    assert all(moment % 86_400 == 3 * 3600 for moment in told["Next"])
    assert (run.status, run.json["Id"].startswith("nightly/a@")) == (202, True)
    assert (again.status, again.json["Id"]) == (409, run.json["Id"])
    assert site.post("/schedules/none/run").status == 404


def test_redis_that_is_away_is_the_first_thing_told(api: Start, path_to: Any) -> None:
    path = path_to()
    site = api(T, address=path.address)
    site.board.turn()
    path.cut()

    overview = site.board.turn()

    assert overview.redis.up is False
    assert overview.findings[0].text.startswith("Redis cannot be reached")
    assert [row.type for row in overview.types] == ["t"]
    path.mend()
    eventually(lambda: site.board.turn().redis.up, what="it is back")


def test_instance_that_went_away_is_told_with_what_it_held(api: Start, r: R, queue_key: str) -> None:
    site = api(T)
    r.zadd(keys.seen(queue_key), {"elsewhere-7-5f-abc": 4_000_000_000})
    r.rpush(keys.running(keys.queue(queue_key, "t"), "elsewhere-7-5f-abc"), "{}", "{}")

    overview = site.board.turn()

    gone = next(each for each in overview.instances if not each.alive)
    assert (gone.host, gone.holds, gone.seen) == ("elsewhere", 2, 4_000_000_000)
    assert overview.findings[0].text == "The instance elsewhere went away with 2 entries in its hands"


def test_five_hundred_types_are_one_look(api: Start) -> None:
    types: list[TaskType] = [shell(f"type-{number}", "true") for number in range(500)]
    site = api(*types)

    assert len(site.get("/overview").json["Types"]) == 500
    assert len(site.get("/types").json) == 500
