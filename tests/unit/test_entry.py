"""The entry in a list, read as the original reads it, written as the original writes it."""

import base64
import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goophry.entry import MAX_ID_LENGTH, TaskEntry, failed_entry, parse, put_off, unreadable_entry
from goophry.errors import UnreadableEntry

READ = [
    ('{"Args":["1","two words","","é"]}', ("1", "two words", "", "é")),
    ("{}", ()),
    ('{"Args":null}', ()),
    ("null", ()),
    ('{"Args":[]}', ()),
    ('{"args":["x"]}', ("x",)),
    ('{"ARGS":["x"]}', ("x",)),
    (' \t\r\n{"Args":["x"]}\r\n', ("x",)),
    ('{"Other":1,"Args":["x"]}', ("x",)),
    ('{"Args":["a",null,"b"]}', ("a", "", "b")),
    ('{"Args":["first"],"args":["last"]}', ("last",)),
    ('{"Args":["x"],"ErrorMessage":"exit status 3"}', ("x",)),
    ('{"Args":["x"],"ErrorMessage":17}', ("x",)),
    ('{"Args":["\\u00e9\\ud83d\\ude00"]}', ("é😀",)),
    ('{"Args":["a\\u0000b"]}', ("a\0b",)),
]

UNREAD = [
    ("", "not JSON: Expecting value"),
    ("not json", "not JSON: Expecting value"),
    ('{"Args":["x"]} garbage', "not JSON: Extra data"),
    ('{"Args":["x"]', "not JSON"),
    ("[]", "expected a JSON object, found an array"),
    ('"s"', "expected a JSON object, found a string"),
    ("17", "expected a JSON object, found a number"),
    ("true", "expected a JSON object, found a boolean"),
    ('{"Args":[1]}', "Args[0]: expected a string, found a number"),
    ('{"Args":["a",["b"]]}', "Args[1]: expected a string, found an array"),
    ('{"Args":"s"}', "Args: expected an array of strings, found a string"),
    ('{"Args":{}}', "Args: expected an array of strings, found an object"),
    ('{"X":NaN}', "NaN is not JSON"),
    ('{"X":-Infinity}', "-Infinity is not JSON"),
    ('{"X":' + "1" * 5000 + "}", "not JSON that can be read"),
    ("[" * 100_000, "not JSON that can be read"),
    ('{"Id":["x"]}', "Id: expected a string, found an array"),
    ('{"Id":true}', "Id: expected a string, found a boolean"),
    ('{"Id":1.5}', "Id: expected a string, found a number"),
    ('{"Id":"a\\u0000"}', "Id: expected at most 512 characters without NUL"),
    ('{"Id":"' + "x" * (MAX_ID_LENGTH + 1) + '"}', "Id: expected at most 512 characters"),
    ('{"Env":[]}', "Env: expected an object of strings, found an array"),
    ('{"Env":{"A":1}}', "Env.A: expected a string, found a number"),
    ('{"Env":{"A":null}}', "Env.A: expected a string, found null"),
    ('{"Env":{"A":"a\\u0000"}}', "Env.A: the value holds a NUL character"),
    ('{"Env":{"":"x"}}', "Env: '' is not a name"),
    ('{"Env":{"A=B":"x"}}', "Env: 'A=B' is not a name"),
    ('{"Env":{"1A":"x"}}', "Env: '1A' is not a name"),
    ('{"Env":{"A\\n":"x"}}', "is not a name"),
    ('{"Timeout":-1}', "Timeout: expected seconds, 0 or more, found -1"),
    ('{"Timeout":"5"}', 'Timeout: expected seconds, 0 or more, found "5"'),
    ('{"Timeout":true}', "Timeout: expected seconds, 0 or more, found true"),
    ('{"Timeout":1e400}', "Timeout: expected seconds"),
    ('{"Timeout":' + "9" * 400 + "}", "Timeout: expected seconds"),
]


@pytest.mark.parametrize(("text", "args"), READ)
def test_what_the_original_runs_is_read_with_the_same_arguments(text: str, args: tuple[str, ...]) -> None:
    assert parse(text.encode()).args == args


@pytest.mark.parametrize(("text", "reason"), UNREAD, ids=[reason[:40] for _, reason in UNREAD])
def test_what_is_no_entry_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(UnreadableEntry) as caught:
        parse(text.encode())

    assert reason in str(caught.value)


def test_an_id_is_text() -> None:
    """It becomes part of names, in Redis and elsewhere."""
    with pytest.raises(UnreadableEntry, match="Id: expected at most 512 characters without NUL, in UTF-8"):
        parse(b'{"Id":"a\xff"}')


@pytest.mark.parametrize("shape", ['{"X":%s"\\ud800"%s}', '{"Timeout":%s1%s}', '{"X":%s1%s}'])
def test_brackets_at_any_depth_are_read_or_refused(shape: str) -> None:
    """Whoever walks down the value, reader or writer, may run out of stack at a depth of its own."""
    for depth in range(100, 1100, 7):
        raw = (shape % ("[" * depth, "]" * depth)).encode()
        try:
            entry = parse(raw)
        except UnreadableEntry:
            continue
        parse(failed_entry(entry, "m", raw))


