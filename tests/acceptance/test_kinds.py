"""A real goophry whose types do other things than start a script."""

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from acceptance.goophry_process import Goophry
from conftest import eventually
from http_site import RawServer, raw_servers
from mail_site import MailSite

pytest_plugins = ["acceptance.fixtures"]

Start = Callable[..., Goophry]
Script = Callable[..., Path]


@pytest.fixture
def servers() -> Iterator[Callable[..., RawServer]]:
    with raw_servers() as start:
        yield start


def errors_of(process: Goophry, task_type: str, count: int) -> list[str]:
    entries = [json.loads(raw) for raw in process.wait_failed(task_type, count)]
    return sorted(entry["ErrorMessage"] for entry in entries)


def test_commands_run_if_they_are_allowed_and_are_told_of_if_not(
    goophry: Start, script: Script, tmp_path: Path
) -> None:
    told = script(f'printf "%s" "$1" >> {tmp_path}/told')
    tool = script(f'printf "%s-" "$@" >> {tmp_path}/ran', name="tool")
    task = {"Type": "c", "Kind": "command", "Allow": [f"{tmp_path}/t*", "false"], "ErrorScript": str(told)}
    process = goophry(task, FailedTasksTTL=60)

    process.push("c", str(tool), "a b", "")
    process.push("c", "sh", "-c", "id")
    process.push("c", "false")

    assert errors_of(process, "c", 2) == ["exit status 1", "not allowed: no glob of Allow matches sh"]
    assert (tmp_path / "ran").read_text() == "a b--"
    eventually(lambda: (tmp_path / "told").exists() and (tmp_path / "told").read_text().count("command") == 2)
    assert 'command "sh" "-c" "id"\n\nnot allowed: no glob of Allow matches sh' in (tmp_path / "told").read_text()
    assert process.stop() == 0


def test_requests_are_made_and_a_stop_puts_back_what_is_not_answered(
    goophry: Start, servers: Callable[..., RawServer]
) -> None:
    good = servers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    bad = servers(b"HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nbad")
    silent = servers(b"", stays=True)
    task = {"Type": "h", "Kind": "http", "AllowUrls": ["http://127.0.0.1:"], "Workers": 2}
    task["Headers"] = {"Authorization": "Bearer key-3141"}
    process = goophry(task, FailedTasksTTL=60, ShutdownTimeout=0.2)

    process.push("h", "GET", good.url())
    process.push("h", "POST", bad.url(), "body")
    process.push("h", "GET", "http://10.0.0.1/")

    assert errors_of(process, "h", 2) == [
        "not allowed: no prefix of AllowUrls matches http://10.0.0.1/",
        "status 500\n\nbad",
    ]
    eventually(lambda: process.drained("h"))
    process.push("h", "GET", silent.url())
    silent.answered.wait(20)
    assert process.stop() == 0
    assert len(process.waiting("h")) == 1
    assert "key-3141" not in process.log


def test_mails_are_sent_and_the_password_is_shown_nowhere(goophry: Start, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    site = MailSite(start_tls=tls, logins={"me": "pass-4711"}).start()
    (tmp_path / "password").write_text("pass-4711\n")
    smtp = {"Host": "127.0.0.1", "Port": site.port, "Username": "me", "PasswordFile": str(tmp_path / "password")}
    process = goophry(
        {"Type": "m", "Kind": "mail", "Workers": 2},
        {"Type": "wrong", "Kind": "mail", "Smtp": smtp | {"PasswordFile": None, "Password": "wrong-0815"}},
        Smtp=smtp,
        FailedTasksTTL=60,
        process={"arguments": ["-v"], "env": {"SSL_CERT_FILE": str(tmp_path / "authority.pem")}},
    )

    process.push("m", "Me <me@here.example>", "you@there.example", "Grüße", "Hallo\n", Id="1")
    process.push("m", "me@here.example", "nobody@there.example", "x", "y")
    process.push("wrong", "me@here.example", "you@there.example", "x", "y")

    place = f"127.0.0.1 port {site.port}"
    refused = "nobody@there.example (550 5.1.1 no such user)"
    assert errors_of(process, "m", 1) == [f"{place}: nothing was sent, as recipients are refused: {refused}"]
    assert errors_of(process, "wrong", 1)[0].startswith(f"{place}: the login is refused: 535 ")
    eventually(lambda: process.drained("m", "wrong"))
    assert [mail.message["Subject"] for mail in site.received] == ["Grüße"]
    assert process.stop() == 0
    site.close()
    assert "pass-4711" not in process.log
    assert "wrong-0815" not in process.log
