"""The `mail` kind: a plain text mail for each entry, over TLS, to all recipients or to none."""

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from conftest import eventually, free_port
from contract import Acts, Background, Make, RunnerContract, job
from mail_site import Dialogue, MailSite

from goophry.config import Smtp, TaskType
from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Runner
from goophry.runners.build import runner_factory

pytest_plugins = ["tls_parts"]

Start = Callable[..., MailSite]
Talk = Callable[..., Dialogue]
Send = Callable[..., Outcome]

MAIL = ("me@here.example", "you@there.example", "Subject", "Body")
LOGIN = {"Username": "me", "Password": "s3cret pass"}


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "mail.example").configure_cert(context)
    return context


@pytest.fixture
def start() -> Iterator[Start]:
    """Start mail servers."""
    with ExitStack() as stack:

        def server(**fields: Any) -> MailSite:
            made = MailSite(**fields).start()
            stack.callback(made.close)
            return made

        yield server


@pytest.fixture
def talk() -> Iterator[Talk]:
    """Start servers that send these replies."""
    with ExitStack() as stack:

        def server(*replies: bytes, **keys: bool) -> Dialogue:
            made = Dialogue(*replies, **keys)
            stack.callback(made.close)
            return made

        yield server


@pytest.fixture
def make() -> Iterator[Make]:
    """Make runners for the server at `port` of this machine, without TLS unless told otherwise."""
    with ExitStack() as stack:

        def runner(
            port: int, smtp: dict[str, Any] | None = None, environ: dict[str, str] | None = None, **keys: Any
        ) -> Runner:
            server = Smtp(**({"Host": "127.0.0.1", "Port": port, "StartTLS": False} | (smtp or {})))
            made = runner_factory(
                TaskType(Type="m", Kind="mail", Smtp=server, **keys), instance_id="i", environ=environ
            )()
            stack.callback(made.close)
            return made

        yield runner


@pytest.fixture
def send(make: Make) -> Send:
    """Send one mail with a runner of its own."""

    def run(port: int, *args: str, smtp: dict[str, Any] | None = None, **fields: Any) -> Outcome:
        return make(port, smtp).run(job(*(args or MAIL), **fields))

    return run


class TestMailRunner(RunnerContract):
    """What every runner must do."""

    @pytest.fixture
    def acts(self, make: Make, start: Start) -> Acts:
        self.site = start()
        self.runner = lambda **keys: make(self.site.port, **keys)
        self.failure = f"127.0.0.1 port {self.site.port}: the mail is refused: 554 5.7.1 we do not want this"
        return self

    def args(self, deed: str) -> tuple[str, ...]:
        return ("a@b", "c@d", {"succeed": "ham", "fail": "spam", "hang": "hang"}[deed], "")

    def has_begun(self) -> bool:
        return self.site.hanging.is_set()


class TestMailRunnerOverTls(TestMailRunner):
    """The same over STARTTLS, with a login."""

    @pytest.fixture
    def acts(self, make: Make, start: Start, server_tls: ssl.SSLContext, trusted: Path) -> Acts:
        self.site = start(start_tls=server_tls, logins={"me": "s3cret pass"})
        self.runner = lambda **keys: make(self.site.port, {"StartTLS": True} | LOGIN, **keys)
        self.failure = f"127.0.0.1 port {self.site.port}: the mail is refused: 554 5.7.1 we do not want this"
        return self


# The mail


def test_that_the_mail_arrives_as_it_was_meant(send: Send, start: Start) -> None:
    site = start()
    body = "Grüße\r\n.\n..x\nFrom me\n\n" + "long " * 400 + "\n日本"

    outcome = send(
        site.port, "Jürgen <me@here.example>", '"You, Too" <you@there.example>, b@c', "Zahlung über 5 €", body
    )

    (mail,) = site.received
    assert (outcome.verdict, outcome.stdout.text()) == (Verdict.SUCCESS, "250 queued as 1")
    assert (mail.sender, mail.recipients) == ("me@here.example", ["you@there.example", "b@c"])
    message = mail.message
    assert message.get_content_type() == "text/plain"
    assert message.get_content().replace("\r\n", "\n") == body.replace("\r\n", "\n") + "\n"
    assert (message["Subject"], message["From"].addresses[0].display_name) == ("Zahlung über 5 €", "Jürgen")
    assert [address.display_name for address in message["To"].addresses] == ["You, Too", ""]
    assert abs((message["Date"].datetime - datetime.now(UTC)).total_seconds()) < 100
    assert message["Message-ID"].endswith("@here.example>")
    assert [part for header in message.values() for part in header.defects] == []


