"""What stands in a failed list, read back."""

import base64
import hashlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goophry.entry import failed_entry, parse, unreadable_entry
from goophry.failed_entry import EVERYTHING, OUTCOMES, FailedFilter, read_failed

MESSAGE = "exit status 3\n\nno picture none.png"


def test_an_entry_shows_what_was_asked_and_what_went_wrong() -> None:
    raw = b'{"Args":["a","b c"],"Id":"order-7","ErrorMessage":"exit status 3"}'

    found = read_failed(raw)

    assert (found.args, found.id, found.message, found.problem) == (("a", "b c"), "order-7", "exit status 3", "")
    assert found.key == hashlib.sha1(raw).hexdigest()[:16]


CUT = [
    ('{"Args":["x"],"ErrorMessage":"e"}', '{"Args":["x"]}'),
    ('{"ErrorMessage":"e","Args":["x"]}', '{"Args":["x"]}'),
    ('{"ErrorMessage":"e"}', "{}"),
    ('{"Args":["x"],"ErrorMessage":"e","Id":"7"}', '{"Args":["x"],"Id":"7"}'),
    (' { "Args" : ["x"] , "errormessage" : 17 , "X" : { "ErrorMessage" : 1 } } ', None),
    ('{"Args":["x"]}', '{"Args":["x"]}'),
    ('{"Args":["x"],"N":1.50e+400,"M":' + "9" * 5000 + ',"ErrorMessage":"e"}', None),
    ('{"Args":["\\u00e9\\ud83d\\ude00<&>"],"ErrorMessage":"\\u0001"}', '{"Args":["\\u00e9\\ud83d\\ude00<&>"]}'),
    ('{"ErrorMessage":"1","ErrorMessage":"2","Args":["x"],"ErrorMessage":"3"}', '{"Args":["x"]}'),
]


@pytest.mark.parametrize(("text", "left"), CUT, ids=[text[:40] for text, _ in CUT])
def test_only_the_message_is_cut_out_and_every_other_byte_stays(text: str, left: str | None) -> None:
    if left is None:
        left = re.sub(r' ?,? ?"(errormessage" : 17|ErrorMessage":"e")', "", text)

    assert read_failed(text.encode()).original == left.encode()


def test_bytes_that_are_not_utf_8_stay() -> None:
    found = read_failed(b'{"Args":["caf\xe9"],"ErrorMessage":"\xff"}')

    assert found.original == b'{"Args":["caf\xe9"]}'
    assert found.args == ("caf\udce9",)


def test_the_record_of_an_unreadable_entry_keeps_its_text_to_be_mended() -> None:
    found = read_failed(unreadable_entry(b'{"Args":[1]}', "parseQueueTask(): Args[0]: expected a string"))

    assert found.original == b'{"Args":[1]}'
    assert "Args[0]: expected a string" in found.problem
    assert found.outcome == "invalid"


def test_of_text_that_is_not_utf_8_the_exact_bytes_are_kept() -> None:
    raw = unreadable_entry(b"\xff\x00{", "parseQueueTask(): not JSON")
    assert read_failed(raw).original == b"\xff\x00{"

    edited = raw.replace(base64.b64encode(b"\xff\x00{"), b"%")
    assert read_failed(edited).original == "\ufffd\0{".encode()


def test_what_was_refused_and_can_be_read_now_can_be_put_back() -> None:
    """It was longer than MaxEntryBytes, say, and that was raised."""
    found = read_failed(unreadable_entry(b'{"Args":["x"]}', "parseQueueTask(): 14 bytes, MaxEntryBytes is 10"))

    assert (found.original, found.problem, found.args) == (b'{"Args":["x"]}', "", ("x",))


def test_an_entry_may_have_a_key_entry_of_its_own() -> None:
    raw = failed_entry(parse(b'{"Args":["x"],"Entry":"mine"}'), "exit status 1", b"")

    assert read_failed(raw).original == b'{"Args":["x"],"Entry":"mine"}'


