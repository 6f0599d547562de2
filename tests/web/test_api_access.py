"""Who may do what: every route, every role, browsers and their cookies."""

import http.cookies
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from fakes import FakeClock
from web.api_site import TOKENS, ApiSite, shell, tokens

from goophry.config_api import ROLES
from goophry.web.api.access import SESSION_S, Access
from goophry.web.api.table import TABLE, Entry
from goophry.web.listen import TlsFiles

pytest_plugins = ("web.fixtures",)

Start = Callable[..., ApiSite]
T = shell("t", "true")

#: Answers that never end; `Connection: close` ends them for us once we have read the status.
STREAMS = {"events.live", "output.of_task", "output.of_run"}

#: Bodies that are right, for routes that want one.
BODIES: dict[str, object] = {
    "sessions.login": {"Token": "none-0123456789abcdef"},
    "tasks.submit": {},
    "failed.retry": {},
    "failed.delete": {},
}


def ask(site: ApiSite, entry: Entry, **options: Any) -> int:
    path = entry.path.replace("{type:path}", "t")
    for name in ("{id:path}", "{key}", "{name:path}", "{run}"):
        path = path.replace(name, "nothing")
    return site.ask(entry.method, path, BODIES.get(entry.handler), **options).status


def test_every_route_refuses_whoever_has_not_its_role(api: Start) -> None:
    site = api(T)

    for entry in TABLE:
        if entry.role is None:
            continue
        assert ask(site, entry, role=None) == 401, entry
        assert ask(site, entry, headers={"Authorization": "Bearer wrong-0123456789abcdef"}) == 401, entry
        for role in ROLES[: ROLES.index(entry.role)]:
            assert ask(site, entry, role=role) == 403, (entry, role)
    for entry in TABLE:
        for role in ROLES[ROLES.index(entry.role) :] if entry.role else ():
            assert ask(site, entry, role=role, read=entry.handler not in STREAMS) in {200, 202, 204, 404, 409}, (
                entry,
                role,
            )


def test_a_wrong_role_is_refused_before_the_body_is_read(api: Start) -> None:
    site = api(T)

    assert site.post("/tasks/t", b"no JSON", role="viewer").status == 403
    assert site.post("/tasks/t", b"no JSON", role=None).headers["www-authenticate"] == 'Bearer realm="goophry"'


