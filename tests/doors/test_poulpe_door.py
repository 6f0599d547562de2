"""poulpe's door with a desk of the test's own: each request and its reply, to the byte."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from fakes import FakeClock

from goophry.doors.base import Reply, Request, Stop
from goophry.doors.poulpe import LONGEST_RESULT, Info, PoulpeDoor, Said, result_message, short_result
from goophry.doors.poulpe_job import Job
from goophry.errors import StoreUnavailable
from goophry.submission import InvalidSubmission

JSON = {"content-type": "application/json"}
GOOD: dict[str, Any] = {"id": "a", "method": "get", "delay": 0, "name": "http://s/x", "params": "q=1", "cc": ""}


class FakeDesk:
    def __init__(self) -> None:
        self.taken: list[tuple[Job, str]] = []
        self.told: dict[str, list[Said]] = {}
        self.problem: Exception | None = None

    def take(self, jobs: Sequence[tuple[Job, str]]) -> None:
        if self.problem is not None:
            raise self.problem
        self.taken += jobs

    def watch(self, place: str, told: Callable[[], None]) -> Stop:
        told()
        return lambda: None

    def said(self, place: str) -> Said | None:
        found = self.told.get(place)
        return found.pop(0) if found else None

    def put_back(self, place: str, said: Said) -> None:
        self.told.setdefault(place, []).insert(0, said)

    def info(self) -> Info:
        if self.problem is not None:
            raise self.problem
        return Info({0: 2, 1: 0}, [("task-a b", 1704687999)], ["task-b"], ["task-任"])


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def door(desk: FakeDesk) -> PoulpeDoor:
    tickets = iter(f"t{number}" for number in range(100))
    return PoulpeDoor(desk, has_mail=False, clock=FakeClock(), new_ticket=lambda: next(tickets))


def ask(door: PoulpeDoor, method: str, path: str, body: bytes | None = b"", **headers: str) -> Any:
    return door.answer(
        Request(method, path.encode(), headers={k.replace("_", "-"): v for k, v in headers.items()}, body=body)
    )


def post(door: PoulpeDoor, body: object, content_type: str = "application/json") -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(door, "POST", "/task_in_queue", raw, content_type=content_type)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json", "application/json;"],
)
def test_a_job_is_accepted(door: PoulpeDoor, desk: FakeDesk, content_type: str) -> None:
    reply = post(door, GOOD, content_type)

    assert reply == Reply(200, b'{"reason":"","result":"OK"}', {"Content-Type": "application/json"})
    ((job, ticket),) = desk.taken
    assert (job.key, job.source, ticket) == ("task-a", "web", "task-a.t0")


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/jsonx", "text/json", "application/x-www-form-urlencoded"]
)
def test_another_content_type_is_refused_before_the_body_is_looked_at(
    door: PoulpeDoor, desk: FakeDesk, content_type: str
) -> None:
    reply = post(door, b"{", content_type)

    assert (reply.status, reply.body) == (415, b"Expected request with `Content-Type: application/json`")
    assert reply.headers == {"Content-Type": "text/plain; charset=utf-8"}
    assert not desk.taken


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"", 400, "Failed to parse the request body as JSON: "),
        (b"{", 400, "Failed to parse the request body as JSON: "),
        (b"\xff", 400, "Failed to parse the request body as JSON: "),
        (None, 413, "Failed to buffer the request body: length limit exceeded"),
    ],
)
def test_bodies_that_are_none(door: PoulpeDoor, body: bytes | None, status: int, text: str) -> None:
    reply = ask(door, "POST", "/task_in_queue", body, content_type="application/json")

    assert reply.status == status
    assert reply.body.decode().startswith(text)
    assert reply.headers == {"Content-Type": "text/plain; charset=utf-8"}


@pytest.mark.parametrize(
    ("value", "echo"),
    [
        ({"method": "GET", "id": 7}, '{\\"id\\":7,\\"method\\":\\"GET\\"}'),
        (
            GOOD | {"delay": 0.0, "id": "任"},
            '{\\"cc\\":\\"\\",\\"delay\\":0.0,\\"id\\":\\"任\\",\\"method\\":\\"get\\",\\"name\\":\\"http://s/x\\",\\"params\\":\\"q=1\\"}',
        ),
        (None, "null"),
        ('a"b', '\\"a\\\\\\"b\\"'),
    ],
)
def test_json_that_is_no_job_is_echoed(door: PoulpeDoor, desk: FakeDesk, value: object, echo: str) -> None:
    reply = post(door, value)

    assert (reply.status, reply.body.decode()) == (200, '{"reason":"非法的请求:' + echo + '","result":"Fail"}')
    assert not desk.taken


def test_a_mail_without_a_server_to_log_in_to_is_refused_and_wait_is_disregarded(
    door: PoulpeDoor, desk: FakeDesk
) -> None:
    reply = post(door, GOOD | {"method": "mail_to", "wait": 5})

    assert reply.body.decode() == '{"reason":"未配置SMTP服务器","result":"Fail"}'
    assert not desk.taken


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (Said("OK", is_last=True), '{"reason":"","result":"OK"}'),
        (Said("服务端错误", is_last=False), '{"reason":"错误：服务端错误","result":"Fail"}'),
    ],
)
def test_wait_holds_the_request_for_the_first_attempt(door: PoulpeDoor, desk: FakeDesk, said: Said, body: str) -> None:
    later = post(door, GOOD | {"wait": 7})

    assert later.wait_s == 7
    assert later.look() is None
    desk.told["task-a"] = [said]
    assert later.look().body.decode() == body
    assert later.late().body.decode() == '{"reason":"等待超时","result":"Timeout"}'


@pytest.mark.parametrize("place", ["task-a b", "task-task-a b"])
def test_a_result_is_asked_for_by_either_form_of_the_key_and_once(door: PoulpeDoor, desk: FakeDesk, place: str) -> None:
    desk.told[place] = [Said("x", is_last=False), Said("OK", is_last=True)]
    later = ask(door, "GET", "/task_resp/task-a%20b")

    assert later.wait_s == 60
    assert later.look().body.decode() == '{"reason":"错误：x","result":"Fail"}'
    later.put_back()
    assert [later.look().body, later.look().body] == [
        '{"reason":"错误：x","result":"Fail"}'.encode(),
        b'{"reason":"","result":"OK"}',
    ]
    assert later.look() is None


def test_all_jobs(door: PoulpeDoor) -> None:
    reply = ask(door, "GET", "/sys_info")

    assert reply.body.decode() == (
        '{"channel_sizes":{"0":2,"1":0},"delaying_keys":["task-a b 1704687999"],'
        '"working_keys":["task-b"],"wronging_keys":["task-任"]}'
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "body", "allow"),
    [
        ("GET", "/task_in_queue", 405, b"", "POST"),
        ("PUT", "/task_in_queue", 405, b"", "POST"),
        ("POST", "/sys_info", 405, b"", "GET,HEAD"),
        ("DELETE", "/task_resp/a", 405, b"", "GET,HEAD"),
        ("POST", "/ws_task", 405, b"", "GET,HEAD"),
        ("GET", "/", 404, b"", None),
        ("GET", "/task_resp/", 404, b"", None),
        ("GET", "/task_resp", 404, b"", None),
        ("GET", "/task_resp/a/", 404, b"", None),
        ("GET", "/sys_info/", 404, b"", None),
        ("POST", "/task_in_queue/", 404, b"", None),
        ("GET", "/ws_task", 400, b"Connection header did not include 'upgrade'", None),
    ],
)
def test_routes(door: PoulpeDoor, method: str, path: str, status: int, body: bytes, allow: str | None) -> None:  # noqa: PLR0917 - a table
    reply = ask(door, method, path, content_type="application/json")

    assert (reply.status, reply.body, reply.headers.get("Allow")) == (status, body, allow)


def test_a_key_that_is_no_text(door: PoulpeDoor) -> None:
    reply = ask(door, "GET", "/task_resp/%ff")

    assert reply.status == 400
    assert reply.body.startswith(b"Invalid URL: ")


def test_without_redis_it_says_so(door: PoulpeDoor, desk: FakeDesk) -> None:
    desk.problem = StoreUnavailable("away")

    for reply in (post(door, GOOD), ask(door, "GET", "/sys_info")):
        assert (reply.status, reply.body) == (503, b'{"reason":"away","result":"Fail"}')
    with pytest.raises(StoreUnavailable):
        door.message(json.dumps(GOOD).encode())


def test_what_is_too_long_for_goophry_is_refused(door: PoulpeDoor, desk: FakeDesk) -> None:
    desk.problem = InvalidSubmission("too long")

    assert post(door, GOOD).body == b'{"reason":"too long","result":"Fail"}'
    assert door.message(json.dumps(GOOD).encode()) is None


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"\xff", json.dumps(GOOD | {"wait": -1}).encode()])
def test_rubbish_over_a_websocket_is_passed_over_in_silence(door: PoulpeDoor, desk: FakeDesk, body: bytes) -> None:
    assert door.message(body) is None
    assert not desk.taken


def test_results_are_pushed_to_whoever_waits(door: PoulpeDoor, desk: FakeDesk) -> None:
    assert door.message(json.dumps(GOOD).encode()) is None
    push = door.message(json.dumps(GOOD | {"wait": 1, "method": "MAIL_TO"}).encode())
    assert push is not None

    assert push.subject == "task-a"
    desk.told["task-a.t1"] = [Said("first", is_last=False)]
    assert push.take() == (["first"], False)
    desk.told["task-a.t1"] = [Said("second", is_last=False), Said("third", is_last=True)]
    assert push.take() == (["second", "third"], True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("OK", '{"request_id":"task-a b","result":"OK"}'),
        ("错\n", '{"reason":"错\\n","request_id":"task-a b","result":"Fail"}'),
    ],
)
def test_what_is_sent_of_an_attempt(text: str, message: str) -> None:
    assert result_message("task-a b", text) == message


@pytest.mark.parametrize("text", ["x" * 1_000_000, "\n" * 1_000_000, "错" * 1_000_000, '"\0' * 500_000])
def test_a_result_over_kafka_fits_what_brokers_take(text: str) -> None:
    message = short_result("task-a", text)

    assert 700_000 < len(message) <= LONGEST_RESULT
    value = json.loads(message)
    assert (value["request_id"], value["result"]) == ("task-a", "Fail")
    assert text.startswith(value["reason"])


def test_an_id_that_is_too_long_for_kafka_is_not_cut() -> None:
    assert json.loads(short_result("x" * 1_000_000, "error")) == {
        "reason": "",
        "request_id": "x" * 1_000_000,
        "result": "Fail",
    }
    assert json.loads(short_result("x" * 1_000_000, "OK"))["result"] == "OK"


def test_a_long_id_is_kept_by_nobody_who_waits(door: PoulpeDoor, desk: FakeDesk) -> None:
    """A thousand who wait for jobs whose ids have a megabyte keep a thousand short names."""
    long = GOOD | {"id": "x" * 1_000_000, "wait": 1}

    later = post(door, long)
    push = door.message(json.dumps(long).encode())

    assert push is not None
    assert len(push.subject) < 100
    desk.told[push.subject] = [Said("OK", is_last=True)]
    assert later.look().body == b'{"reason":"","result":"OK"}'