def test_an_entry_that_could_only_be_kept_as_text_is_put_back_as_it_was() -> None:
    pushed = b'{"Args":["x"],"N":1e400}'

    assert read_failed(failed_entry(parse(pushed), MESSAGE, pushed)).original == pushed


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"17",
        b"[]",
        b"{",
        b'{"Args"',
        b'{"Args":["x"]',
        b"{1:2}",
        b'{"a" 1}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_whatever_stands_there_is_shown_and_not_put_back(raw: bytes) -> None:
    found = read_failed(raw)

    assert found.raw == raw
    assert found.problem
    assert found.message == ""
    assert found.original == raw


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ("exit status 3", "failed"),
        ("signal: killed\n\nlast words", "signalled"),
        ("timed out after 60 s", "timeout"),
        ("cancelled", "cancelled"),
        ("cancelled by me", "other"),
        ("fork/exec /x: no such file or directory", "start_failed"),
        ("chdir /x: no such file or directory", "start_failed"),
        ("parseQueueTask(): not JSON", "invalid"),
        ("lost: its instance died 4 times while it was running", "lost"),
        ("hello\nworld\n", "other"),
        ("", "other"),
    ],
)
def test_the_outcome_is_what_the_message_says(message: str, outcome: str) -> None:
    raw = json.dumps({"Args": [], "ErrorMessage": message}).encode()

    assert read_failed(raw).outcome == outcome
    assert outcome in OUTCOMES


def found_by(**wanted: Any) -> bool:
    entry = read_failed(b'{"Args":["In.png"],"Id":"order-7","ErrorMessage":"exit status 3\\n\\nno disk"}')
    return FailedFilter(**wanted).matches(entry)


def test_a_filter_wants_everything_that_is_given() -> None:
    assert found_by()
    assert all(found_by(text=text) for text in ("in.PNG", "order-7", "no disk"))
    assert not found_by(text="out.png")
    assert found_by(pattern=re.compile(r"^exit status \d$", re.MULTILINE))
    assert not found_by(pattern=re.compile("IN.png"))
    assert found_by(outcomes=frozenset({"failed", "timeout"}), text="disk")
    assert not found_by(outcomes=frozenset({"timeout"}), text="disk")
    assert not found_by(further=lambda entry: entry.id is None)


def test_a_filter_looks_into_what_could_not_be_read() -> None:
    entry = read_failed(unreadable_entry(b"rubbish", "parseQueueTask(): not JSON"))

    assert FailedFilter(text="rubbish").matches(entry)


def test_only_a_filter_without_anything_is_everything() -> None:
    assert EVERYTHING.is_everything
    assert not FailedFilter(further=lambda entry: True).is_everything


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OTHERS = st.dictionaries(st.text(max_size=12).filter(lambda name: name.lower() != "errormessage"), JSON, max_size=4)


@given(fields=OTHERS, message=st.text(), place=st.integers(0, 4), indent=st.none() | st.integers(0, 2))
def test_without_its_message_an_entry_is_what_it_was(
    fields: dict[str, Any], message: str, place: int, indent: int | None
) -> None:
    items = list(fields.items())
    items.insert(min(place, len(items)), ("ErrorMessage", message))
    if "Entry" in fields:
        items.sort(key=lambda item: item[0] == "ErrorMessage")

    found = read_failed(json.dumps(dict(items), indent=indent).encode())

    assert json.loads(found.original) == fields


@given(args=st.lists(st.text()), others=OTHERS, message=st.text())
def test_what_goophry_kept_comes_back_as_the_same_entry(args: list[str], others: dict[str, Any], message: str) -> None:
    entry = parse(json.dumps({f"x{name}": value for name, value in others.items()} | {"Args": args}).encode())

    found = read_failed(failed_entry(entry, message, b""))

    assert parse(found.original) == entry
    assert found.message == message
