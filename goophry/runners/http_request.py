"""A request as it goes out, made from the Args of an entry and changed by redirects."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from goophry import __version__
from goophry.entry import TaskEntry
from goophry.http_headers import NOT_OF_ENTRIES, headers_problem
from goophry.runners.refused import Refused
from goophry.urls import Url, parse_url

_METHOD: Final = re.compile("[A-Za-z]+")
#: They make a tunnel, or show a request to whoever asks for it.
_NO_METHODS: Final = frozenset({"CONNECT", "TRACE", "TRACK"})

_OURS: Final = {"accept": ("Accept", "*/*"), "user-agent": ("User-Agent", f"goophry/{__version__}")}

#: What may be told to another server than the one the request was meant for; the rest may be secret.
_HARMLESS: Final = frozenset(
    {"accept", "accept-charset", "accept-encoding", "accept-language", "content-type", "user-agent"}
)

#: The redirects that repeat the request as it was; the others make a GET of it.
_REPEATING: Final = frozenset({307, 308})
REDIRECTS: Final = frozenset({301, 302, 303}) | _REPEATING

_SHOWN: Final = 500


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `headers` go by their names in lower case; the value is the name to send and the text."""

    method: str
    url: Url
    headers: Mapping[str, tuple[str, str]]
    body: bytes | None = None
    proxy: Url | None = None
    """Whom to ask instead of the server itself; for http, as https goes through a tunnel."""

    @property
    def target(self) -> str:
        """What stands in the request line."""
        return self.url.target if self.proxy is None else str(self.url)

    def __str__(self) -> str:
        return f"{self.method} {shown(self.url)}"

    def redirected(self, url: Url, status: int) -> "Request":
        """Return the request that follows an answer with `status` which names `url`."""
        headers = self.headers
        if url.origin != self.url.origin:
            headers = {name: header for name, header in headers.items() if name in _HARMLESS}
        if status in _REPEATING or self.method in {"GET", "HEAD"}:
            return replace(self, url=url, headers=headers)
        headers = {name: header for name, header in headers.items() if not name.startswith("content-")}
        return Request("GET", url, headers)

    def complete_headers(self) -> dict[str, str]:
        """Return all headers by the names they are sent with, but for those about the body."""
        headers = {"host": ("Host", self.url.authority)} | dict(self.headers)
        if self.url.user is not None and "authorization" not in headers:
            headers["authorization"] = ("Authorization", basic(self.url.user))
        if self.proxy is not None and self.proxy.user is not None:
            headers["proxy-authorization"] = ("Proxy-Authorization", basic(self.proxy.user))
        return dict(headers.values())


def read_request(entry: TaskEntry, headers: Mapping[str, str]) -> Request:
    """Read Args (method, URL, perhaps a body) and Headers of an entry; `headers` are those of the type.

    Raises `Refused`.
    """
    if len(entry.args) not in {2, 3}:
        raise Refused(f"expected Args of a method, a URL and perhaps a body, found {len(entry.args)} of them")
    method, text = entry.args[0].upper(), entry.args[1]
    if not _METHOD.fullmatch(method) or method in _NO_METHODS:
        raise Refused("expected a method as GET or POST in Args[0]")
    try:
        url = parse_url(text)
    except ValueError as error:
        raise Refused(str(error)) from error
    body = None
    if len(entry.args) > 2 and entry.args[2]:  # noqa: PLR2004 - the third
        body = entry.args[2].encode("utf-8", "surrogateescape")
    return Request(method, url, _all_headers(_headers_of(entry), headers), body)


def basic(user: str) -> str:
    """Return what user and password of a URL become in a header."""
    return f"Basic {base64.b64encode(unquote_to_bytes(user)).decode()}"


def shown(url: Url) -> str:
    """Return a URL for people, without user and password, cut."""
    text = str(url)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _headers_of(entry: TaskEntry) -> Mapping[str, str]:
    value: Any = next((value for key, value in entry.fields.items() if key.lower() == "headers"), None)
    if value is None:
        return {}
    problem = headers_problem(value, forbidden=NOT_OF_ENTRIES)
    if problem:
        raise Refused(f"Headers: expected {problem}")
    headers: Mapping[str, str] = value
    return headers


def _all_headers(of_entry: Mapping[str, str], of_type: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Lay them over one another; what the type says stands, and a header without text is not sent."""
    given = {name.lower(): (name, text) for name, text in (*of_entry.items(), *of_type.items())}
    return {name: header for name, header in (_OURS | given).items() if header[1]}
