"""The `http` kind: no name, no redirect and no certificate leads to where the type does not allow it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from conftest import eventually
from contract import Background, Make, job
from http_site import RawServer, Reply, Site, TunnelProxy

from goophry.outcome import Outcome, Verdict

pytest_plugins = ["http_runners"]

Ask = Callable[..., Outcome]
Raw = Callable[..., RawServer]
TlsSite = Callable[..., Site]
Hosts = Callable[..., dict[str, str]]

NOT_PUBLIC = "not allowed: {} is at 127.0.0.1, which is not public, and AllowNetworks does not name its network"


# Names


def test_that_names_are_looked_up_once_and_the_address_checked_is_the_one_called(
    ask: Ask, site: Site, hosts: Hosts, tmp_path: Path
) -> None:
    site.replies["/"] = Reply(200)
    environ = hosts({"here.example": "127.0.0.1"})

    outcome = ask(
        "GET",
        site.url(host="HERE.example."),
        environ=environ,
        AllowUrls=["http://here.example:"],
        AllowNetworks=["127.0.0.1/32"],
    )

    assert outcome.ok
    assert (tmp_path / "getent" / "asked").read_text() == "here.example\n"
    assert site.seen[0].headers["host"] == f"here.example:{site.port}"


@pytest.mark.parametrize("allow", [["http://"], ["http://rebound.example:"], ["*"], ["http://*.example:"]])
def test_that_a_name_that_points_to_this_machine_is_not_called(
    ask: Ask, site: Site, hosts: Hosts, allow: list[str]
) -> None:
    url = site.url(host="rebound.example")

    outcome = ask("GET", url, environ=hosts({"rebound.example": "127.0.0.1"}), AllowUrls=allow)

    assert outcome.verdict is Verdict.START_FAILED
    assert outcome.message == NOT_PUBLIC.format("rebound.example")
    assert site.seen == []


def test_that_of_many_addresses_only_those_allowed_are_tried(ask: Ask, site: Site, hosts: Hosts) -> None:
    site.replies["/"] = Reply(200)
    environ = hosts({"many.example": "10.0.0.1 ::1 127.0.0.1 127.0.0.9"})
    keys = {"AllowUrls": ["http://many.example:"], "AllowNetworks": ["127.0.0.0/24"], "Timeout": 20}

    assert ask("GET", site.url(host="many.example"), environ=environ, **keys).ok


def test_that_the_next_address_is_tried_when_one_refuses(ask: Ask, site: Site, hosts: Hosts) -> None:
    site.replies["/"] = Reply(200)
    environ = hosts({"many.example": "127.0.0.9 127.0.0.1"})
    keys = {"AllowUrls": ["http://many.example:"], "AllowNetworks": ["127.0.0.0/24"], "Timeout": 20}

    assert ask("GET", site.url(host="many.example"), environ=environ, **keys).ok


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ("", "no address was found for the name none.example"),
        ("exit 0", "no address was found for the name none.example"),
        ("echo 'fe80::1%lo STREAM'; exit 0", "no address was found for the name none.example"),
        ("echo broken >&2; exit 3", "{getent}: broken"),
        ("exit 3", "{getent}: failed"),
    ],
)
def test_that_a_name_without_address_is_told(ask: Ask, hosts: Hosts, tmp_path: Path, first: str, reason: str) -> None:
    outcome = ask("GET", "http://none.example/", environ=hosts({}, first=first), AllowUrls=["http://"])

    getent = tmp_path / "getent" / "getent"
    assert outcome.verdict is Verdict.FAILED
    assert outcome.message == f"GET http://none.example/: {reason.format(getent=getent)}"


def test_that_the_machines_own_names_are_known(ask: Ask, site: Site) -> None:
    site.replies["/"] = Reply(200)

    assert ask("GET", site.url(host="localhost"), AllowUrls=["http://localhost:"]).ok


def test_that_a_lookup_takes_no_longer_than_the_run_may(ask: Ask, make: Make, hosts: Hosts, tmp_path: Path) -> None:
    environ = hosts({}, first="exec sleep 100")
    task = job("GET", "http://slow.example/")

    outcome = ask("GET", "http://slow.example/", environ=environ, AllowUrls=["*"], Timeout=0.3)
    asked = tmp_path / "getent" / "asked"
    asked.unlink()
    run = Background(make(environ=environ, AllowUrls=["*"]), task)
    eventually(asked.exists)
    task.interrupt.set(Verdict.INTERRUPTED)

    assert outcome.message == "timed out after 0.3 s\n\nGET http://slow.example/: looking up the name slow.example"
    assert run.outcome().verdict is Verdict.INTERRUPTED


# A proxy


def test_that_a_proxy_is_asked_for_what_is_allowed(ask: Ask, site: Site) -> None:
    """It is asked by the whole URL, and looks the name up itself."""
    site.replies["http://far.example/x?y"] = Reply(200, b"through the proxy")
    proxy = site.url().replace("//", "//me:pw@")
    keys = {"Proxy": proxy, "AllowUrls": ["http://far.example/", "http://10.0.0.1/", "http://"]}

    good = ask("GET", "http://far.example/x?y", **keys)
    refused = ask("GET", "https://far.example/", **keys)
    private = ask("GET", "http://10.0.0.2/", **keys)

    assert good.stdout.text() == "through the proxy"
    assert (site.seen[0].path, site.seen[0].headers["host"]) == ("http://far.example/x?y", "far.example")
    assert site.seen[0].headers["proxy-authorization"] == "Basic bWU6cHc="
    assert refused.message == "not allowed: no prefix of AllowUrls matches https://far.example/"
    assert private.message.startswith("not allowed: 10.0.0.2 is not public, and AllowNetworks")


def test_that_https_goes_through_a_tunnel(ask: Ask, tls_site: TlsSite, trusted: Path) -> None:
    secure = tls_site("far.example")
    secure.replies["/x"] = Reply(200, b"secure")
    proxy = TunnelProxy(secure.port)
    keys = {"Proxy": proxy.url.replace("//", "//me:pw@"), "AllowUrls": ["https://far.example:"]}

    outcome = ask("GET", "https://far.example/x", **keys)
    proxy.close()

    assert outcome.stdout.text() == "secure"
    assert proxy.head.splitlines() == [
        b"CONNECT far.example:443 HTTP/1.1",
        b"Host: far.example:443",
        b"Proxy-Authorization: Basic bWU6cHc=",
        b"",
    ]
    assert "proxy-authorization" not in secure.seen[0].headers


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"HTTP/1.1 407 No\r\n\r\n", "the proxy has answered with status 407"),
        (b"", "the proxy: the server closed the connection without an answer"),
    ],
)
def test_that_a_proxy_that_does_not_open_a_tunnel_is_told(ask: Ask, raw: Raw, reply: bytes, reason: str) -> None:
    proxy = raw(reply)

    outcome = ask("GET", "https://far.example/", Proxy=proxy.url(), AllowUrls=["https://"])

    assert outcome.message == f"GET https://far.example/: {reason}"


# Redirects


def test_that_redirects_are_answers_unless_they_are_to_be_followed(ask: Ask, site: Site) -> None:
    site.replies |= {"/": Reply(302, b"moved", {"Location": "/there"}), "/there": Reply(200, b"here")}

    assert ask("GET", site.url()).message == "status 302\n\nmoved"
    assert ask("GET", site.url(), Success=["3xx"]).stdout.text() == "moved"
    assert ask("GET", site.url(), Redirects=1).stdout.text() == "here"


def test_that_so_many_are_followed_and_no_more(ask: Ask, site: Site) -> None:
    site.replies |= {f"/{number}": Reply(301, b"", {"Location": f"{number - 1}"}) for number in range(1, 12)}
    site.replies["/0"] = Reply(200)

    assert ask("GET", site.url("/9"), Redirects=9).ok
    outcome = ask("GET", site.url("/10"), Redirects=9)

    assert outcome.message == f"GET {site.url('/10')}: stopped after 9 redirects"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET", "HEAD"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_that_a_redirect_changes_the_request_as_it_should(ask: Ask, site: Site, method: str, status: int) -> None:
    site.replies |= {"/": Reply(status, b"", {"Location": "there?x"}), "/there?x": Reply(200)}
    headers = {"Content-Type": "text/x", "X-Key": "1"}

    assert ask(method, site.url(), "body", Redirects=1, Headers=headers).ok

    seen = site.seen[1]
    stays = status in {307, 308} or method in {"GET", "HEAD"}
    assert (seen.method, seen.body) == ((method, b"body") if stays else ("GET", b""))
    assert (seen.headers.get("content-type"), seen.headers["x-key"]) == ("text/x" if stays else None, "1")


def test_that_secrets_do_not_go_to_another_server(ask: Ask, site: Site, raw: Raw) -> None:
    other = Site()
    other.replies["/"] = Reply(200)
    site.replies |= {
        "/far": Reply(307, b"", {"Location": other.url()}),
        "/near": Reply(307, b"", {"Location": "/end"}),
        "/end": Reply(200),
    }
    headers = {"Authorization": "secret", "X-Key": "secret", "Cookie": "a=b", "Content-Type": "text/x", "Host": "v"}
    near = site.url("/near").replace("//", "//me:pw@")

    assert ask("POST", site.url("/far"), "body", Redirects=1, Headers=headers).ok
    assert ask("GET", near, Redirects=1).ok
    assert ask("GET", near.replace("/near", "/far"), Redirects=1).ok
    other.close()

    for seen in other.seen:
        assert not {"authorization", "x-key", "cookie"} & set(seen.headers)
        assert seen.headers["host"] == f"127.0.0.1:{other.port}"
    assert (other.seen[0].body, other.seen[0].headers["content-type"]) == (b"body", "text/x")
    assert site.seen[-2].headers["authorization"] == site.seen[-3].headers["authorization"] == "Basic bWU6cHc="


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        (
            "http://127.0.0.2:{port}/",
            "redirected to http://127.0.0.2:{port}/: not allowed: no prefix of AllowUrls matches http://127.0.0.2:{port}/",
        ),
        (
            "http://127.0.0.1:x@127.0.0.2:{port}/",
            "redirected to http://127.0.0.2:{port}/: not allowed: no prefix of AllowUrls matches http://127.0.0.2:{port}/",
        ),
        (
            "//here.example:{port}/",
            f"redirected to http://here.example:{{port}}/: {NOT_PUBLIC.format('here.example')}",
        ),
        (
            "http://none.example/",
            "redirected to http://none.example/: no address was found for the name none.example",
        ),
        (
            "file:///etc/passwd",
            "redirected to what cannot be requested: expected a URL that begins with http:// or https://",
        ),
        (
            "http://127.1:{port}/",
            "redirected to what cannot be requested: the host of the URL is an address in a form that is not taken",
        ),
        (
            "http://[::ffff:127.0.0.1]:{port}/",
            "redirected to http://[::ffff:7f00:1]:{port}/: not allowed: no prefix of AllowUrls matches http://[::ffff:7f00:1]:{port}/",
        ),
    ],
)
def test_that_a_redirect_leads_nowhere_that_is_not_allowed(
    ask: Ask, site: Site, hosts: Hosts, location: str, reason: str
) -> None:
    location = location.format(port=site.port)
    site.replies["/"] = Reply(302, b"", {"Location": location})

    outcome = ask(
        "GET",
        site.url(),
        environ=hosts({"here.example": "127.0.0.1"}),
        AllowUrls=["http://127.0.0.1:", "http://*.example", f"http://here.example:{site.port}"],
        Redirects=5,
    )

    assert outcome.verdict is Verdict.FAILED
    assert outcome.message == f"GET {site.url()}: {reason.format(port=site.port)}"
    assert len(site.seen) == 1


# TLS


def test_that_certificates_are_held_against_the_systems_store(
    ask: Ask, tls_site: TlsSite, trusted: Path, hosts: Hosts
) -> None:
    good, other_host = tls_site("here.example"), tls_site("there.example")
    unknown = tls_site("here.example", by=trustme.CA())
    keys = {
        "environ": hosts({"here.example": "127.0.0.1"}),
        "AllowUrls": ["https://here.example:"],
        "AllowNetworks": ["127.0.0.0/8"],
    }
    good.replies["/"] = other_host.replies["/"] = unknown.replies["/"] = Reply(200, b"x")

    outcomes = [ask("GET", made.url(host="here.example"), **keys) for made in (good, other_host, unknown)]

    assert outcomes[0].ok
    assert outcomes[1].message.partition(": ")[2].startswith("the certificate is not accepted: Hostname mismatch")
    assert "the certificate is not accepted: " in outcomes[2].message
    assert other_host.seen == unknown.seen == []


def test_that_a_server_without_tls_is_told(ask: Ask, raw: Raw) -> None:
    server = raw(b"HTTP/1.1 400 Bad Request\r\n\r\n", reads=False)

    outcome = ask("GET", f"https://127.0.0.1:{server.port}/")

    assert ": TLS failed: " in outcome.message or outcome.message.endswith("connection reset by peer")


def test_that_a_server_that_stalls_in_the_handshake_is_given_up(ask: Ask, raw: Raw) -> None:
    server = raw(b"", stays=True, reads=False)

    outcome = ask("GET", f"https://127.0.0.1:{server.port}/", Timeout=0.3)

    assert outcome.message.endswith(": agreeing on TLS with 127.0.0.1")


def test_that_a_redirect_may_lead_to_tls(ask: Ask, site: Site, tls_site: TlsSite, trusted: Path) -> None:
    secure = tls_site("127.0.0.1")
    secure.replies["/"] = Reply(200, b"secure")
    site.replies["/"] = Reply(301, b"", {"Location": secure.url()})

    assert ask("GET", site.url(), Redirects=1).stdout.text() == "secure"
