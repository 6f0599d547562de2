"""The stats site over a real socket: forms, paths, methods, health."""

import ssl
import threading
from collections.abc import Callable

import pytest
import trustme
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from web.site import Site, exchange

import goophry
from goophry.errors import StoreUnavailable
from goophry.web.listen import TlsFiles
from goophry.web.models import Finding

pytest_plugins = ("web.fixtures",)

Start = Callable[..., Site]
EXPECTED = b'{"Runtime":2,"TaskCount":{"fail":1,"ok":8},"Version":"%s"}' % goophry.__version__.encode()


@pytest.mark.parametrize(("target", "accept"), [("/", "application/json"), ("/?format=json", "")])
def test_the_json_is_the_originals_to_the_byte(site: Start, target: str, accept: str) -> None:
    answer = site().get(target, accept=accept)

    assert (answer.status_line, answer.body) == ("HTTP/1.1 200 OK", EXPECTED)
    assert answer.headers["content-type"] == "application/json; charset=utf8"
    assert answer.headers["content-length"] == str(len(EXPECTED))


def test_the_json_names_every_type_from_the_start_in_the_order_of_bytes_and_as_go_escapes() -> None:
    names = ["z", "é", "Z", "a:b", '<"&\\>', "\U0001f600", "\uffff", "\u2028\n"]
    site = Site(types=names)

    from goophry.web.stats_page import original_json  # noqa: PLC0415

    body = original_json(site.counters.snapshot())

    assert (
        body
        == (
            '{"Runtime":2,"TaskCount":{"\\u003c\\"\\u0026\\\\\\u003e":0,"Z":0,"a:b":0,"z":8,"é":1,"\\u2028\\n":0,'
            f'"\uffff":0,"\U0001f600":0}},"Version":"{goophry.__version__}"}}'
        ).encode()
    )


def test_https_serves_the_same_and_nothing_older_than_tls_1_2(
    site: Start, tls_files: TlsFiles, authority: trustme.CA
) -> None:
    made = site(tls=tls_files)
    context = ssl.create_default_context()
    authority.configure_trust(context)

    assert made.get("/?format=json", tls=context).body == EXPECTED

    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(old)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        made.get(tls=old)


def test_http_1_0_is_answered_and_closed(site: Start) -> None:
    with site().connect() as client:
        answer = exchange(client, b"GET /?format=json HTTP/1.0\r\n\r\n")

    assert (answer.status, answer.body) == (200, EXPECTED)


def test_a_client_that_closes_its_half_still_gets_its_answer(site: Start) -> None:
    with site().connect() as client:
        client.sendall(b"GET /?format=json HTTP/1.1\r\nHost: x\r\n\r\n")
        client.shutdown(1)
        raw = b""
        while part := client.recv(65536):
            raw += part

    assert raw.endswith(EXPECTED)


def test_prometheus_text_is_the_default(site: Start) -> None:
    answer = site().get(accept="*/*")

    names = {family.name for family in parse(answer.body.decode())}
    assert {"goophry_tasks_started", "goophry_queue_length", "process_cpu_seconds"} <= names
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_openmetrics_is_given_when_asked_for(site: Start) -> None:
    answer = site().get(accept="application/openmetrics-text; version=1.0.0")

    assert "goophry_build" in {family.name for family in parse_openmetrics(answer.body.decode())}
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")


def test_a_browser_gets_a_page_that_runs_nothing_and_escapes_names(site: Start) -> None:
    answer = site(types=("ok", "<script>alert(1)</script>")).get(accept="text/html")

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert b"<script" not in answer.body
    assert b"&lt;script&gt;alert(1)&lt;/script&gt;" in answer.body
    assert b"<td>7</td>" in answer.body


def test_the_page_says_what_is_stuck_and_what_is_paused(site: Start) -> None:
    made = site()
    assert "Nothing is stuck" in made.get("/?format=html").body.decode()
    finding = Finding(level="trouble", type="<b>", text="7 entries wait,\x1b and nothing runs", since=400.0)
    made.board.found.findings.append(finding)
    made.board.found.types[1].paused = True
    made.board.found.redis.up = False

    page = made.get("/?format=html").body.decode()

    assert '<th scope="row">fail (paused)</th>' in page
    assert '<th scope="row">ok</th>' in page
    assert "▲ trouble</b> &lt;b&gt;: 7 entries wait,\ufffd and nothing runs" in page
    assert "(10 min)" in page
    assert "Redis: away" in page
    assert '<path class="failed"' in page
    assert 'aria-label="3 done, 2 failed in the last hour"' in page


