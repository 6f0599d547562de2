"""What is a job for poulpe, what is not, what runs for it, and what is said of its attempts."""

import json
from typing import Any

import pytest

from goophry.doors import poulpe_run
from goophry.doors.poulpe_job import (
    Job,
    NotAJob,
    NotJson,
    allowed_workers,
    compact,
    job_of,
    read_json,
    read_message,
    ticket_of,
    worker_numbers,
)
from goophry.outcome import Captured, Outcome, Verdict

GOOD: dict[str, Any] = {"id": "a", "method": "get", "delay": 0, "name": "http://s/x", "params": "q=1", "cc": ""}


def job(**fields: Any) -> Job:
    return job_of(GOOD | fields, source="web", now=1704687999.7)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"wait": None},
        {"wait": 0},
        {"wait": 2**64 - 1},
        {"delay": -(2**31)},
        {"delay": 2**31 - 1},
        {"id": ""},
        {"unknown": [1, {}]},
        {"id": "任务 \0/%"},
    ],
)
def test_a_job(fields: dict[str, Any]) -> None:
    found = job(**fields)

    assert found.key == "task-" + str(fields.get("id", "a"))
    assert (found.method, found.kind, found.posted) == ("get", "GET", 1704687999)
    assert Job.from_fields(json.loads(json.dumps(found.to_fields()))) == found


@pytest.mark.parametrize("name", ["id", "method", "name", "params", "cc"])
@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], {}])
def test_texts_are_texts(name: str, value: object) -> None:
    with pytest.raises(NotAJob):
        job(**{name: value})


@pytest.mark.parametrize("name", list(GOOD))
def test_nothing_may_be_left_out_but_wait(name: str) -> None:
    with pytest.raises(NotAJob):
        job_of({key: value for key, value in GOOD.items() if key != name}, source="web", now=0)


@pytest.mark.parametrize(
    "fields",
    [
        *({"delay": value} for value in (None, "0", 0.0, 1.5, True, False, 2**31, -(2**31) - 1, [])),
        *({"wait": value} for value in ("1", 0.0, True, -1, 2**64, [])),
    ],
)
def test_numbers_are_integers_that_fit(fields: dict[str, Any]) -> None:
    with pytest.raises(NotAJob):
        job(**fields)


@pytest.mark.parametrize("value", [None, 1, "x", [], ["a", "GET", 0, "n", "p", ""], True])
def test_only_objects_are_jobs(value: object) -> None:
    with pytest.raises(NotAJob):
        job_of(value, source="web", now=0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a":NaN}',
        b"Infinity",
        b"-Infinity",
        b'"\xff"',
        b'"\\ud800"',
        b'{"\\udc00":1}',
        b"1e999",
        b"[" * 100_000,
    ],
)
def test_what_is_not_json(body: bytes) -> None:
    with pytest.raises(NotJson):
        read_json(body)


def test_of_keys_that_stand_twice_the_last_counts_over_http_and_messages_have_none() -> None:
    text = json.dumps(GOOD)[:-1].encode()

    assert read_json(text + b',"id":"b"}')["id"] == "b"
    for again in (b',"id":"b"}', b',"wait":1,"wait":1}', b',"delay":0}'):
        with pytest.raises(NotAJob):
            read_message(text + again, source="ws", now=0)
    assert read_message(text + b',"x":1,"x":2}', source="kafka", now=0).source == "kafka"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"b":1,"a":{"d":[1,"x"],"c":null}}', '{"a":{"c":null,"d":[1,"x"]},"b":1}'),
        ('"任务\\u0001\\u001f\\"\\\\\\/\\n\\u007f"', '"任务\\u0001\\u001f\\"\\\\/\\n\x7f"'),
        (
            "[1.0,-0,1e3,1e16,1.5e300,0.00001,0.000001,-1.25e-5]",
            "[1.0,-0.0,1000.0,1e16,1.5e300,0.00001,1e-6,-0.0000125]",
        ),
        (
            "[18446744073709551615,18446744073709551616,-9223372036854775809]",
            "[18446744073709551615,1.8446744073709552e19,-9.223372036854776e18]",
        ),
        ("[true,false]", "[true,false]"),
    ],
)
def test_an_echo_is_written_as_the_original_writes(text: str, expected: str) -> None:
    assert compact(read_json(text.encode())) == expected


@pytest.mark.parametrize(
    ("key", "ticket"),
    [
        ("task-a1", "task-a1.u"),
        ("ST:3-1704687999", "ST:3-1704687999.u"),
        ("task-a b", "u"),
        ("task-任", "u"),
        ("task-" + "x" * 100, "u"),
        ("", "u"),
    ],
)
def test_a_ticket_tells_people_which_job_it_is(key: str, ticket: str) -> None:
    assert ticket_of(key, "u") == ticket


@pytest.mark.parametrize(
    ("cc", "workers", "allowed"),
    [
        ("", 3, [0, 1, 2]),
        ("1", 3, [1]),
        ("1 2 1", 3, [1, 2]),
        ("\t2\u3000 0\n", 3, [0, 2]),
        ("1,3", 4, [0]),
        ("x 2", 3, [0, 2]),
        ("7", 3, [0, 1, 2]),
        ("-1 1", 3, [1]),
        ("99999999999 1", 3, [0, 1]),
        ("+1", 3, [1]),
        ("1\x1c2", 3, [0]),
    ],
)
def test_workers_that_may_run_a_job(cc: str, workers: int, allowed: list[int]) -> None:
    assert allowed_workers(worker_numbers(cc), workers=workers) == allowed


