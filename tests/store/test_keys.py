"""The names of all keys."""

import pytest

from goophry.store import keys


def test_a_queue_is_named_after_key_and_type() -> None:
    assert keys.queue("myqueue", "resize") == "myqueue:resize"
    assert keys.queue("a:b", "c:d") == "a:b:c:d"
    assert keys.failed("myqueue:resize") == "myqueue:resize:failed"
    assert keys.heartbeat("myqueue", "me") == "myqueue:instance:me"


def test_helper_keys_carry_the_queue_as_hash_tag() -> None:
    q = "myqueue:resize"

    assert keys.running(q, "me") == "{myqueue:resize}:running:me"
    assert keys.instances(q) == "{myqueue:resize}:instances"
    assert keys.taken(q, "me") == "{myqueue:resize}:taken:me"
    assert keys.step(q, "me") == "{myqueue:resize}:step:me"
    assert keys.delayed(q) == "{myqueue:resize}:delayed"


@pytest.mark.parametrize("q", ["{app}:resize", "app:{resize}", "x{y}z"])
def test_a_queue_with_a_tag_of_its_own_keeps_it(q: str) -> None:
    assert keys.instances(q) == f"{q}:instances"


@pytest.mark.parametrize("q", ["a{}b", "a}b{c", "{open", "a}"])
def test_braces_that_are_no_tag_are_put_into_one(q: str) -> None:
    """Redis Cluster hashes these names as a whole; none may begin its tag before or end it after Q's own brace."""
    assert keys.instances(q) == f"{{{q}}}:instances"
