import pytest
from hypothesis import given
from hypothesis import strategies as st

from goophry.outcome import NOTHING, Captured
from goophry.runners.output import Capture


def capture(limit: int, chunks: list[bytes]) -> Captured:
    kept = Capture(limit)
    for chunk in chunks:
        kept.add(memoryview(chunk))
    return kept.captured()


@given(limit=st.integers(0, 40), chunks=st.lists(st.binary(max_size=50), max_size=20))
def test_that_head_and_tail_are_exact_and_the_rest_is_counted(limit: int, chunks: list[bytes]) -> None:
    whole = b"".join(chunks)

    kept = capture(limit, chunks)

    assert kept.size == len(whole)
    assert whole.startswith(kept.head)
    assert whole.endswith(kept.tail)
    assert len(kept.head) + len(kept.tail) <= max(1, limit)
    assert bool(kept) == bool(whole)
    if len(whole) <= limit:
        assert kept.head + kept.tail == whole


def test_that_a_stream_without_a_byte_is_nothing() -> None:
    assert capture(10, []) is NOTHING


@pytest.mark.parametrize("chunk", [b"x", b"x" * 4096, b"x" * 65536])
def test_that_memory_stays_near_the_limit(chunk: bytes) -> None:
    kept = Capture(100_000)

    for _ in range(20_000_000 // len(chunk) if len(chunk) > 1 else 400_000):
        kept.add(memoryview(chunk))

    assert len(kept._tail) + len(kept._head) <= 150_000