def test_that_each_try_of_a_task_is_the_same_mail(send: Send, start: Start) -> None:
    site = start()
    for fields in ({"id": "7"}, {"id": "7"}, {"id": "8"}, {}, {}):
        assert send(site.port, **fields).ok
    assert send(site.port, *MAIL[:3], "Other", id="7").ok

    ids = [mail.message["Message-ID"] for mail in site.received]

    assert ids[0] == ids[1]
    assert len(set(ids)) == 5


@pytest.mark.parametrize(
    "text", ["=?utf-8?q?a=0D=0ABcc:_x@evil.example?=", "=?utf-8?b?YQ0KQmNjOiB4QGV2aWw=?=", "a?= =?x"]
)
def test_that_encoded_words_of_a_producer_stay_text(send: Send, start: Start, text: str) -> None:
    """The email package decodes them in what it is given, and writes the line breaks that come out."""
    site = start()

    assert send(site.port, f'"{text}" <a@b>', f'"{text}" <c@d>', text, "body").ok

    message = site.received[0].message
    assert "Bcc" not in message
    assert (message["Subject"], message["From"].addresses[0].display_name) == (text, text)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("plain\nlines\n", "7bit"),
        ("", "7bit"),
        ("x" * 5000, "quoted-printable"),
        ("ü", "quoted-printable"),
        ("a\0b", "base64"),
        ("日本語", "base64"),
        ("a\udcffb", "quoted-printable"),
        ("\r\n.\r\nQUIT\r\n", "7bit"),
    ],
)
def test_that_any_body_goes_through(send: Send, start: Start, body: str, encoding: str) -> None:
    site = start()

    assert send(site.port, *MAIL[:3], body).ok

    message = site.received[0].message
    sent = body.replace("\r\n", "\n").replace("\udcff", "\ufffd")
    assert message.get_content().replace("\r\n", "\n").rstrip("\n") == sent.rstrip("\n")
    assert message["Content-Transfer-Encoding"] == encoding
    assert len(site.received) == 1
    assert max(len(line) for line in site.received[0].content.splitlines()) <= 78


def test_that_addresses_with_other_letters_need_a_server_that_knows_them(send: Send, start: Start) -> None:
    able, unable = start(), start(options={"enable_SMTPUTF8": False})

    assert send(able.port, "grüße@bücher.example", "日本@d", "s", "b").ok
    outcome = send(unable.port, "grüße@b", "c@d", "s", "b")

    assert (able.received[0].sender, able.received[0].recipients) == ("grüße@xn--bcher-kva.example", ["日本@d"])
    assert outcome.message == f"127.0.0.1 port {unable.port}: the server takes ASCII addresses only"
    assert send(unable.port, "a@bücher.example", "c@d", "s", "b").ok


NO_LIST = "expected addresses as a@example.org or Name <a@example.org>, separated by commas"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "expected Args of from, to, subject and body, found 0 of them"),
        (("a@b", "c@d", "s"), "expected Args of from, to, subject and body, found 3 of them"),
        (("a@b", "c@d", "s", "b", "x"), "expected Args of from, to, subject and body, found 5 of them"),
        (("a@b\nBcc: x@y", "c@d", "s", "b"), "from: holds a line break or another control character"),
        (("a@b", "c@d\r\nBcc: x@y", "s", "b"), "to: holds a line break or another control character"),
        (("a@b", "c@d", "s\rBcc: x@y", "b"), "subject: holds a line break or another control character"),
        (("a@b", "c@d", "s\u2028x", "b"), "subject: holds a line break or another control character"),
        (("a@b", "c@d", "s\0", "b"), "subject: holds a line break or another control character"),
        (("", "c@d", "s", "b"), "from: '' is no address"),
        (("a@b, c@d", "c@d", "s", "b"), "from: expected one address, found 2"),
        (("a@b", "", "s", "b"), "to: '' is no address"),
        (("a@b", "c@d,", "s", "b"), "to: '' is no address"),
        (("a@b", "c@d,,e@f", "s", "b"), "to: '' is no address"),
        (("a@b", "c", "s", "b"), "to: 'c' is no address"),
        (("a@b", "c@", "s", "b"), "to: 'c@' is no address"),
        (("a@b", "@d", "s", "b"), "to: '@d' is no address"),
        (("a@b", "c d@e", "s", "b"), "to: 'c d@e' is no address"),
        (("a@b", "c..d@e", "s", "b"), "to: 'c..d@e' is no address"),
        (("a@b", "c@d_ e", "s", "b"), "to: 'c@d_ e' is no address"),
        (("a@b", "c@[127.0.0.1]", "s", "b"), "to: 'c@[127.0.0.1]' is no address"),
        (("a@b", "c@127.0.0.1", "s", "b"), "to: 'c@127.0.0.1' is no address"),
        (("a@b", f"{'c' * 65}@d", "s", "b"), f"to: '{'c' * 65}@d' is no address"),
        (("a@b", "x <c@d", "s", "b"), "to: 'x <c@d' is no address"),
        (("a@b", "c@d <e@f>", "s", "b"), f"to: {NO_LIST}"),
        (("a@b", "x <c@d> <e@f>", "s", "b"), f"to: {NO_LIST}"),
        (("a@b", "c@d>", "s", "b"), f"to: {NO_LIST}"),
        (("a@b", "list: c@d;", "s", "b"), "to: 'list: c@d;' is no address"),
        (("a@b", '"x <c@d>', "s", "b"), "to: has a quote that does not end"),
    ],
)
def test_that_what_is_no_mail_is_told(send: Send, args: tuple[str, ...], message: str, make: Make) -> None:
    outcome = make(1).run(job(*args))

    assert (outcome.verdict, outcome.message) == (Verdict.START_FAILED, message)


