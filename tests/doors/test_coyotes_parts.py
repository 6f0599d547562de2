"""The parts of Coyotes' door that read and write Go's text: forms, numbers, moments, entries of the prepare list."""

import json
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goophry.config_door_types import coyotes_channel_name, coyotes_type_name
from goophry.doors import gojson
from goophry.doors.coyotes_form import MOST_URLENCODED, read_form
from goophry.doors.coyotes_prepare import BadEntry, read_entry
from goophry.doors.coyotes_task import CoyotesTask, old_task, task_of
from goophry.doors.gonumbers import NotANumber, atoi
from goophry.doors.gotime import NEVER, rfc3339, unix_s
from goophry.doors.json_scan import is_cut_off
from goophry.doors.kingtask_body import BadBody, read_body
from goophry.doors.kingtask_task import retries

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("content_type", "body", "form"),
    [
        (FORM, b"a=1&a=2&b=x+y%20z&c", {"a": ["1", "2"], "b": ["x y z"], "c": [""]}),
        (f"{FORM}; charset=utf-8", b"a=%E4%B8%AD", {"a": ["中"]}),
        (FORM.upper(), b"a=1", {"a": ["1"]}),
        (FORM, b"a=%zz&b=1&c=%4", {"b": ["1"]}),
        (FORM, b"a=1;b=2&c=3", {"c": ["3"]}),
        (FORM, b"a=" + b"x" * MOST_URLENCODED, {}),
        ("application/json", b'{"a":1}', {}),
        ("", b"a=1", {}),
        ("multipart/form-data", b"--x--", {}),
        (
            'multipart/form-data; boundary="a b"',
            b'--a b\r\nContent-Disposition: form-data; name="q\\"q"\r\nX: y\r\n\r\n1\r\n2\r\n--a b--\r\nrest',
            {'q"q': ["1\r\n2"]},
        ),
        (
            "multipart/form-data; boundary=b",
            b"preamble\r\n--b  \r\ncontent-disposition: form-data; name=n\r\n\r\n\xff\r\n--b--",
            {"n": ["\udcff"]},
        ),
    ],
)
def test_forms(content_type: str, body: bytes, form: dict[str, list[str]]) -> None:
    assert read_form(content_type, body) == form


@given(st.binary(max_size=300), st.sampled_from([FORM, "multipart/form-data; boundary=b"]))
def test_no_body_breaks_the_form(body: bytes, content_type: str) -> None:
    read_form(content_type, body)
    read_form(content_type, b"--b" + body)


@pytest.mark.parametrize(("text", "number"), [("5", 5), ("+5", 5), ("-05", -5), ("9223372036854775807", 2**63 - 1)])
def test_numbers(text: str, number: int) -> None:
    assert atoi(text) == number


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", 'parsing "": invalid syntax'),
        ("1_0", 'parsing "1_0": invalid syntax'),
        ("٣", 'parsing "٣": invalid syntax'),
        ("\udcff\0\u200b\U000e0001", 'parsing "\\xff\\x00\\u200b\\U000e0001": invalid syntax'),
        ("9223372036854775808", 'parsing "9223372036854775808": value out of range'),
        ("0" * 30 + "9" * 30, f'parsing "{"0" * 30 + "9" * 30}": value out of range'),
    ],
)
def test_what_is_no_number(text: str, why: str) -> None:
    with pytest.raises(NotANumber, match=r"^strconv\.Atoi: ") as caught:
        atoi(text)
    assert str(caught.value).endswith(why)


def test_moments() -> None:
    shanghai = timezone(timedelta(hours=8))

    assert rfc3339(1, UTC) == "1970-01-01T00:00:01Z"
    assert rfc3339(1.25, shanghai) == "1970-01-01T08:00:01.25+08:00"
    assert unix_s("1970-01-01T08:00:01.250000001+08:00") == 1.25
    assert unix_s("1970-01-01T00:00:01Z") == 1
    assert unix_s(NEVER) is None
    assert unix_s("soon") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.50, "2.5"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (1e-7, "1e-7"),
        (-0.000001, "-0.000001"),
        (3.0, "3"),
        ({"<": [None, True, "\x7f\u2029"]}, '{"\\u003c":[null,true,"\x7f\\u2029"]}'),
        ("\udcff\udcfe", '"\\ufffd\\ufffd"'),
    ],
)
def test_json_is_that_of_go(value: Any, text: str) -> None:
    assert gojson.dump(value) == text.encode()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_reads_back(value: Any) -> None:
    assert json.loads(gojson.dump(value)) == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.data(),
)
def test_each_beginning_of_json_is_cut_off(value: Any, data: st.DataObject) -> None:
    text = json.dumps([value])

    assert is_cut_off(text[: data.draw(st.integers(0, len(text) - 1))])


