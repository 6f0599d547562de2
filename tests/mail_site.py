"""Real SMTP servers on loopback, with TLS and logins, and ones that behave badly."""

import asyncio
import contextlib
import email
import email.policy
import socket
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Received:
    """A mail as the server took it."""

    sender: str
    recipients: list[str]
    content: bytes
    login: str | None
    encrypted: bool

    @property
    def message(self) -> EmailMessage:
        parsed = email.message_from_bytes(self.content, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass
class MailSite:
    """A server in a thread of its own. A recipient or sender that begins with `no` is refused."""

    tls: ssl.SSLContext | None = None
    start_tls: ssl.SSLContext | None = None
    logins: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)
    attempts: list[str] = field(default_factory=list)

    def start(self) -> "MailSite":
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(self._protocol, "127.0.0.1", 0, ssl=self.tls)
        self.port = int(server.sockets[0].getsockname()[1])
        self._ready.set()
        await self._end.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def _protocol(self) -> SMTP:
        options: dict[str, Any] = {"hostname": "mail.example", "enable_SMTPUTF8": True, "auth_require_tls": False}
        if self.logins:
            options |= {"authenticator": self._authenticate}
        if self.start_tls is not None:
            options |= {"tls_context": self.start_tls, "require_starttls": True, "auth_require_tls": True}
        return SMTP(self, loop=self._loop, **(options | self.options))

    def _authenticate(self, server: Any, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.attempts.append(mechanism)
        session.who = data.login.decode()
        good = self.logins.get(session.who) == data.password.decode()
        return AuthResult(success=good, handled=False)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Sequence[str]) -> str:  # noqa: N802 - the library asks for this name
        if address.startswith("no"):
            return "553 5.1.8 no such sender"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Sequence[str]) -> str:  # noqa: N802 - the library asks for this name
        if address.startswith("no"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "251 will forward" if address.startswith("moved") else "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library asks for this name
        content = bytes(envelope.content)
        if b"Subject: hang" in content:
            self.hanging.set()
            await self._end.wait()
        if b"Subject: spam" in content:
            return "554 5.7.1 we do not want this"
        who = getattr(session, "who", None)
        encrypted = session.ssl is not None or self.tls is not None
        self.received.append(Received(envelope.mail_from, list(envelope.rcpt_tos), content, who, encrypted))
        return f"250 queued as {len(self.received)}"


class Dialogue:
    """Sends the first reply to whoever comes, and another one for each line; then it keeps silent, or hangs up."""

    def __init__(self, *replies: bytes, stays: bool = True) -> None:
        self._replies, self._stays = replies, stays
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self.lines: list[bytes] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _run(self) -> None:
        self._listener.settimeout(0.05)
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            client.settimeout(20)
            with client, contextlib.suppress(OSError), client.makefile("rb") as file:
                for number, reply in enumerate(self._replies):
                    if number:
                        self.lines.append(file.readline())
                    client.sendall(reply)
                if self._stays:
                    self._closing.wait(30)

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self._listener.close()