# The server


def test_that_a_mail_goes_over_starttls_with_a_login(
    send: Send, start: Start, server_tls: ssl.SSLContext, trusted: Path
) -> None:
    site = start(start_tls=server_tls, logins={"me": "s3cret pass"})

    assert send(site.port, smtp={"StartTLS": True} | LOGIN).ok

    assert (site.received[0].login, site.received[0].encrypted) == ("me", True)


def test_that_a_mail_goes_over_tls_from_the_first_byte(
    send: Send, start: Start, server_tls: ssl.SSLContext, trusted: Path
) -> None:
    site = start(tls=server_tls, logins={"me": "s3cret pass"})

    assert send(site.port, smtp={"TLS": True, "StartTLS": None} | LOGIN).ok

    assert (site.received[0].login, site.received[0].encrypted) == ("me", True)


@pytest.mark.parametrize("mechanisms", [{"PLAIN"}, {"LOGIN"}])
def test_that_both_ways_to_log_in_are_known(
    send: Send, start: Start, server_tls: ssl.SSLContext, trusted: Path, mechanisms: set[str]
) -> None:
    options = {"auth_exclude_mechanism": {"PLAIN", "LOGIN"} - mechanisms}
    site = start(start_tls=server_tls, logins={"me": "s3cret pass"}, options=options)

    assert send(site.port, smtp={"StartTLS": True} | LOGIN).ok

    assert set(site.attempts) == mechanisms


def test_that_a_wrong_login_is_told_without_the_password(
    send: Send, start: Start, talk: Talk, server_tls: ssl.SSLContext, trusted: Path
) -> None:
    site = start(start_tls=server_tls, logins={"me": "another"})

    outcome = send(site.port, smtp={"StartTLS": True} | LOGIN)

    assert outcome.verdict is Verdict.FAILED
    assert outcome.message.startswith(f"127.0.0.1 port {site.port}: the login is refused: 535 ")
    assert site.received == []


def test_that_a_server_that_repeats_the_password_does_not_get_it_into_a_message(send: Send, talk: Talk) -> None:
    # me, s3cret pass, as PLAIN sends them
    echo = b"535 AG1lAHMzY3JldCBwYXNz: bad login s3cret pass czNjcmV0IHBhc3M=\r\n"
    server = talk(b"220 hi\r\n", b"250-hi\r\n250 AUTH PLAIN\r\n", echo, echo)

    outcome = send(server.port, smtp=LOGIN)

    assert outcome.message == f"127.0.0.1 port {server.port}: the login is refused: 535 …: bad login … …"