@pytest.mark.parametrize(
    "text", ["[1,]", "{,", '{"a" 1', "tru3", "[1 2", "-a", '"\n', '"\\x', "\ufeff{}", "NaN", "+1", '{"a":01']
)
def test_what_is_wrong_is_not_cut_off(text: str) -> None:
    assert not is_cut_off(text)


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf{}",
        b"[1]",
        b'"x"',
        b"12",
        b'{"bin_name":1}',
        b'{"args":[]}',
        b'{"start_time":"+5"}',
        b'{"start_time":" 5"}',
        b'{"start_time":""}',
        b'{"max_run_time":true}',
        b'{"start_time":"9223372036854775808"}',
        b"[" * 100_000,
    ],
)
def test_bodies_that_kingtask_refuses(body: bytes) -> None:
    with pytest.raises(BadBody):
        read_body(body)


def test_odd_bodies_that_kingtask_takes() -> None:
    body = (
        b' {"BIN_NAME":"a","bin_name":null,"args":"\xff\\ud800","start_time":"null","max_run_time":"-007","x":1e999}]'
    )

    found = read_body(body)

    assert (found.bin_name, found.args, found.start_time, found.max_run_time) == ("a", "\ufffd\ufffd", 0, -7)


@pytest.mark.parametrize(
    ("text", "waits"),
    [
        ("", ()),
        ("2 3 4", (2, 3, 4)),
        ("0 0", (0, 0)),
        ("abc", ()),
        ("1 abc 2", (1,)),
        ("1  2", (1, 2)),
        ("1.5", ()),
        ("1 -1 1", (1,)),
        ("9999999999999999999", ()),
        ("99999999999", (1e9,)),
    ],
)
def test_intervals(text: str, waits: tuple[float, ...]) -> None:
    assert retries(text).delays_s == waits


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"x",
        b"[]",
        b'{"task":1}',
        b'{"ts":"1"}',
        b'{"ts":1.5}',
        b'{"id":1}',
        b'{"command":"x"}',
        b'{"command":{"args":"x"}}',
        b'{"command":{"name":1}}',
        b"{} {}",
        b'{"execute_at":true}',
        b"[" * 100_000,
    ],
)
def test_entries_of_the_prepare_list_that_are_none(raw: bytes) -> None:
    with pytest.raises(BadEntry):
        read_entry(raw)


def test_entries_of_the_prepare_list() -> None:
    found = read_entry(
        '{"TASK":"a 中","chan":"c","ts":null,"more":{},"command":{"name":"p","args":[1,"x",2.50,null,[1]]}}'.encode()
    )

    assert (found.task, found.chan, found.command) == ("a 中", "c", "p")
    assert CoyotesTask("", found.task, found.chan, found.command, found.args).argv() == ("p", "1", "x", "2.5", "", "")
    assert found.due_at(100) == (None, NEVER)
    assert read_entry(b'{"execute_at":200}').due_at(100)[0] == 200


def test_a_command_line_is_parted_at_each_blank() -> None:
    assert CoyotesTask("", " a  b", "c").argv() == ("", "a", "", "b")


def test_tasks_read_back() -> None:
    task = CoyotesTask("i", "n", "c", "p", (1, "x"), retry_count=3, failed_at="2018-10-17T16:49:09Z")

    assert task_of(json.loads(gojson.dump(task.shown()))) == task
    assert task_of({"command": {"args": "x"}}) is None
    assert task_of([]) is None
    assert old_task(b"date -u", channel="c").argv() == ("date", "-u")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_channels_name_is_in_its_types_name(name: str) -> None:
    assert coyotes_channel_name(coyotes_type_name(name)) == name
    assert not set(":{}\0 ") & set(coyotes_type_name(name))
