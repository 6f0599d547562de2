"""Failed lists over HTTP."""

import json
from collections.abc import Callable

import pytest
from web.api_site import ApiSite, shell

pytest_plugins = ("web.fixtures",)

Start = Callable[..., ApiSite]
R = "redis.Redis[bytes]"
T = shell("a/b", "true")
PATH = "/failed/a%2Fb"


def fail(r: R, queue_key: str, count: int, message: str = "exit status 3") -> None:
    r.rpush(
        f"{queue_key}:a/b:failed",
        *[json.dumps({"Args": [f"n{number}"], "ErrorMessage": message}) for number in range(count)],
    )


def test_pages_follow_each_other_the_newest_first(api: Start, r: R, queue_key: str) -> None:
    site = api(T)
    fail(r, queue_key, 5)

    first = site.get(f"{PATH}?limit=3").json
    second = site.get(f"{PATH}?limit=3&cursor={first['Cursor']}").json

    assert [entry["Args"] for entry in first["Entries"] + second["Entries"]] == [[f"n{n}"] for n in (4, 3, 2, 1, 0)]
    assert second["Cursor"] is None
    assert first["Entries"][0]["Outcome"] == "failed"
    assert first["Entries"][0]["Entry"] == '{"Args": ["n4"]}'


def test_search_finds_by_text_and_outcome(api: Start, r: R, queue_key: str) -> None:
    site = api(T)
    fail(r, queue_key, 2)
    fail(r, queue_key, 1, "timed out after 5s")

    assert [each["Args"] for each in site.get(f"{PATH}?text=N1").json["Entries"]] == [["n1"]]
    assert len(site.get(f"{PATH}?outcome=timeout").json["Entries"]) == 1
    assert site.get(f"{PATH}?outcome=bad").status == 422
    assert site.get(f"{PATH}?cursor=bad").status == 422
    assert site.get(f"{PATH}?limit=501").status == 422


def test_one_is_shown_put_back_and_deleted(api: Start, r: R, queue_key: str) -> None:
    site = api(T)
    fail(r, queue_key, 2)
    newest, oldest = (entry["Key"] for entry in site.get(PATH).json["Entries"])

    shown = site.get(f"{PATH}/entries/{newest}")
    retried = site.post(f"{PATH}/entries/{newest}/retry", None)
    deleted = site.delete(f"{PATH}/entries/{oldest}")

    assert shown.json == retried.json
    assert deleted.json["Args"] == ["n0"]
    assert r.lrange(f"{queue_key}:a/b", 0, -1) == [b'{"Args": ["n1"]}']
    assert not r.exists(f"{queue_key}:a/b:failed")
    assert site.delete(f"{PATH}/entries/{oldest}").status == 404


@pytest.mark.parametrize(
    ("choice", "expected"),
    [({}, (4, 1)), ({"Text": "n1"}, (1, 0)), ({"Outcome": "timeout"}, (0, 0)), ({"Outcome": "failed"}, (4, 0))],
)
def test_many_are_put_back_and_what_cannot_be_run_stays(
    api: Start, r: R, queue_key: str, choice: dict[str, str], expected: tuple[int, int]
) -> None:
    site = api(T)
    fail(r, queue_key, 4)
    r.rpush(f"{queue_key}:a/b:failed", b"rubbish")

    reply = site.post(f"{PATH}/retry", choice)

    assert (reply.json["Done"], reply.json["Left"]) == expected
    assert r.llen(f"{queue_key}:a/b") == expected[0]


def test_those_named_are_deleted(api: Start, r: R, queue_key: str) -> None:
    site = api(T)
    fail(r, queue_key, 4)
    keys = [entry["Key"] for entry in site.get(PATH).json["Entries"]][:2]

    reply = site.post(f"{PATH}/delete", {"Keys": [*keys, "0123456789abcdef"]})

    assert reply.json == {"Done": 2, "Left": 1}
    assert r.llen(f"{queue_key}:a/b:failed") == 2


def test_bytes_that_are_no_text_and_markup_come_out_as_text(api: Start, r: R, queue_key: str) -> None:
    site = api(T)
    r.rpush(
        f"{queue_key}:a/b:failed", b'{"Args":["<script>\\u0007\xff"],"ErrorMessage":"\\ud800\\u001b[31m"}', b"\xff\xfe"
    )

    reply = site.get(PATH)

    assert reply.headers["content-type"] == "application/json"
    unread, entry = reply.json["Entries"]
    assert unread["Problem"]
    assert entry["Args"] == ["<script>\a\N{REPLACEMENT CHARACTER}"]
    assert site.post(f"{PATH}/entries/{unread['Key']}/retry", None).status == 409


def test_unknown_type_is_not_found(api: Start) -> None:
    assert api(T).get("/failed/nothing").status == 404