@pytest.mark.parametrize(
    ("text", "expected"),
    [('"abc"', "abc"), ("17", "17"), ('""', None), ("null", None), (f'"{"x" * 512}"', "x" * 512)],
)
def test_an_id_is_a_string_or_a_whole_number(text: str, expected: str | None) -> None:
    assert parse(f'{{"id":{text}}}'.encode()).id == expected


@pytest.mark.parametrize(("text", "expected"), [("0", 0.0), ("5", 5.0), ("0.5", 0.5), ("1e10", 1e10), ("null", None)])
def test_a_timeout_is_in_seconds(text: str, expected: float | None) -> None:
    assert parse(f'{{"Timeout":{text}}}'.encode()).timeout_s == expected


def test_env_is_given_as_it_is() -> None:
    assert parse(b'{"env":{"A":"1","_b2":"two words"}}').env == {"A": "1", "_b2": "two words"}


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "LD_PRELOAD",
        "LD_AUDIT",
        "DYLD_INSERT_LIBRARIES",
        "BASH_ENV",
        "ENV",
        "IFS",
        "PS4",
        "SHELLOPTS",
        "BASHOPTS",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PERL5LIB",
        "PERL5OPT",
        "PERLLIB",
        "RUBYOPT",
        "RUBYLIB",
        "NODE_OPTIONS",
        "NODE_PATH",
        "PHPRC",
        "PHP_INI_SCAN_DIR",
        "JAVA_TOOL_OPTIONS",
        "_JAVA_OPTIONS",
        "LUA_INIT",
        "LUA_PATH",
        "GLIBC_TUNABLES",
        "GCONV_PATH",
        "GOOPHRY_RUN",
    ],
)
def test_an_entry_may_not_choose_what_code_runs(name: str) -> None:
    with pytest.raises(UnreadableEntry, match=f"Env: {name} may not be set"):
        parse(json.dumps({"Env": {name: "x"}}).encode())


@pytest.mark.parametrize("name", ["PATHS", "ENVIRONMENT", "LDFLAGS", "MY_PATH", "PHPRCX"])
def test_names_that_only_look_like_those_are_allowed(name: str) -> None:
    assert parse(json.dumps({"Env": {name: "x"}}).encode()).env == {name: "x"}


WRITTEN = [
    ('{"Args":["a","b c"]}', '{"Args":["a","b c"],"ErrorMessage":"m"}'),
    ('{ "args" : [ "a" ] }', '{"Args":["a"],"ErrorMessage":"m"}'),
    ("{}", '{"Args":[],"ErrorMessage":"m"}'),
    ("null", '{"Args":[],"ErrorMessage":"m"}'),
    ('{"Args":null}', '{"Args":[],"ErrorMessage":"m"}'),
    ('{"Args":[null]}', '{"Args":[""],"ErrorMessage":"m"}'),
    ('{"errormessage":"old","Args":["a"]}', '{"Args":["a"],"ErrorMessage":"m"}'),
    (
        '{"Other":{"b":[1,2.5,true,null]},"Args":["a"],"id":7}',
        '{"Args":["a"],"Other":{"b":[1,2.5,true,null]},"Id":7,"ErrorMessage":"m"}',
    ),
    (
        '{"Args":["<a href=\\"x\\">&\\u2028é"]}',
        '{"Args":["\\u003ca href=\\"x\\"\\u003e\\u0026\\u2028é"],"ErrorMessage":"m"}',
    ),
    ('{"Args":["\\ud800x"]}', '{"Args":["\ufffdx"],"ErrorMessage":"m"}'),
    (
        '{"N":123456789012345678901234567890,"Args":[]}',
        '{"Args":[],"N":123456789012345678901234567890,"ErrorMessage":"m"}',
    ),
]


@pytest.mark.parametrize(("given", "kept"), WRITTEN)
def test_the_failed_entry_is_written_to_the_byte(given: str, kept: str) -> None:
    assert failed_entry(parse(given.encode()), "m", given.encode()) == kept.encode()


def test_a_message_is_written_as_the_original_does() -> None:
    assert failed_entry(TaskEntry(), 'two\nlines\t<"&">', b"{}") == (
        b'{"Args":[],"ErrorMessage":"two\\nlines\\t\\u003c\\"\\u0026\\"\\u003e"}'
    )


def test_a_number_that_cannot_be_written_again_is_kept_as_text() -> None:
    raw = b'{"Args":["a"],"X":1e400}'

    kept = json.loads(failed_entry(parse(raw), "m", raw))

    assert kept == {"Args": ["a"], "ErrorMessage": "m", "Entry": raw.decode()}