@pytest.mark.parametrize("whose", ["stranger", "other host"])
def test_that_certificate_and_host_name_are_checked(
    send: Send, start: Start, authority: trustme.CA, trusted: Path, whose: str
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    (trustme.CA() if whose == "stranger" else authority).issue_cert(
        "127.0.0.1" if whose == "stranger" else "other.example"
    ).configure_cert(context)
    starttls, tls = start(start_tls=context, logins={"me": "x"}), start(tls=context)

    outcomes = [
        send(starttls.port, smtp={"StartTLS": True} | LOGIN),
        send(tls.port, smtp={"TLS": True, "StartTLS": None} | LOGIN),
    ]

    for outcome in outcomes:
        assert "the certificate is not accepted: " in outcome.message
        assert whose == "stranger" or "mismatch" in outcome.message
    assert starttls.attempts == tls.attempts == []


def test_that_starttls_is_not_left_out(send: Send, start: Start, talk: Talk) -> None:
    without = start()
    refuses = talk(b"220 hi\r\n", b"250-hi\r\n250 STARTTLS\r\n", b"454 not now\r\n")

    outcomes = [send(server.port, smtp={"StartTLS": True}) for server in (without, refuses)]

    assert outcomes[0].message == f"127.0.0.1 port {without.port}: the server offers no STARTTLS"
    assert outcomes[1].message == f"127.0.0.1 port {refuses.port}: STARTTLS is refused: 454 not now"
    assert without.received == []


def test_that_a_recipient_that_is_refused_keeps_the_mail_from_all(send: Send, start: Start) -> None:
    site = start()

    some = send(site.port, "a@b", "c@d, nobody@d, moved@d, no-one@e", "s", "b")
    sender = send(site.port, "nobody@b", "c@d", "s", "b")
    good = send(site.port, "a@b", "c@d, moved@d", "s", "b")

    place = f"127.0.0.1 port {site.port}"
    assert some.verdict is Verdict.FAILED
    assert some.message == (
        f"{place}: nothing was sent, as recipients are refused: "
        "nobody@d (550 5.1.1 no such user), no-one@e (550 5.1.1 no such user)"
    )
    assert sender.message == f"{place}: the sender nobody@b is refused: 553 5.1.8 no such sender"
    assert good.ok
    assert [mail.recipients for mail in site.received] == [["c@d", "moved@d"]]


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ([b""], "the server closed the connection"),
        ([b"554 go away\r\n"], "the server greets with 554 go away"),
        ([b"HTTP/1.1 400 Bad Request\r\n"], "the server greets with no SMTP"),
        ([b"220 hi\r\n", b"550 no\r\n", b"550 never\r\n"], "the server refuses to talk: 550 never"),
        ([b"220 hi\r\n", b"250 hi\r\n"], "the server closed the connection"),
        ([b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n"], "the server closed the connection"),
        (
            [b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"451 later\r\n"],
            "the mail is refused: 451 later",
        ),
        ([b"220 " + b"x" * 9000 + b"\r\n"], "the server does not speak SMTP as it should: (500, 'Line too long.')"),
    ],
)
def test_that_a_server_that_does_not_take_it_is_told(send: Send, talk: Talk, replies: list[bytes], reason: str) -> None:
    server = talk(*replies, stays=False)

    outcome = send(server.port)

    assert (outcome.verdict, outcome.message) == (Verdict.FAILED, f"127.0.0.1 port {server.port}: {reason}")


def test_that_a_server_without_login_is_told(send: Send, talk: Talk) -> None:
    server = talk(b"220 hi\r\n", b"250 hi\r\n")

    assert send(server.port, smtp=LOGIN).message == f"127.0.0.1 port {server.port}: the server offers no login"


def test_that_a_password_that_cannot_be_sent_is_told(send: Send, talk: Talk) -> None:
    server = talk(b"220 hi\r\n", b"250-hi\r\n250 AUTH PLAIN\r\n")

    outcome = send(server.port, smtp={"Username": "me", "Password": "pässword"})

    assert outcome.message == f"127.0.0.1 port {server.port}: Username and Password must be ASCII"


def test_that_a_server_that_is_gone_is_told(send: Send, make: Make) -> None:
    port = free_port()

    assert send(port).message == f"127.0.0.1 port {port}: connection refused"
    assert send(port, smtp={"Host": "none.invalid"}).message == (
        f"none.invalid port {port}: no address was found for the name none.invalid"
    )


@pytest.mark.parametrize(
    ("replies", "smtp", "doing"),
    [
        ([b""], {}, "waiting for the greeting"),
        ([b"220-hi\r\n"], {}, "waiting for the greeting"),
        ([b""], {"TLS": True, "StartTLS": None}, "agreeing on TLS"),
        ([b"220 hi\r\n"], {}, "greeting the server"),
        ([b"220 hi\r\n", b"250-hi\r\n250 STARTTLS\r\n", b"220 go\r\n"], {"StartTLS": True}, "agreeing on TLS"),
        ([b"220 hi\r\n", b"250-hi\r\n250 AUTH PLAIN\r\n"], LOGIN, "logging in"),
        ([b"220 hi\r\n", b"250 hi\r\n"], {}, "handing over sender and recipients"),
        ([b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n"], {}, "handing over the mail"),
    ],
)
def test_that_a_server_that_stalls_is_given_up(
    make: Make, talk: Talk, replies: list[bytes], smtp: dict[str, Any], doing: str
) -> None:
    server = talk(*replies)

    outcome = make(server.port, smtp, Timeout=0.3).run(job(*MAIL))

    assert outcome.verdict is Verdict.TIMEOUT
    assert outcome.message == f"timed out after 0.3 s\n\n127.0.0.1 port {server.port}: {doing}"


def test_that_the_servers_time_limit_counts_where_there_is_no_other(make: Make, talk: Talk) -> None:
    server = talk(b"")

    outcomes = [
        make(server.port, {"Timeout": 0.2}).run(job(*MAIL)),
        make(server.port, {"Timeout": 0.2}, Timeout=0.3).run(job(*MAIL)),
        make(server.port, {"Timeout": 0.2}, Timeout=0.3).run(job(*MAIL, timeout_s=0.4)),
    ]

    assert [outcome.message.splitlines()[0] for outcome in outcomes] == [
        "timed out after 0.2 s",
        "timed out after 0.3 s",
        "timed out after 0.4 s",
    ]


def test_that_what_was_accepted_is_not_undone_by_a_late_wish(make: Make, talk: Talk) -> None:
    """The server takes the mail and never answers the good-bye."""
    good = [b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"]
    server = talk(*good, b"250 taken\r\n")
    # The dialogue answers each line, so the mail is cut to its first one here.
    outcome = make(server.port, Timeout=20).run(job(*MAIL))

    assert (outcome.verdict, outcome.stdout.text()) == (Verdict.SUCCESS, "250 taken")


def test_that_what_stands_before_tls_is_not_believed(
    send: Send, authority: trustme.CA, server_tls: ssl.SSLContext, trusted: Path
) -> None:
    """A reply that somebody on the way has put behind that to STARTTLS is thrown away."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            client.sendall(b"220 hi\r\n")
            client.recv(1000)
            client.sendall(b"250-hi\r\n250 STARTTLS\r\n")
            client.recv(1000)
            client.sendall(b"220 go\r\n250-forged\r\n250 AUTH PLAIN\r\n")
            with server_tls.wrap_socket(client, server_side=True) as secure:
                seen.append(secure.recv(1000))
                secure.sendall(b"250 true\r\n")
                seen.append(secure.recv(1000))
                secure.sendall(b"550 no\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        outcome = send(listener.getsockname()[1], smtp={"StartTLS": True})
        thread.join()

    assert seen[0].startswith(b"ehlo ")
    assert seen[1].startswith(b"mail FROM:")
    assert "is refused: 550 no" in outcome.message


def test_that_a_lookup_takes_no_longer_than_the_run_may(make: Make, tmp_path: Path) -> None:
    getent = tmp_path / "getent"
    getent.write_text("#!/bin/sh\nexec sleep 100\n")
    getent.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin"}

    outcome = make(25, {"Host": "slow.example"}, environ, Timeout=0.3).run(job(*MAIL))

    assert outcome.message.splitlines()[2] == "slow.example port 25: looking up the name slow.example"


def test_that_nothing_is_left_of_many_mails(make: Make, start: Start) -> None:
    site = start()
    runner = make(site.port)
    assert runner.run(job(*MAIL)).ok
    before, threads = os.listdir("/proc/self/fd"), threading.active_count()  # noqa: PTH208

    for _ in range(30):
        assert runner.run(job(*MAIL)).ok
        assert not runner.run(job("a@b", "nobody@c", "s", "b")).ok

    assert threading.active_count() == threads
    eventually(lambda: len(os.listdir("/proc/self/fd")) <= len(before))  # noqa: PTH208


def test_that_one_wish_ends_one_mail(make: Make, start: Start) -> None:
    site = start()
    task = job("a@b", "c@d", "hang", "b")
    run = Background(make(site.port), task)
    eventually(site.hanging.is_set)

    task.interrupt.set(Verdict.INTERRUPTED)

    assert run.outcome().verdict is Verdict.INTERRUPTED
