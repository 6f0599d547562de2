"""What a stream carried, and how a run ended."""

from goophry.outcome import NOTHING, Captured, Outcome, Verdict


def test_only_success_is_ok() -> None:
    assert [verdict for verdict in Verdict if Outcome(verdict).ok] == [Verdict.SUCCESS]


def test_nothing_is_false_and_one_byte_is_true() -> None:
    assert not NOTHING
    assert Captured(b"\n")


def test_text_joins_head_and_tail_when_nothing_was_dropped() -> None:
    assert Captured(b"caf\xc3", b"\xa9\n").text() == "café\n"


def test_text_tells_how_much_is_missing() -> None:
    captured = Captured(b"first", b"last", dropped=7)

    assert captured.text() == "first\n[... 7 bytes dropped ...]\nlast"
    assert captured.size == 16


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    assert Captured(b"a\xff").text() == "a\ufffd"


def test_last_reaches_back_into_the_head_only_when_nothing_was_dropped() -> None:
    assert Captured(b"abcdef", b"gh").last(4) == "efgh"
    assert Captured(b"abcdef", b"gh", dropped=1).last(4) == "gh"
    assert Captured(b"abcdef").last(100) == "abcdef"
    assert Captured(b"abc", b"defgh").last(2) == "gh"