def test_bytes_that_are_not_utf8_travel_unchanged() -> None:
    raw = b'{"Args":["\xff\xfe caf\xe9"],"x":"\x80"}'

    entry = parse(raw)

    assert [os.fsencode(arg) for arg in entry.args] == [b"\xff\xfe caf\xe9"]
    assert failed_entry(entry, "m", raw) == b'{"Args":["\xff\xfe caf\xe9"],"x":"\x80","ErrorMessage":"m"}'


@pytest.mark.parametrize("raw", [b'{"Args":["\\ud800\xff"]}', b'{"Args":["\\udfff"]}', b'{"\\ud800":1,"Args":["x"]}'])
def test_lone_surrogates_never_stop_an_entry_from_being_kept(raw: bytes) -> None:
    entry = parse(raw)

    assert parse(failed_entry(entry, "m", raw)).args == entry.args
    assert [os.fsencode(arg) for arg in entry.args]


def test_text_that_is_no_entry_is_kept_under_entry() -> None:
    assert (
        unreadable_entry(b"not <json>", "why") == b'{"Args":[],"ErrorMessage":"why","Entry":"not \\u003cjson\\u003e"}'
    )


def test_bytes_that_are_no_text_are_kept_a_second_time_exactly() -> None:
    kept = json.loads(unreadable_entry(b"\xffx", "why"))

    assert kept["Entry"] == "\ufffdx"
    assert base64.b64decode(kept["EntryBase64"]) == b"\xffx"


@pytest.mark.parametrize("raw", [b"not json", b"\xff", b'{"Args":"s"}'])
def test_an_unreadable_entry_pushed_again_from_the_failed_list_runs_without_arguments(raw: bytes) -> None:
    assert parse(unreadable_entry(raw, "why")).args == ()


def test_a_failed_entry_pushed_again_fails_with_the_new_message_alone() -> None:
    raw = failed_entry(parse(b'{"Args":["a"]}'), "first", b"")

    assert failed_entry(parse(raw), "second", raw) == b'{"Args":["a"],"ErrorMessage":"second"}'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["Args", "args", "Id", "ENV", "Timeout", "ErrorMessage", "x", "Entry"])


@given(st.binary() | st.dictionaries(NAMES, JSON).map(lambda value: json.dumps(value).encode()))
def test_whatever_a_producer_pushes_is_read_or_refused_and_kept(raw: bytes) -> None:
    try:
        entry = parse(raw)
        kept = failed_entry(entry, "why", raw)
    except UnreadableEntry as error:
        entry = TaskEntry()
        kept = unreadable_entry(raw, str(error))

    assert parse(kept).args == entry.args


@given(
    st.lists(st.text()), st.dictionaries(st.text(), JSON, max_size=3), st.text(st.characters(exclude_categories=["Cs"]))
)
def test_a_failed_entry_holds_the_arguments_and_the_message(
    args: list[str], more: dict[str, Any], message: str
) -> None:
    raw = json.dumps(more | {"Args": args}).encode()
    try:
        entry = parse(raw)
    except UnreadableEntry:
        return

    kept = json.loads(failed_entry(entry, message, raw))

    assert kept["ErrorMessage"] == message
    assert tuple(kept["Args"]) == entry.args


def test_the_record_of_an_unreadable_entry_is_not_run_when_pushed_back() -> None:
    record = unreadable_entry(b"not json", "parseQueueTask(): not JSON")

    with pytest.raises(UnreadableEntry, match="mend the text in Entry"):
        parse(record)


def test_notes_of_a_newer_release_go_on_with_an_entry_that_is_put_off_and_end_with_it() -> None:
    notes = {"Attempt": 2, "Enqueued": 1000.5, "Ticket": "a", "Future": {"x": [1]}}
    raw = json.dumps({"Args": ["a"], "Goophry": notes, "Other": 1}).encode()

    waiting = put_off(parse(raw), raw, attempt=3, due_s=2000, ticket="b")

    value = json.loads(waiting)
    assert value["Goophry"] == {**notes, "Attempt": 3, "Ticket": "b", "Due": 2000}
    assert value["Other"] == 1
    assert failed_entry(parse(waiting), "m", waiting) == b'{"Args":["a"],"Other":1,"ErrorMessage":"m"}'


@pytest.mark.parametrize("notes", ["[1]", "null", '"x"', '{"Attempt":true,"Enqueued":"y"}'])
def test_notes_that_make_no_sense_are_none(notes: str) -> None:
    raw = b'{"Args":[],"Goophry":%s}' % notes.encode()

    waiting = put_off(parse(raw), raw, attempt=1, due_s=2000, ticket="b")

    assert json.loads(waiting)["Goophry"] == {"Attempt": 1, "Due": 2000, "Ticket": "b"}


def test_notes_that_cannot_be_written_again_do_not_hinder() -> None:
    raw = b'{"Args":["a"],"Goophry":{"Future":1e400}}'

    waiting = put_off(parse(raw), raw, attempt=2, due_s=2000, ticket="b")

    assert parse(waiting).attempt == 2
    assert parse(waiting).args == ("a",)