def test_everything_unknown_is_a_problem(api: Start) -> None:
    site = api(T)

    missing, method = site.get("/nothing"), site.ask("PUT", "/tasks/t", {})
    media = site.post("/tasks/t", b"Args=a", headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert [reply.status for reply in (missing, method, media)] == [404, 405, 415]
    assert "allow" in method.headers
    assert {reply.headers["content-type"] for reply in (missing, method, media)} == {"application/problem+json"}
    assert {"type", "title", "status", "detail"} <= missing.json.keys()


def test_every_answer_has_the_headers_that_keep_browsers_in_line(api: Start) -> None:
    site = api(T)

    for reply in (site.get("/session"), site.get("/nothing"), site.get("/openapi.json", role=None)):
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        assert "unsafe" not in reply.headers["content-security-policy"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"


def login(site: ApiSite, role: str = "operator") -> str:
    reply = site.post("/session", {"Token": TOKENS[role]}, role=None, headers={"X-Goophry": "1"})
    assert (reply.status, reply.json["Role"]) == (200, role)
    cookie = reply.headers["set-cookie"]
    assert {"httponly", "samesite=strict"} <= {part.strip().lower() for part in cookie.split(";")}
    (morsel,) = http.cookies.SimpleCookie(cookie).values()
    return f"{morsel.key}={morsel.value}"


def test_login_gives_a_cookie_that_does_what_the_token_does(api: Start) -> None:
    site = api(T)

    cookie = login(site, "submitter")
    session = site.get("/session", role=None, headers={"Cookie": cookie})
    put_in = site.post("/tasks/t", {}, role=None, headers={"Cookie": cookie, "X-Goophry": "1"})
    too_much = site.post("/failed/t/retry", {}, role=None, headers={"Cookie": cookie, "X-Goophry": "1"})

    assert session.json == {"Name": "submitter", "Role": "submitter", "Open": False}
    assert (put_in.status, too_much.status) == (202, 403)


def test_cookie_alone_does_nothing_unsafe(api: Start) -> None:
    site = api(T)
    cookie = login(site)

    def post(**headers: str) -> int:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return site.post("/tasks/t", {}, role=None, headers={"Cookie": cookie, **headers}).status

    assert post() == 403
    assert post(X_Goophry="1", Origin="https://evil.example") == 403
    assert post(X_Goophry="1", Sec_Fetch_Site="cross-site") == 403
    assert post(X_Goophry="1", Sec_Fetch_Site="same-site") == 403
    assert post(X_Goophry="1", Origin=f"http://127.0.0.1:{site.port}", Sec_Fetch_Site="same-origin") == 202


def test_logout_ends_the_cookie(api: Start) -> None:
    site = api(T)
    cookie = login(site)

    assert site.delete("/session", role=None, headers={"Cookie": cookie, "X-Goophry": "1"}).status == 204

    assert site.get("/session", role=None, headers={"Cookie": cookie}).status == 401


def test_wrong_token_is_told_in_the_log_and_not_its_text(api: Start, caplog: pytest.LogCaptureFixture) -> None:
    site = api(T)

    with caplog.at_level(logging.WARNING):
        replies = [
            site.post("/session", {"Token": "guess-0123456789"}, role=None, headers={"X-Goophry": "1"})
            for _ in range(3)
        ]

    assert {reply.status for reply in replies} == {401}
    assert len([record for record in caplog.records if record.getMessage() == "Wrong token for the API"]) == 1
    assert "guess" not in caplog.text


def test_cookies_run_out_die_with_their_token_and_cannot_be_made() -> None:
    clock = FakeClock()
    access = Access(tokens(), clock=clock)
    cookie = access.login(TOKENS["viewer"])
    assert cookie is not None
    name, end, random, mac = cookie.split(".")

    assert access.by_cookie(cookie) is not None
    assert Access(tokens(), clock=clock).by_cookie(cookie) is not None  # another instance, or after a restart
    assert Access(tokens()[1:], clock=clock).by_cookie(cookie) is None
    for bad in (
        f"{name}.{int(end) + 1}.{random}.{mac}",
        f"b3BlcmF0b3I.{end}.{random}.{mac}",
        f"{name}.{end}.{random}.ä",
        "....",
        f"!.{end}.{random}.{mac}",
        "",
    ):
        assert access.by_cookie(bad) is None, bad
    clock.forward(SESSION_S)
    assert access.by_cookie(cookie) is None


def test_without_tokens_this_machine_may_do_everything_and_nobody_else(api: Start) -> None:
    site = api(T, open_to_all=True)

    def post(**headers: str) -> int:
        return site.post(
            "/tasks/t", {}, headers={name.replace("_", "-"): value for name, value in headers.items()}
        ).status

    assert post() == 202
    assert site.get("/session").json["Open"] is True
    assert post(Host="[::1]:1") == 202
    assert post(Host="LOCALHOST") == 202
    # A name that an attacker's DNS leads here, and a page of another site.
    assert post(Host="evil.example") == 403
    assert post(Origin="https://evil.example") == 403
    assert post(Origin=f"http://127.0.0.1:{site.port}") == 403


def test_tls_makes_the_cookie_one_for_tls(api: Start, tls_files: TlsFiles, authority: Any) -> None:
    import ssl  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415

    site = api(T, tls=tls_files)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    request = urllib.request.Request(
        f"https://localhost:{site.port}/api/v1/session",
        json.dumps({"Token": TOKENS["viewer"]}).encode(),
        {"Content-Type": "application/json", "X-Goophry": "1"},
    )

    with urllib.request.urlopen(request, context=context) as reply:
        assert reply.headers["set-cookie"].startswith("__Host-goophry_session=")
        assert "Secure" in reply.headers["set-cookie"]
        assert reply.headers["strict-transport-security"]
