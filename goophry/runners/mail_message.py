"""A mail made from the Args of an entry: who, to whom, about what.

Nothing that a producer writes can become a header, or a line of the dialogue with the server: what
holds a line break or another control character where there must be none is refused. The headers
with a producer's text are written here and not by the library, which decodes `=?utf-8?q?=0A?=`
in what it is given, and writes the line break.
"""

import base64
import hashlib
import re
import unicodedata
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from goophry.entry import TaskEntry
from goophry.runners.refused import Refused
from goophry.urls import literal_address, plain_host

_ARGS: Final = ("from", "to", "subject", "body")

#: A piece of a list that holds no comma between two addresses: text, or text in quotes.
_PIECE: Final = re.compile(r'[^",]+|"(?:[^"\\]|\\.)*"')
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_LOCAL_PART: Final = re.compile(r'[^\s"(),:;<>@\[\]\\.]+(?:\.[^\s"(),:;<>@\[\]\\.]+)*')
_LONGEST_LOCAL_PART: Final = 64

#: Line and paragraph breaks of Unicode, control characters, halves of characters.
_NOT_IN_HEADERS: Final = frozenset({"Cc", "Zl", "Zp", "Cs"})
#: Text that stands in a header as it is; longer text would have to be folded.
_PLAIN: Final = re.compile("(?! )[ -~]{0,60}(?<! )")
#: Bytes of text in an encoded word, which has 75 characters at most.
_WORD: Final = 45

_FOLD: Final = "\r\n "

#: Seven bits in the body, whatever the server can do.
_POLICY: Final = SMTP.clone(cte_type="7bit")


@dataclass(frozen=True, slots=True)
class Mail:
    """What the server is told. `is_utf8` = an address needs a server that knows SMTPUTF8."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    is_utf8: bool


@dataclass(frozen=True, slots=True)
class _Person:
    display: str
    local: str
    domain: str

    @property
    def address(self) -> str:
        return f"{self.local}@{self.domain}"

    def __str__(self) -> str:
        if not self.display:
            return self.address
        quoted = re.sub(r'(["\\])', r"\\\1", self.display)
        name = f'"{quoted}"' if _stands_as_it_is(self.display) else _words(self.display)
        return f"{name} <{self.address}>"


def read_mail(entry: TaskEntry, *, task_type: str, now: datetime) -> Mail:
    """Read from, to, subject and body of an entry. Raises `Refused`."""
    if len(entry.args) != len(_ARGS):
        raise Refused(f"expected Args of from, to, subject and body, found {len(entry.args)} of them")
    fields = dict(zip(_ARGS, map(_text, entry.args), strict=True))
    for name in _ARGS[:-1]:
        if any(unicodedata.category(sign) in _NOT_IN_HEADERS for sign in fields[name]):
            raise Refused(f"{name}: holds a line break or another control character")
    senders, recipients = _people("from", fields["from"]), _people("to", fields["to"])
    if len(senders) != 1:
        raise Refused(f"from: expected one address, found {len(senders)}")
    sender, subject = senders[0], fields["subject"]
    head = [
        f"From: {sender}",
        f"To: {f',{_FOLD}'.join(map(str, recipients))}",
        f"Subject: {subject if _stands_as_it_is(subject) else _words(subject)}",
        f"Date: {format_datetime(now)}",
        f"Message-ID: <{_token(entry, task_type)}@{sender.domain}>",
    ]
    addresses = tuple(each.address for each in (sender, *recipients))
    content = "\r\n".join([*head, ""]).encode() + _body(fields["body"])
    return Mail(addresses[0], addresses[1:], content, is_utf8=not all(map(str.isascii, addresses)))


def _text(arg: str) -> str:
    """Put U+FFFD for bytes that were not UTF-8."""
    return arg.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _body(text: str) -> bytes:
    """Return the headers about the body, and the body."""
    part = EmailMessage(_POLICY)
    # Not as it is: a NUL may be in no line of a mail.
    part.set_content(text, charset="utf-8", cte="base64" if "\0" in text else None)
    return part.as_bytes()


def _stands_as_it_is(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None and "=?" not in text


def _words(text: str) -> str:
    """Write any text in encoded words, each of whole characters."""
    words, word = [], b""
    for sign in map(str.encode, text):
        if len(word) + len(sign) > _WORD:
            words.append(word)
            word = b""
        word += sign
    return _FOLD.join(f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in (*words, word))


def _people(name: str, text: str) -> tuple[_Person, ...]:
    return tuple(_person(name, item.strip()) for item in _items(name, text))


def _items(name: str, text: str) -> Iterator[str]:
    """Split at the commas that stand in no quotes."""
    item, place = "", 0
    while place < len(text):
        piece = _PIECE.match(text, place)
        if piece is not None:
            item += piece[0]
            place = piece.end()
        elif text[place] == ",":
            yield item
            item, place = "", place + 1
        else:
            raise Refused(f"{name}: has a quote that does not end")
    yield item


def _person(name: str, item: str) -> _Person:
    """Read `a@b`, `<a@b>`, `Name <a@b>` or `"Name, odd" <a@b>`."""
    display, bracket, text = item[:-1].rpartition("<") if item.endswith(">") else ("", "<", item)
    display = display.strip()
    if _QUOTED.fullmatch(display):
        display = re.sub(r"\\(.)", r"\1", display[1:-1])
    elif set(display) & set('"<>;:@'):
        bracket = ""
    if not bracket:
        raise Refused(f"{name}: expected addresses as a@example.org or Name <a@example.org>, separated by commas")
    local, _, domain = text.rpartition("@")
    try:
        host = plain_host(domain)
    except ValueError:
        host = ""
    if not host or literal_address(host) is not None or not _is_local_part(local):
        raise Refused(f"{name}: {text[: 2 * _LONGEST_LOCAL_PART]!r} is no address")
    return _Person(display, local, host)


def _is_local_part(text: str) -> bool:
    return len(text.encode()) <= _LONGEST_LOCAL_PART and _LOCAL_PART.fullmatch(text) is not None


def _token(entry: TaskEntry, task_type: str) -> str:
    """Return a name for the mail, the same for each try of a task that has an Id: its readers may see that it is one."""
    if entry.id is None:
        return uuid.uuid4().hex
    told = "\0".join((task_type, entry.id, *entry.args)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(told).hexdigest()[:32]