def test_metrics_are_there_while_redis_is_away(site: Start) -> None:
    made = site()

    def away() -> dict[str, dict[str, int]]:
        raise StoreUnavailable("connection refused")

    made.views.lengths = away

    assert b"goophry_redis_up 0" in made.get().body


@pytest.mark.parametrize(
    ("pattern", "target", "status"),
    [
        ("/stats", "/stats", 200),
        ("/stats", "/stats?x=1", 200),
        ("/stats", "/%73tats", 200),
        ("/stats", "http://proxied.example/stats", 200),
        ("/stats", "/stats/", 404),
        ("/stats", "/", 404),
        ("/stats", "/Stats", 404),
        ("/stats", "//stats", 404),
        ("/stats", "/x/../stats", 404),
        ("/stats", "/stats%00", 404),
        ("/stats", "*", 404),
        ("/stats/", "/stats", 404),
        ("/stats/", "/stats/", 200),
        ("/", "/", 200),
        ("/", "/other", 404),
        ("/", "/favicon.ico", 404),
        ("/a%20b é", "/a%2520b%20%C3%A9", 200),
        ("/", "/?format=xml", 400),
    ],
)
def test_one_path_answers(site: Start, pattern: str, target: str, status: int) -> None:
    assert site(pattern).get(target).status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "NONSENSE"])
def test_other_methods_are_refused_with_those_allowed(site: Start, method: str) -> None:
    answer = site().get(method=method)

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("target", ["/", "/?format=json", "/healthz", "/nowhere"])
def test_head_has_the_headers_of_get_and_no_body(site: Start, target: str) -> None:
    made = site()

    head, get = made.get(target, method="HEAD"), made.get(target)

    assert (head.status, head.body) == (get.status, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("target", ["/", "/healthz", "/nowhere"])
def test_nothing_may_be_cached(site: Start, target: str) -> None:
    assert site().get(target).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_ok_or_tells_every_problem(site: Start, path: str) -> None:
    problems: list[str] = []
    made = site("/stats", alive=lambda: problems, ready=lambda: problems)

    well = made.get(path)
    assert (well.status, well.body) == (200, b"ok\n")
    assert made.get(path, accept="application/json").body == b'{"status": "ok", "problems": []}\n'

    problems += ["loop mail has not turned for 40 s", "é"]
    ill = made.get(path)
    assert (ill.status, ill.body.decode()) == (503, "loop mail has not turned for 40 s\né\n")
    assert made.get(f"{path}?format=json").status == 503


def test_health_paths_ask_their_own_question_and_statspattern_wins(site: Start) -> None:
    made = site("/healthz", alive=lambda: ["dead"], ready=lambda: ["quiet"])

    assert made.get("/healthz?format=json").body == EXPECTED
    assert made.get("/readyz").body == b"quiet\n"


def test_a_fault_of_our_own_is_a_500_and_a_line_in_the_log(site: Start, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> list[str]:
        raise RuntimeError("a bug")

    answer = site(ready=broken).get("/readyz")

    assert answer.status == 500
    assert b"a bug" not in answer.body
    assert "a bug" in caplog.text


def test_redis_that_does_not_answer_holds_up_neither_health_nor_json_and_scrapes_share_one_wait(site: Start) -> None:
    made, go_on, asked = site(), threading.Event(), threading.Semaphore(0)
    calls: list[int] = []

    def hanging() -> dict[str, dict[str, int]]:
        calls.append(1)
        asked.release()
        go_on.wait(20)
        return {"ok": {"waiting": 1}}

    made.views.lengths = hanging
    clients = [made.connect() for _ in range(20)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert asked.acquire(timeout=20)

    assert made.get("/healthz").status == 200
    assert made.get("/?format=json").status == 200
    go_on.set()
    for client in clients:
        with client:
            assert b"goophry_queue_length" in client.makefile("rb").read()
    assert len(calls) < 20
