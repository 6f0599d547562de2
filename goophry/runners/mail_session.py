"""A dialogue with a mail server, from the first byte to the mail's acceptance."""

import base64
import contextlib
import os
import smtplib
import ssl
from collections.abc import Callable, Iterator
from typing import Final

from goophry.config import Smtp
from goophry.runners.errand import Undone
from goophry.runners.mail_message import Mail
from goophry.runners.names import Names, UnknownName
from goophry.runners.patience import Patience, RunEnded
from goophry.runners.stream import Stream, connect
from goophry.runners.troubles import in_words

_READY: Final = 220
_DONE: Final = 250
_ACCEPTED_TOO: Final = 251
_SHOWN: Final = 300


class NotSent(Undone):
    """The server cannot be used, or did not take the mail; the text says why."""


class MailServer:
    """The server of one type, for one thread."""

    def __init__(self, smtp: Smtp, *, names: Names, tls: Callable[[], ssl.SSLContext]) -> None:
        self._smtp = smtp
        self._names = names
        self._tls = tls
        self.place = f"{smtp.host} port {smtp.service_port}"
        """Whom this is about, for people."""

    @contextlib.contextmanager
    def session(self, patience: Patience) -> Iterator["Session"]:
        """Connect, go over to TLS and log in, as the configuration says. Raises `NotSent` and `RunEnded`."""
        stream = self._connected(patience)
        try:
            session = Session(stream, patience, self._smtp, tls=self._tls)
            with _in_words():
                session.begin()
            yield session
            session.leave()
        finally:
            stream.end()

    def close(self) -> None:
        """Free what is held."""
        self._names.close()

    def _connected(self, patience: Patience) -> Stream:
        try:
            addresses = self._names.addresses(self._smtp.host, patience)
            return connect(addresses, self._smtp.service_port, patience)
        except UnknownName as error:
            raise NotSent(str(error)) from error
        except OSError as error:
            raise NotSent(in_words(error)) from error


class Session:
    """A connection to the server that is made use of once."""

    def __init__(self, stream: Stream, patience: Patience, smtp: Smtp, *, tls: Callable[[], ssl.SSLContext]) -> None:
        self._stream = stream
        self._patience = patience
        self._settings = smtp
        self._tls = tls
        # Without a name the library would look up its own, in its own time.
        self._smtp = smtplib.SMTP(local_hostname=_own_name())
        self._smtp.sock = stream  # type: ignore[assignment] # it sends, closes, and asks for its file only

    def begin(self) -> None:
        """Hear the greeting, go over to TLS, log in."""
        if self._settings.tls:
            self._secure()
        self._patience.doing = "waiting for the greeting"
        code, text = self._smtp.getreply()
        if code < 0:
            raise NotSent("the server greets with no SMTP")
        if code != _READY:
            raise NotSent(f"the server greets with {self._said(code, text)}")
        self._greet()
        if not self._settings.tls and self._settings.uses_start_tls:
            self._start_tls()
        if self._settings.username is not None:
            self._log_in(self._settings.username)

    def send(self, mail: Mail) -> str:
        """Have the server take the mail, for all recipients or for none, and return what it says then."""
        with _in_words():
            return self._send(mail)

    def leave(self) -> None:
        """Say good-bye, without waiting for an answer: what was accepted is accepted."""
        with contextlib.suppress(OSError, smtplib.SMTPException, RunEnded):
            self._smtp.putcmd("quit")

    def _greet(self) -> None:
        self._patience.doing = "greeting the server"
        try:
            self._smtp.ehlo_or_helo_if_needed()
        except smtplib.SMTPHeloError as error:
            raise NotSent(f"the server refuses to talk: {self._said(error.smtp_code, error.smtp_error)}") from error

    def _secure(self) -> None:
        self._patience.doing = "agreeing on TLS"
        self._stream.start_tls(self._tls(), server_hostname=self._settings.host)

    def _start_tls(self) -> None:
        smtp = self._smtp
        if not smtp.has_extn("starttls"):
            raise NotSent("the server offers no STARTTLS")
        code, text = smtp.docmd("STARTTLS")
        if code != _READY:
            raise NotSent(f"STARTTLS is refused: {self._said(code, text)}")
        # What was read before, and what the server has said of itself, may have come from anybody.
        smtp.file = None
        smtp.helo_resp = smtp.ehlo_resp = None
        smtp.esmtp_features = {}
        smtp.does_esmtp = False
        self._secure()
        self._greet()

    def _log_in(self, username: str) -> None:
        self._patience.doing = "logging in"
        try:
            self._smtp.login(username, self._settings.secret)
        except smtplib.SMTPAuthenticationError as error:
            raise NotSent(f"the login is refused: {self._said(error.smtp_code, error.smtp_error)}") from None
        except smtplib.SMTPNotSupportedError:
            raise NotSent("the server offers no login") from None
        except UnicodeEncodeError:
            raise NotSent("Username and Password must be ASCII") from None

    def _send(self, mail: Mail) -> str:
        smtp = self._smtp
        self._patience.doing = "handing over sender and recipients"
        options = [f"size={len(mail.content)}"] if smtp.has_extn("size") else []
        if mail.is_utf8:
            if not smtp.has_extn("smtputf8"):
                raise NotSent("the server takes ASCII addresses only")
            options += ["SMTPUTF8", "BODY=8BITMIME"]
        code, text = smtp.mail(mail.sender, options)
        if code != _DONE:
            raise NotSent(f"the sender {mail.sender} is refused: {self._said(code, text)}")
        replies = [(recipient, *smtp.rcpt(recipient)) for recipient in mail.recipients]
        refused = [
            f"{recipient} ({self._said(code, text)})"
            for recipient, code, text in replies
            if code not in {_DONE, _ACCEPTED_TOO}
        ]
        if refused:
            raise NotSent(f"nothing was sent, as recipients are refused: {', '.join(refused)}")
        self._patience.doing = "handing over the mail"
        try:
            code, text = smtp.data(mail.content)
        except smtplib.SMTPDataError as error:
            raise NotSent(f"the mail is refused: {self._said(error.smtp_code, error.smtp_error)}") from error
        if code != _DONE:
            raise NotSent(f"the mail is refused: {self._said(code, text)}")
        return self._said(code, text)

    def _said(self, code: int, text: bytes | str) -> str:
        """Return a reply on one line, without the password, should the server repeat it."""
        line = " ".join((text if isinstance(text, str) else text.decode(errors="replace")).split())
        for secret in self._secrets():
            line = line.replace(secret, "…")
        return f"{code} {line[:_SHOWN]}"

    def _secrets(self) -> Iterator[str]:
        secret, username = self._settings.secret, self._settings.username or ""
        if secret:
            for form in (secret, f"\0{username}\0{secret}"):
                yield form
                yield base64.b64encode(form.encode()).decode()


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """Turn what goes wrong between the commands into a sentence."""
    try:
        yield
    except smtplib.SMTPServerDisconnected as error:
        cause = error.__context__
        if isinstance(cause, OSError) and not isinstance(cause, ConnectionError):
            raise NotSent(in_words(cause)) from error
        raise NotSent("the server closed the connection") from error
    except smtplib.SMTPException as error:
        raise NotSent(
            f"the server does not speak SMTP as it should: {' '.join(str(error).split())[:_SHOWN]}"
        ) from error
    except OSError as error:
        raise NotSent(in_words(error)) from error


def _own_name() -> str:
    """Return the name to greet with: a whole one, or an address as the standard has it."""
    name = os.uname().nodename
    return name if "." in name and name.isascii() else "[127.0.0.1]"