@pytest.mark.parametrize(
    ("fields", "args", "timeout_s"),
    [
        ({"params": ""}, ("http", "GET", "http://s/x?"), 30),
        ({"name": "http://s/x?a=1", "params": "b c"}, ("http", "GET", "http://s/x?a=1?b c"), 30),
        ({"method": "pOsT", "params": "{no json"}, ("http", "POST", "http://s/x", "{no json"), 30),
        ({"method": "EXEC", "name": "my prog", "params": " -a  'b c' "}, ("command", "my prog", "-a", "'b", "c'"), 0),
        ({"method": "PUT"}, (), 0),
        ({"method": "MAIL_TO", "params": "{}"}, ("mail",), 5),
        (
            {"method": "mail_to", "params": '{"from_addr":"a","to_addr":"b","title":"c","body":"d","x":1}'},
            ("mail", "a", "b", "c", "d"),
            5,
        ),
    ],
)
def test_what_runs_for_a_job(fields: dict[str, Any], args: tuple[str, ...], timeout_s: float) -> None:
    task = poulpe_run.submission_of(job(**fields), ticket="t", worker=2)

    assert (task.type, task.id, task.args, task.timeout_s) == ("poulpe.2", "t", args, timeout_s)


@pytest.mark.parametrize(("delay", "expected"), [(0, None), (-5, None), (7, 7.0)])
def test_a_delay_below_zero_is_none(delay: int, expected: float | None) -> None:
    assert poulpe_run.submission_of(job(delay=delay), ticket="t", worker=0).delay_s == expected


FAILED, SIGNALLED, NOT_STARTED = Verdict.FAILED, Verdict.SIGNALLED, Verdict.START_FAILED


@pytest.mark.parametrize(
    ("fields", "outcome", "text"),
    [
        ({}, Outcome(FAILED, "status 500\n\nbody"), "服务端错误"),
        ({"method": "POST"}, Outcome(FAILED, "status 204"), "服务端错误"),
        ({}, Outcome(FAILED, "GET http://s/: refused"), "URL无法访问"),
        ({}, Outcome(NOT_STARTED, "not allowed"), "URL无法访问"),
        ({}, Outcome(Verdict.TIMEOUT, "timed out"), "URL无法访问"),
        (
            {"method": "EXEC", "name": "p", "params": "-a  b"},
            Outcome(FAILED, "exit status 1", stdout=Captured(b"one\n\xff\r\ntwo\n")),
            "执行指令:p -a  b<br>报错信息:<br>one<br>\ufffd\r<br>two<br>",
        ),
        ({"method": "EXEC"}, Outcome(SIGNALLED, "killed"), "执行失败"),
        ({"method": "EXEC"}, Outcome(NOT_STARTED, "not found"), "执行失败"),
        ({"method": "EXEC"}, Outcome(Verdict.LOST, "lost"), "执行失败"),
        ({"method": "MAIL_TO", "params": "{"}, Outcome(NOT_STARTED, "expected Args"), "邮件任务参数不正确"),
        (
            {"method": "MAIL_TO", "params": '{"from_addr":"a","to_addr":1,"title":"","body":""}'},
            Outcome(NOT_STARTED),
            "邮件任务参数不正确",
        ),
        (
            {"method": "MAIL_TO", "params": '{"from_addr":"a","to_addr":"b","title":"c","body":"d"}'},
            Outcome(FAILED, "s:25: no\nmore"),
            "Could not send email: s:25: no",
        ),
        (
            {"method": "MAIL_TO", "params": '{"from_addr":"a","to_addr":"b","title":"c","body":"d"}'},
            Outcome(NOT_STARTED, "goophry could not run it: SSLError()"),
            "create transport faild with err:goophry could not run it: SSLError()",
        ),
    ],
)
def test_what_is_said_of_a_failed_attempt(fields: dict[str, Any], outcome: Outcome, text: str) -> None:
    assert poulpe_run.error_text(job(**fields), outcome) == text


def test_a_dead_letter_to_the_byte() -> None:
    letter = poulpe_run.dead_letter(job(id="任", cc="1 9", wait=5, delay=-3), error="错\n", retries=3)

    assert letter.decode() == (
        '{\n  "id": "task-任",\n  "tk_tp": "get",\n  "delay": -3,\n  "name": "http://s/x",\n  "params": "q=1",\n'
        '  "post_time": 1704687999,\n  "exec_time": 0,\n  "retry": 3,\n  "cc": [\n    1,\n    9\n  ],\n'
        '  "error": "错\\n",\n  "waiting_resp": 5,\n  "src_chn": "web"\n}'
    )


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("task-a1", "task-a1.json"),
        ("ST:3-1704687999", "ST:3-1704687999.json"),
        ("task-100% ok", "task-100% ok.json"),
        ("task-../../etc", "task-..%2F..%2Fetc.json"),
        ("task-a\0/%", "task-a%00%2F%25.json"),
    ],
)
def test_where_a_dead_letter_goes(key: str, name: str) -> None:
    assert poulpe_run.dead_letter_path(key, now=1704687999) == ("2024-01-08", name)


def test_long_names_of_dead_letters_are_cut_and_stay_different() -> None:
    names = {poulpe_run.dead_letter_path("task-" + "任" * 200 + end, now=0)[1] for end in "ab"}

    assert len(names) == 2
    assert all(len(name.encode()) <= 255 for name in names)
