"""The dashboard in a real browser, used as a person would."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually
from web.api_site import TOKENS, ApiSite, shell

from goophry.config import Schedule
from goophry.store import keys

pytest_plugins = ("web.fixtures", "web.browser")

Start = Callable[..., ApiSite]
Open = Callable[..., Any]
R = "redis.Redis[bytes]"

HOSTILE = "<img src=x onerror=\"alert('no')\"><script>alert(1)</script>\u202e\u0007"


def test_person_logs_in_sees_a_queue_grow_pauses_and_resumes(api: Start, visit: Open, r: R, queue_key: str) -> None:
    site = api(shell("resize", "true"))
    person = visit(site)
    page = person.page
    page.get_by_label("Your token").fill("wrong-0123456789abcdef")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("there is no such token").wait_for()
    person.login()

    page.get_by_text("Nothing is stuck").wait_for()
    r.rpush(f"{queue_key}:resize", *["{}"] * 7)
    page.locator("td[data-label=Waiting]", has_text="7").wait_for()
    page.get_by_role("button", name="Pause resize").click()
    page.get_by_text("Paused, 7 entries wait").wait_for()
    assert r.sismember(keys.paused(queue_key), "resize")
    page.get_by_role("button", name="Resume resize").click()
    page.locator(".tag", has_text="paused").wait_for(state="detached")
    assert not r.exists(keys.paused(queue_key))

    page.reload()
    page.locator("svg.spark").first.wait_for()
    cookie = person.context.cookies()[0]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Your token").wait_for()
    assert person.foreign == []


def test_person_opens_a_failed_task_retries_it_and_deletes_others(
    api: Start, visit: Open, r: R, queue_key: str
) -> None:
    site = api(shell("invoice", "true"))
    for number in range(60):
        entry = {"Args": [f"order-{number}"], "ErrorMessage": f"exit status 3\nreason {number}"}
        r.rpush(f"{queue_key}:invoice:failed", json.dumps(entry))
    site.board.turn()
    person = visit(site).login()
    page = person.page

    page.get_by_role("link", name="60", exact=True).click()
    page.get_by_text("order-59", exact=True).wait_for()
    assert page.locator("tbody tr").count() == 50
    page.get_by_role("button", name="Show more").click()
    page.get_by_text("order-0", exact=True).wait_for()
    page.get_by_role("button", name="Open").first.click()
    page.get_by_text("reason 59").last.wait_for()
    page.locator("dialog").get_by_role("button", name="Retry").click()
    eventually(lambda: r.lrange(f"{queue_key}:invoice", 0, -1) == [b'{"Args": ["order-59"]}'], what="it is put back")

    page.get_by_label("Find").fill("reason 5")
    page.get_by_role("button", name="Find").click()
    page.get_by_text("order-4", exact=True).wait_for(state="detached")
    page.get_by_role("button", name="Delete all found").click()
    page.locator("dialog").get_by_role("button", name="Delete", exact=True).click()
    eventually(lambda: r.llen(f"{queue_key}:invoice:failed") == 49, what="ten are deleted")
    page.get_by_label("Find").fill("")
    page.get_by_role("button", name="Find").click()
    page.get_by_label("Choose order-49").check()
    page.get_by_label("Choose order-48").check()
    page.get_by_role("button", name="Retry chosen (2)").click()
    eventually(lambda: r.llen(f"{queue_key}:invoice") == 3, what="two more are put back")
    assert (person.errors, person.foreign) == ([], [])


def test_person_watches_output_arrive_and_cancels(api: Start, visit: Open, tmp_path: Path) -> None:
    go = tmp_path / "go"
    text = (
        f"printf '\\033[31mred\\033[0m one\\n'; while [ ! -e {go} ]; do sleep 0.05; done; echo '<b>two</b>'; sleep 60"
    )
    site = api(shell("video", text, timeout=600))
    site.run()
    site.post("/tasks/video", {"Id": "film", "Args": ["a.mov"]})
    eventually(lambda: site.get("/tasks/film").json["Status"] == "running", what="it runs")
    site.engine.heartbeat.turn()
    site.board.turn()
    person = visit(site).login()
    page = person.page

    person.go("running")
    page.get_by_role("button", name="Output").click()
    page.locator("pre .f31", has_text="red").wait_for()
    go.touch()
    page.get_by_text("<b>two</b>").wait_for()
    assert page.locator("pre b").count() == 0
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Cancel").click()
    page.locator("dialog").get_by_role("button", name="Cancel it").click()
    assert site.get("/tasks/film?wait=30").json["Outcome"] == "cancelled"
    assert (person.errors, person.foreign) == ([], [])


def test_hostile_text_is_text_everywhere(api: Start, visit: Open, r: R, queue_key: str) -> None:
    schedule = Schedule(name="<i>x</i>", cron="0 3 * * *", type="<b>t</b>", args=(HOSTILE.replace("\a", ""),))
    site = api(shell("<b>t</b>", "sleep 60"), schedules=(schedule,))
    q = f"{queue_key}:<b>t</b>"
    r.rpush(
        f"{q}:failed",
        json.dumps({"Args": [HOSTILE], "Id": "<u>id</u>", "ErrorMessage": f"{HOSTILE}\x1b]0;x\x07\x1b[2J"}),
    )
    r.rpush(f"{q}:failed", json.dumps({"Args": ["y" * 1_000_000], "ErrorMessage": "z" * 1_000_000}))
    site.post("/tasks/%3Cb%3Et%3C%2Fb%3E", {"Args": [HOSTILE], "Id": "<u>later</u>", "Delay": 600})
    site.run()
    site.post("/tasks/%3Cb%3Et%3C%2Fb%3E", {"Args": [HOSTILE], "Id": "<u>runs</u>"})
    eventually(lambda: site.get("/tasks/%3Cu%3Eruns%3C%2Fu%3E").json["Status"] == "running", what="it runs")
    site.engine.heartbeat.turn()
    site.board.turn()
    person = visit(site).login()
    page = person.page

    for where in (
        "",
        "running",
        "failed",
        "failed/%3Cb%3Et%3C%2Fb%3E",
        "delayed",
        "schedules",
        "type/%3Cb%3Et%3C%2Fb%3E",
    ):
        person.go(where)
        page.locator("main td, main dd").first.wait_for()
        if where in {"running", "failed/%3Cb%3Et%3C%2Fb%3E", "delayed", "schedules"}:
            page.get_by_text("<img src=x").first.wait_for()
            assert "\u202e" not in person.text()
            assert "⟨202E⟩" in person.text()
        assert (
            page.locator(
                "main img, main script, main b:not(.tile b):not(figcaption b), main u, main i:not(.meter i)"
            ).count()
            == 0
        )
    person.go("failed/%3Cb%3Et%3C%2Fb%3E")
    page.get_by_role("button", name="Open").last.click()
    page.locator("dialog pre").first.wait_for()
    assert "alert(1)" in person.text("dialog")
    assert page.locator("dialog img, dialog script").count() == 0
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Open").first.click()
    page.get_by_text("characters …]").first.wait_for()
    assert (person.errors, person.foreign) == ([], [])


def test_viewer_sees_no_buttons_that_change_anything(api: Start, visit: Open, r: R, queue_key: str) -> None:
    site = api(shell("t", "true"))
    r.rpush(f"{queue_key}:t:failed", '{"Args":["a"],"ErrorMessage":"m"}')
    person = visit(site).login("viewer")

    person.page.locator("td[data-label=Waiting]").wait_for()
    assert person.page.get_by_role("button", name="Pause").count() == 0
    person.go("failed/t")
    person.page.get_by_role("button", name="Open").wait_for()
    assert person.page.get_by_role("button", name="Retry").count() == 0


def test_five_hundred_types_are_shown_soon_and_found(api: Start, visit: Open) -> None:
    site = api(*(shell(f"type-{number:03}", "true") for number in range(500)))
    person = visit(site).login()
    page = person.page

    page.get_by_text("Show more of 500 types").wait_for()
    page.get_by_label("Find a type").fill("type-499")
    page.get_by_role("link", name="type-499").wait_for()
    assert page.locator("tbody tr").count() == 1
    assert person.errors == []


@pytest.mark.parametrize("width", [360, 1280])
def test_pages_fit_their_window_and_are_used_with_the_keyboard(api: Start, visit: Open, width: int) -> None:
    long = "a-type-whose-name-" + "very-" * 20 + "long"
    site = api(shell(long, "true"))
    site.post(f"/tasks/{long}", {"Args": ["x" * 500], "Delay": 600})
    person = visit(site, viewport={"width": width, "height": 800}, color_scheme="dark").login()
    page = person.page

    for where in ("", "running", "failed", "delayed", "schedules", "instances", f"type/{long}"):
        person.go(where)
        page.locator("main h1").wait_for()
        page.wait_for_function("document.querySelector('main').children.length > 1")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, where
    person.go("")
    # Whoever uses the keyboard keeps the focus when the table is drawn anew; after a click it may be lost.
    page.keyboard.press("Tab")
    page.get_by_role("button", name=f"Pause {long}").press("Enter")
    page.get_by_text("is paused on all instances").wait_for()
    assert "Europe/Berlin (UTC+" in person.text("footer")


def test_page_that_loses_goophry_says_so(api: Start, visit: Open) -> None:
    site = api(shell("t", "true"))
    person = visit(site).login()
    person.page.locator(".live:not(.off)").wait_for()

    site.server.stop()

    person.page.locator(".live.off").wait_for()


def test_without_tokens_there_is_no_login(api: Start, visit: Open) -> None:
    site = api(shell("t", "true"), open_to_all=True)
    person = visit(site)

    person.page.get_by_role("button", name="Pause t").click()
    person.page.locator(".tag", has_text="paused").wait_for()

    assert person.errors == []
    assert TOKENS["operator"] not in person.text("body")
