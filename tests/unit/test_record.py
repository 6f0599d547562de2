"""What is known of a task, as JSON."""

import json

import pytest

from goophry.outcome import Captured
from goophry.record import OUTPUT_BYTES, TaskRecord, kept

RECORD = TaskRecord(
    "order-17",
    "resize",
    "finished",
    outcome="failed",
    exit_code=3,
    output="é\x1b[1m",
    error="exit status 3",
    started=1.5,
)


def test_a_record_is_read_as_it_was_written() -> None:
    assert TaskRecord.from_json(RECORD.to_json()) == RECORD


def test_its_keys_are_those_of_the_documentation() -> None:
    value = json.loads(RECORD.to_json())

    assert list(value) == [
        "Id",
        "Type",
        "Status",
        "Outcome",
        "ExitCode",
        "Signal",
        "Output",
        "Stderr",
        "Error",
        "Attempt",
        "Recovered",
        "Enqueued",
        "Due",
        "Started",
        "Finished",
        "Instance",
        "Run",
    ]
    assert (value["Id"], value["ExitCode"], value["Signal"], value["Started"]) == ("order-17", 3, None, 1.5)


def test_what_utf_8_cannot_have_survives() -> None:
    """A byte of the output that is none, and half a surrogate pair in what a persistent script answers."""
    for text in ("a\udcff", "a\ud800"):
        record = TaskRecord("a", "t", "finished", error=text, output=text)

        assert TaskRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"x",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"Id":"a","Type":"t"}',
        b'{"Id":"a","Type":"t","Status":"odd"}',
        b'{"Id":1,"Type":"t","Status":"waiting"}',
        b'{"Id":"a","Type":"t","Status":"waiting","Attempt":"x"}',
        b'{"Id":"a","Type":"t","Status":"waiting","Attempt":true}',
        b'{"Id":"a","Type":"t","Status":"waiting","Started":[]}',
    ],
)
def test_rubbish_is_no_record(raw: bytes) -> None:
    assert TaskRecord.from_json(raw) is None


def test_keys_of_a_newer_release_are_passed_over() -> None:
    assert TaskRecord.from_json(b'{"Id":"a","Type":"t","Status":"waiting","New":1}') == TaskRecord("a", "t", "waiting")


def test_of_a_long_stream_head_and_tail_are_kept() -> None:
    stream = Captured(b"h" * OUTPUT_BYTES, b"t" * OUTPUT_BYTES, 7)

    text = kept(stream)

    half = OUTPUT_BYTES // 2
    assert text == f"{'h' * half}\n[... {OUTPUT_BYTES + 7} bytes dropped ...]\n{'t' * half}"


def test_of_a_long_stream_that_is_all_there_head_and_tail_are_kept() -> None:
    text = kept(Captured(b"h" * OUTPUT_BYTES + b"t" * OUTPUT_BYTES))

    half = OUTPUT_BYTES // 2
    assert text == f"{'h' * half}\n[... {OUTPUT_BYTES} bytes dropped ...]\n{'t' * half}"


def test_a_short_stream_is_kept_whole() -> None:
    assert kept(Captured(b"ab", b"", 0)) == "ab"
    assert kept(Captured(b"a" * 10, b"b" * 10, 5)) == f"{'a' * 10}\n[... 5 bytes dropped ...]\n{'b' * 10}"
