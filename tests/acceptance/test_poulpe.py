"""poulpe's promises, kept by the real program towards a client written from poulpe's readme."""

import json
import os
import shutil
import socket
import ssl
import stat
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
import trustme
from acceptance.poulpe_site import Site, Target, message, target, words
from conftest import eventually
from doors.http_client import ask, read_answer
from mail_site import MailSite
from websockets.sync.client import connect

pytest_plugins = ("acceptance.poulpe_fixtures",)

OK, TIMEOUT = '{"reason":"","result":"OK"}', '{"reason":"等待超时","result":"Timeout"}'


def fail(text: str) -> str:
    return json.dumps({"reason": f"错误：{text}", "result": "Fail"}, ensure_ascii=False, separators=(",", ":"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, redis_url: str, redis_address: str) -> Iterator[Site]:
    client = redis.Redis.from_url(redis_url)
    site = Site(tmp_path_factory.mktemp("poulpe"), redis_address, client)
    yield site.start()
    site.clean_up()
    client.close()


@pytest.fixture(scope="module")
def web() -> Iterator[Target]:
    with target() as found:
        yield found


def new() -> str:
    return uuid.uuid4().hex[:8]


def test_a_job_is_accepted_at_once_and_runs(shared: Site, web: Target) -> None:
    path = f"/{new()}"

    answer = shared.client.raw(message(new(), "get", f"http://{web.address}{path}", "q=1 任%20#x"))

    assert (answer.status, answer.text, answer.headers["Content-Type"]) == (200, OK, "application/json")
    ((method, seen, headers, _),) = eventually(lambda: web.requests(path), what="the request")  # type: ignore[misc]
    assert (method, seen) == ("GET", f"{path}?q=1%20%E4%BB%BB%20")
    assert headers["accept"] == "*/*"
    assert "user-agent" not in headers
    assert "content-type" not in headers


def test_a_get_without_params_has_its_question_mark_all_the_same(shared: Site, web: Target) -> None:
    path = f"/{new()}"

    assert shared.client.post(**message(new(), "GET", f"http://{web.address}{path}", wait=9, delay=-5)) == OK

    assert [seen for _, seen, *_ in web.requests(path)] == [f"{path}?"]


JOB = message("x", "PUT", "")
TEXT = "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type", "expected"),
    [
        (
            "POST",
            "/task_in_queue",
            "{",
            "text/json",
            (415, TEXT, "Expected request with `Content-Type: application/json`"),
        ),
        (
            "POST",
            "/task_in_queue",
            "x" * 2_097_153,
            "",
            (415, TEXT, "Expected request with `Content-Type: application/json`"),
        ),
        (
            "POST",
            "/task_in_queue",
            " " * 2_097_153,
            "application/json",
            (413, TEXT, "Failed to buffer the request body: length limit exceeded"),
        ),
        ("POST", "/task_in_queue", json.dumps(JOB).rjust(2_097_152), "application/json", (200, "application/json", OK)),
        ("POST", "/task_in_queue", "", "application/json", (400, TEXT, "Failed to parse the request body as JSON: ")),
        (
            "POST",
            "/task_in_queue",
            '{"method":"GET","id":7}',
            "application/json",
            (200, "application/json", '{"reason":"非法的请求:{\\"id\\":7,\\"method\\":\\"GET\\"}","result":"Fail"}'),
        ),
        (
            "POST",
            "/task_in_queue",
            json.dumps(JOB | {"method": "mail_to", "wait": 9}),
            "application/json",
            (200, "application/json", '{"reason":"未配置SMTP服务器","result":"Fail"}'),
        ),
        ("PUT", "/task_in_queue", "{}", "application/json", (405, None, "")),
        ("POST", "/sys_info", "{}", "application/json", (405, None, "")),
        ("GET", "/ws_task", "", "", (400, TEXT, "Connection header did not include 'upgrade'")),
        ("GET", "/task_resp/%ff", "", "", (400, TEXT, "Invalid URL: ")),
        ("GET", "/task_resp/", "", "", (404, None, "")),
        ("GET", "/task_resp/a/", "", "", (404, None, "")),
        ("GET", "/sys_info/", "", "", (404, None, "")),
        ("GET", "/", "", "", (404, None, "")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_replies_over_a_socket(  # noqa: PLR0917 - a table
    shared: Site, method: str, path: str, body: str, content_type: str, expected: tuple[int, str | None, str]
) -> None:
    answer = ask(shared.client.address, method, path, body, content_type=content_type, Origin="http://x")

    status, kind, text = expected
    assert (answer.status, answer.headers.get("Content-Type")) == (status, kind)
    assert answer.text == text or (status == 400 and answer.text.startswith(text))
    assert answer.headers.get("Allow") == {("PUT", 405): "POST", ("POST", 405): "GET,HEAD"}.get((method, status))
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_head_is_answered_like_get(shared: Site) -> None:
    host, port = shared.client.address.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(b"HEAD /sys_info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, _, body = client.makefile("rb").read().partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b""


@pytest.mark.skipif(shutil.which("curl") is None, reason="the readme's client is curl")
def test_the_readmes_curl(shared: Site, tmp_path: Path, script: Callable[..., Path]) -> None:
    """As it stands there: a job is put in, its result asked for by its number, and the system looked at."""
    base, id_, out = f"http://{shared.client.address}", new(), tmp_path / "out"
    note = script(f'echo "$1" >> {out}')

    def curl(*more: str) -> str:
        return subprocess.run(["curl", "-sS", *more], check=True, capture_output=True, text=True, timeout=90).stdout

    body = json.dumps(message(id_, "EXEC", str(note), "a b", cc="0 1"))
    assert curl(f"{base}/task_in_queue", "-H", "Content-Type: application/json", "-d", body) == OK
    assert curl(f"{base}/task_resp/{id_}") == OK
    assert curl(f"{base}/task_in_queue", "-d", body) == "Expected request with `Content-Type: application/json`"
    info = json.loads(curl(f"{base}/sys_info"))
    assert list(info) == ["channel_sizes", "delaying_keys", "working_keys", "wronging_keys"]
    assert list(info["channel_sizes"]) == ["0", "1"]
    assert out.read_text() == "a\n"


def test_a_post_sends_its_params_as_they_are(shared: Site, web: Target) -> None:
    path = f"/{new()}"

    assert shared.client.post(**message(new(), "POST", f"http://u:p@{web.address}{path}", '{"任":1', wait=9)) == OK

    ((method, seen, headers, body),) = web.requests(path)
    assert (method, seen, body) == ("POST", path, '{"任":1'.encode())
    assert headers["content-type"] == "application/json"
    assert headers["authorization"] == "Basic dTpw"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/x", ""),
        ("/hang", ""),
        ("/to/9", ""),
        ("/to/10", "URL无法访问"),
        *((f"/status/{code}", "服务端错误") for code in (201, 204, 304, 404, 500)),
    ],
)
def test_only_200_is_a_success(shared: Site, web: Target, path: str, expected: str) -> None:
    found = shared.client.post(**message(new(), "GET", f"http://{web.address}{path}", wait=9))

    assert found == (fail(expected) if expected else OK)


@pytest.mark.parametrize(
    ("method", "name", "params", "expected"),
    [
        ("GET", "http://127.0.0.1:1/", "", "URL无法访问"),
        ("POST", "ftp://x/", "", "URL无法访问"),
        ("GET", "http://localhost.invalid/", "", "URL无法访问"),
        ("exec", "true", " a  'b ", ""),
        ("EXEC", "printf", r"\377", ""),
        ("EXEC", "sh", "-c exit", ""),
        ("EXEC", "cat", "", ""),  # which has nothing to read
        ("EXEC", "cat", "/nowhere/at/all", "执行指令:cat /nowhere/at/all<br>报错信息:<br>"),
        ("EXEC", "/nowhere/at/all", "", "执行失败"),
        ("EXEC", "", "", "执行失败"),
        ("EXEC", "/tmp", "", "执行失败"),
        ("EXEC", "a\0b", "", "执行失败"),
        ("EXEC", "no such program", "", "执行失败"),
        ("PUT", "whatever", "", ""),
        ("", "", "", ""),
    ],
)
def test_each_end_has_its_text(shared: Site, method: str, name: str, params: str, expected: str) -> None:
    found = shared.client.post(**message(new(), method, name, params, wait=20))

    assert found == (fail(expected) if expected else OK)


def test_what_a_failed_program_printed_is_told_and_a_signal_is_not_a_status(
    shared: Site, script: Callable[..., Path]
) -> None:
    failing = script('printf "one\\n%s\\n" "$2"; echo hidden >&2; exit 3')
    killed = script("kill -9 $$")

    found = shared.client.post(**message(new(), "EXEC", str(failing), "a  二", wait=20))
    assert found == fail(f"执行指令:{failing} a  二<br>报错信息:<br>one<br>二<br>")
    assert shared.client.post(**message(new(), "EXEC", str(killed), wait=20)) == fail("执行失败")


def test_a_program_has_the_servers_environment_and_folder(
    shared: Site, script: Callable[..., Path], tmp_path: Path
) -> None:
    program = script(f'echo "$ACCEPTANCE_MARK $PWD" > {tmp_path}/out')

    assert shared.client.post(**message(new(), "EXEC", str(program), wait=20)) == OK

    mark = shared.goophry.mark.partition("=")[2]
    assert (tmp_path / "out").read_text() == f"{mark} {shared.goophry.folder}\n"


def test_an_id_that_comes_again_begins_with_no_old_result(shared: Site) -> None:
    id_ = new()
    shared.client.post(**message(id_, "EXEC", "true", "a-secret"))
    kept = f"{{{shared.key}:poulpe}}:said:task-{id_}"
    eventually(lambda: shared.redis.llen(kept), what="its result")
    assert 0 < shared.redis.ttl(kept) <= 3600

    assert shared.client.post(**message(id_, "EXEC", "/no", wait=20)) == fail("执行失败")
    # The log has ids, and no payloads.
    assert [line for line in shared.goophry.events("task.finished") if line["id"].startswith(f"task-{id_}.")]
    assert "a-secret" not in shared.goophry.log


def test_what_waits_is_counted_and_what_runs_is_not(shared: Site) -> None:
    id_ = new()
    empty = '{"channel_sizes":{"0":0,"1":0},"delaying_keys":[],"working_keys":[],"wronging_keys":[]}'
    eventually(lambda: ask(shared.client.address, "GET", "/sys_info").text == empty, what="nothing is going on")

    for number in range(3):
        shared.client.post(**message(f"{id_}{number}", "EXEC", "sleep", "0.5", cc="1"))

    keys = ",".join(f'"task-{id_}{number}"' for number in range(3))
    expected = f'{{"channel_sizes":{{"0":0,"1":2}},"delaying_keys":[],"working_keys":[{keys}],"wronging_keys":[]}}'
    eventually(lambda: ask(shared.client.address, "GET", "/sys_info").text == expected, what="one runs, two wait")


def test_a_failed_job_is_tried_again_and_then_written_down(shared: Site, web: Target) -> None:
    id_, path = f"坏{new()}", f"/status/500/{new()}"

    assert shared.client.post(**message(id_, "get", f"http://{web.address}{path}", "q", wait=9, cc="1 7")) == fail(
        "服务端错误"
    )

    name = f"task-{id_}.json"
    letter = eventually(lambda: shared.letters().get(name), what="the dead letter")
    assert len(web.requests(path)) == 2
    (file,) = shared.dead.glob(f"*/{name}")
    assert file.parent.name == time.strftime("%Y-%m-%d", time.gmtime())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert letter == {
        "id": f"task-{id_}",
        "tk_tp": "get",
        "delay": 0,
        "name": f"http://{web.address}{path}",
        "params": "q",
        "post_time": letter["post_time"],  # type: ignore[index]
        "exec_time": 0,
        "retry": 1,
        "cc": [1, 7],
        "error": "服务端错误",
        "waiting_resp": 9,
        "src_chn": "web",
    }
    # The second attempt was told too, and waits for whoever asks.
    assert shared.client.response(f"task-{id_}") == fail("服务端错误")


def test_an_id_that_is_no_file_name_loses_nothing(shared: Site) -> None:
    id_ = f"../{new()}/x"

    shared.client.post(**message(id_, "EXEC", "false"))

    eventually(lambda: f"task-{id_.replace('/', '%2F')}.json" in shared.letters(), what="the dead letter")


def test_waiting_is_given_up_and_the_result_is_there_for_who_asks_later(shared: Site) -> None:
    id_ = new()

    started = time.monotonic()
    assert shared.client.post(**message(id_, "EXEC", "sleep", "2", wait=1)) == TIMEOUT
    assert time.monotonic() - started >= 1

    assert shared.client.response(id_) == OK


def test_a_delayed_job_begins_later_and_its_wait_counts_from_its_acceptance(shared: Site) -> None:
    id_ = f"a b {new()}"
    before = int(time.time())

    assert shared.client.post(**message(id_, "EXEC", "true", delay=2, wait=1)) == TIMEOUT
    (found,) = (key for key in shared.client.info()["delaying_keys"] if id_ in key)
    key, _, due = found.rpartition(" ")
    assert key == f"task-{id_}"
    assert before + 2 <= int(due) <= int(time.time()) + 2
    assert shared.client.response(f"task-{id_}") == OK
    assert time.time() >= before + 2


def test_a_reader_who_leaves_consumes_nothing(shared: Site) -> None:
    id_ = new()
    host, port = shared.client.address.split(":")

    with socket.create_connection((host, int(port))) as leaving:
        leaving.sendall(f"GET /task_resp/{id_} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        eventually(lambda: shared.listeners(f"task-{id_}") > 0, what="it waits")
    eventually(lambda: shared.listeners(f"task-{id_}") == 0, what="it has left")
    shared.client.post(**message(id_, "EXEC", "true"))

    assert shared.client.response(id_) == OK


def test_hundreds_wait_at_a_time(shared: Site) -> None:
    """More than there are threads for requests; meanwhile others are answered."""
    id_ = new()
    host, port = shared.client.address.split(":")
    waiting = [socket.create_connection((host, int(port))) for _ in range(200)]
    for number, each in enumerate(waiting):
        each.sendall(f"GET /task_resp/{id_}-{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    eventually(lambda: shared.listeners(f"task-{id_}-199") > 0, what="all wait")

    for number in range(200):
        assert shared.client.post(**message(f"{id_}-{number}", "PUT", "")) == OK

    for each in waiting:
        with each:
            each.settimeout(30)
            assert read_answer(each).text == OK


def test_a_job_of_the_same_id_replaces_one_that_waits(
    shared: Site, script: Callable[..., Path], tmp_path: Path
) -> None:
    id_, blocker, out = new(), new(), tmp_path / "out"
    note = script(f'echo "$1" >> {out}')
    shared.client.post(**message(id_, "EXEC", str(note), "delayed", delay=1000))
    shared.client.post(**message(blocker, "EXEC", "sleep", "0.5", cc="0"))

    shared.client.post(**message(id_, "EXEC", str(note), "waits", cc="0"))
    assert shared.client.post(**message(id_, "EXEC", str(note), "last", cc="0", wait=20)) == OK

    eventually(shared.client.is_idle, what="all has ended")
    assert out.read_text().split() == ["last"]


@pytest.mark.parametrize("cc", ["", "1"])
def test_a_job_of_the_same_id_runs_after_one_that_runs(
    shared: Site, script: Callable[..., Path], tmp_path: Path, cc: str
) -> None:
    """Also where cc forbids it the worker of that."""
    id_, out = new(), tmp_path / "out"
    note = script(f'echo "+$1" >> {out}; sleep 0.5; echo "-$1" >> {out}')
    shared.client.post(**message(id_, "EXEC", str(note), "1", cc="0"))
    eventually(out.exists, what="the first runs")

    assert shared.client.post(**message(id_, "EXEC", str(note), "2", cc=cc, wait=20)) == OK

    assert out.read_text().split() == ["+1", "-1", "+2", "-2"]


def test_results_are_pushed_to_the_socket_that_asked(shared: Site) -> None:
    id_ = new()
    with shared.socket() as client, shared.socket() as other:
        client.send("rubbish")
        client.send(b"\0binary")
        client.send(json.dumps(message(f"{id_}-0", "EXEC", "true")))
        client.send(json.dumps(message(f"{id_}-1", "EXEC", "true", wait=5)))
        client.send(json.dumps(message(f"{id_}-2", "EXEC", "/no", wait=1)))
        client.send(json.dumps(message(f"{id_}-3", "MAIL_TO", "", "{", wait=1)))
        found = [str(client.recv(timeout=20)) for _ in range(5)]
        with pytest.raises(TimeoutError):
            other.recv(timeout=0)

    assert sorted(found) == sorted(
        [
            f'{{"request_id":"task-{id_}-1","result":"OK"}}',
            *[f'{{"reason":"执行失败","request_id":"task-{id_}-2","result":"Fail"}}'] * 2,
            *[f'{{"reason":"邮件任务参数不正确","request_id":"task-{id_}-3","result":"Fail"}}'] * 2,
        ]
    )


def test_a_socket_that_comes_back_hears_of_the_job_it_sends_again(shared: Site) -> None:
    id_ = new()
    with shared.socket() as client:
        client.send(json.dumps(message(id_, "EXEC", "sleep", "0.5", wait=5)))
        eventually(lambda: f"task-{id_}" in shared.client.info()["working_keys"], what="it runs")
    with shared.socket() as client:
        client.send(json.dumps(message(id_, "EXEC", "true", wait=5)))

        assert client.recv(timeout=20) == f'{{"request_id":"task-{id_}","result":"OK"}}'
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.3)


def test_a_socket_has_manners(shared: Site) -> None:
    """From any origin; pings are answered, a close is answered, and a message of more than 64 MiB is not waited for."""
    with connect(f"ws://{shared.client.address}/ws_task", origin="http://elsewhere", proxy=None) as client:  # type: ignore[arg-type]
        assert client.ping().wait(20)
        client.close()
        assert client.protocol.close_rcvd is not None
        assert client.protocol.close_rcvd.code == 1000
    with shared.socket() as client:
        assert client.subprotocol is None
        # The head of a text frame that announces 64 MiB and one byte.
        client.socket.sendall(b"\x81\xff" + (64 * 1024 * 1024 + 1).to_bytes(8) + b"mask")
        with pytest.raises(Exception, match="1009"):
            client.recv(timeout=20)


def test_a_stop_tells_sockets_and_polls_and_waits_for_none(site: Callable[..., Site]) -> None:
    running = site().start()
    host, port = running.client.address.split(":")
    poll = socket.create_connection((host, int(port)))
    poll.sendall(b"GET /task_resp/x HTTP/1.1\r\nHost: x\r\n\r\n")
    eventually(lambda: running.listeners("task-x"), what="it waits")

    with poll, running.socket() as client:
        started = time.monotonic()
        assert running.goophry.stop() == 0
        assert time.monotonic() - started < 10
        with pytest.raises(Exception, match="1012"):
            client.recv(timeout=5)


def test_the_cron_file_begins_jobs_and_is_read_again(shared: Site, web: Target) -> None:
    path = f"/{new()}"
    shared.cron.write_text(f"# comment\n// none\n* * * * * * * http://{web.address}{path}/1 GET a=1   b\n\xff\n")

    eventually(lambda: len(web.requests(f"{path}/1")) >= 2, what="two moments")
    shared.cron.write_text("* * * * * * * /no EXEC\n")
    assert web.requests(f"{path}/1")[0][1] == f"{path}/1?a=1%20b"
    name = eventually(
        lambda: next((name for name in shared.letters() if name.startswith("ST:1-")), None), what="a dead letter"
    )
    shared.cron.write_text("")
    letter = shared.letters()[str(name)]
    assert (letter["src_chn"], letter["id"], letter["waiting_resp"], letter["cc"]) == ("cron", str(name)[:-5], 0, [])
    warned = shared.goophry.events("poulpe_cron")
    assert [line["message"] for line in warned if "passed over" in line["message"]] == [
        "Line 2 of the cron file is passed over: expected 7 fields of time, a name and a method, found 2 words",
        "Line 4 of the cron file is passed over: expected 7 fields of time, a name and a method, found 1 words",
    ]
    eventually(shared.client.is_idle, what="all has ended")


def test_what_may_not_run_is_accepted_and_fails(site: Callable[..., Site], web: Target) -> None:
    """And what may be requested is asked of the proxy."""
    urls = ["http://127.0.0.2:", "http://far.example/"]
    running = site(Allow=["true"], AllowUrls=urls, Proxy=f"http://{web.address}").start()

    found = [
        running.client.post(**message("a", "EXEC", "true", wait=20)),
        running.client.post(**message("b", "EXEC", "false", wait=20)),
        running.client.post(**message("c", "GET", f"http://127.0.0.2:x@{web.address}/never", wait=20)),
    ]

    assert found == [OK, fail("执行失败"), fail("URL无法访问")]
    assert not [path for _, path, *_ in web.seen if "never" in path]
    assert running.client.post(**message("d", "GET", "http://far.example/status/200", "x", wait=20)) == OK
    assert [path for _, path, *_ in web.seen if "far" in path] == ["http://far.example/status/200?x"]


def test_a_dead_letter_that_cannot_be_written_is_kept_until_it_can(site: Callable[..., Site]) -> None:
    running = site(MaxRetry=0)
    running.folder.mkdir(parents=True)
    running.dead.write_text("in the way")
    running.start()

    running.client.post(**message("a", "EXEC", "false"))
    running.goophry.wait_event("poulpe_dead_failed")
    assert running.client.info()["wronging_keys"] == ["task-a"]
    running.dead.unlink()

    eventually(running.letters, what="the dead letter")
    eventually(running.client.is_idle, what="it is forgotten")


def test_a_mail_is_sent_over_tls_and_one_that_is_refused_says_why(site: Callable[..., Site]) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    mail = MailSite(tls=context, logins={"alex": "secret"}).start()
    running = site()
    running.folder.mkdir(parents=True)
    authority.cert_pem.write_to_path(str(running.folder / "authority.pem"))
    smtp = {"Host": "127.0.0.1", "Port": mail.port, "TLS": True, "Username": "alex", "Password": "secret"}
    running.config["Smtp"] = smtp
    running.environment = {"SSL_CERT_FILE": str(running.folder / "authority.pem")}
    params = {"from_addr": "从 <a@example.org>", "to_addr": "b@example.org", "title": "题", "body": "正文"}
    try:
        running.start()
        assert running.client.post(**message("a", "MAIL_TO", "", json.dumps(params), wait=20)) == OK
        refused = running.client.post(
            **message("b", "mail_to", "", json.dumps(params | {"to_addr": "no@x.org"}), wait=20)
        )
        assert refused.startswith('{"reason":"错误：Could not send email: ')
        broken = running.client.post(**message("c", "MAIL_TO", "", json.dumps(params | {"to_addr": "none"}), wait=20))
        assert broken.startswith('{"reason":"错误：Could not send email: ')
    finally:
        mail.close()
    assert (mail.received[0].login, mail.received[0].encrypted) == ("alex", True)
    assert mail.received[0].message["Subject"] == "题"


@pytest.mark.parametrize("count", [(int(os.environ.get("GOOPHRY_TEST_FULL") or 0) and 10_000) or 160])
def test_cc_is_kept_by_a_fleet(
    site: Callable[..., Site], tmp_path: Path, script: Callable[..., Path], count: int
) -> None:
    """By the programs' own timestamps: never two of one number, in order; of two numbers, never three."""
    first, out = site(Workers=4, CronFile=str(tmp_path / "none")).start(), tmp_path / "out"
    second = first.another().start()
    note = script(f'b=$(date +%s.%N); sleep "$2"; echo "$1 $b $(date +%s.%N)" >> {out}')
    kinds = ["0", "1", "2 3", "", "3", "1"]
    try:
        with ThreadPoolExecutor(4) as pool:
            list(
                pool.map(
                    lambda number: (first, second)[number % 2].client.post(
                        **message(
                            str(number),
                            "EXEC",
                            str(note),
                            f"{number} 0.00{number % 7}",
                            cc=kinds[number % 6],
                            delay=int(number % 11 == 0),
                        )
                    ),
                    range(count),
                )
            )
        eventually(first.client.is_idle, within=60 + count / 10, every=0.2, what="all has ended")
    finally:
        second.clean_up()
    runs: dict[str, list[tuple[float, float, int]]] = {}
    for line in out.read_text().splitlines():
        number, began, ended = line.split()
        runs.setdefault(kinds[int(number) % 6], []).append((float(began), float(ended), int(number)))
    assert sum(map(len, runs.values())) == count
    for cc, most in (("0", 1), ("1", 1), ("3", 1), ("2 3", 2)):
        assert _at_once(runs[cc]) <= most, cc
    assert _at_once([*runs["3"], *runs["2 3"]]) <= 2


def test_jobs_of_one_number_run_in_the_order_they_came(
    shared: Site, script: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    note = script(f'echo "$1" >> {out}')
    id_ = new()

    for number in range(40):
        shared.client.post(**message(f"{id_}-{number}", "EXEC", str(note), str(number), cc="1"))

    eventually(lambda: len(words(out)) == 40, what="all have run")
    assert [int(word) for word in words(out)] == list(range(40))


def test_an_idle_worker_is_not_passed_over_for_a_busy_one(shared: Site) -> None:
    id_ = new()
    eventually(shared.client.is_idle, what="nothing is going on")
    shared.client.post(**message(f"{id_}-0", "EXEC", "sleep", "3"))

    assert shared.client.post(**message(f"{id_}-1", "EXEC", "true", wait=2)) == OK


def _at_once(runs: list[tuple[float, float, int]]) -> int:
    steps = sorted([(began, 1) for began, _, _ in runs] + [(ended, -1) for _, ended, _ in runs])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def test_a_fleet_of_two_of_which_one_is_killed(
    site: Callable[..., Site], script: Callable[..., Path], tmp_path: Path
) -> None:
    """The other takes over its workers; and each moment of the cron file, before and after, is there once."""
    first, out = site(), tmp_path / "out"
    first.folder.mkdir(parents=True)
    first.cron.write_text(f"* * * * * * * {script(f'echo $GOOPHRY_ID >> {out}')} EXEC\n")
    second = first.start().another().start()
    try:
        second.client.post(**message("a", "EXEC", "true", wait=20))
        eventually(lambda: len(words(out)) >= 2, what="two moments")
        first.goophry.kill()

        assert second.client.post(**message("b", "EXEC", "true", cc="1", wait=60)) == OK
        before = max(int(id_.rpartition("-")[2]) for id_ in words(out))
        eventually(lambda: any(int(id_.rpartition("-")[2]) > before for id_ in words(out)), what="one more moment")
    finally:
        second.clean_up()
    seconds = [int(id_.rpartition("-")[2]) for id_ in words(out)]
    assert sorted(set(seconds)) == list(range(min(seconds), max(seconds) + 1))
    # What ran when the first was killed may have run twice.
    assert len(seconds) - len(set(seconds)) <= 1


@pytest.mark.parametrize("count", [(int(os.environ.get("GOOPHRY_TEST_FULL") or 0) and 1000) or 100])
def test_many_sockets_and_one_that_does_not_read(shared: Site, count: int) -> None:
    id_ = new()
    with ExitStack() as opened:
        slow = opened.enter_context(shared.socket())
        for number in range(50):
            slow.send(json.dumps(message(f"{id_}-slow-{number}", "PUT", "", wait=1)))
        sockets = [opened.enter_context(shared.socket()) for _ in range(count)]

        for number, each in enumerate(sockets):
            each.send(json.dumps(message(f"{id_}-{number}", "PUT", "", wait=1)))

        for number, each in enumerate(sockets):
            assert each.recv(timeout=60) == f'{{"request_id":"task-{id_}-{number}","result":"OK"}}'
        assert len({slow.recv(timeout=20) for _ in range(50)}) == 50
