"""URLs as they are requested: read once, strictly, and made plain, so that what is checked is what is sent.

Programs differ in what they make of an odd URL. Here there is one reading: user, host and port are
split at the last `@`, the host is lower-case ASCII without a final dot or a number in its strict
form, `.` and `..` are taken out of the path also where they are written `%2e`, a backslash in the
path is a slash, and what must not stand in a URL is percent-encoded. What has two readings is refused.
"""

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urljoin

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_WHOLE: Final = re.compile(r"(https?)://([^/\\?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?", re.IGNORECASE | re.DOTALL)
_LABEL: Final = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
#: What inet_aton(3) takes for a part of an address, and a browser too: `127.1`, `0x7f.1`, `2130706433`.
_NUMBER: Final = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")
_LONGEST_NAME: Final = 253
_MAX_PORT: Final = 65_535

#: What stays as it is in a path and in a query, beside letters and digits, as browsers have it.
_PATH_SAFE: Final = "%!$&'()*+,-./:;=@_~[]|^\\"
_QUERY_SAFE: Final = "%!$&()*+,-./:;=@_~[]|^`{}?\\"


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute http or https URL in its plain form."""

    scheme: str
    host: str
    """ASCII, lower case; an IPv6 address without brackets."""
    port: int
    path: str
    query: str = ""
    """With its question mark; empty = there is none."""
    user: str | None = None
    """`user:password` as it stood there; never shown."""

    @property
    def target(self) -> str:
        """What stands in the request line."""
        return self.path + self.query

    @property
    def authority(self) -> str:
        """What stands in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Who is spoken to."""
        return self.scheme, self.host, self.port

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    def joined(self, reference: str) -> "Url":
        """Return what `reference`, a Location, means here. Raises `ValueError` with a sentence."""
        reference = reference.strip(" ")
        joined = parse_url(urljoin(str(self), reference))
        if joined.origin != self.origin or re.match(r"[a-z][a-z0-9+.-]*:|//", reference, re.IGNORECASE):
            return joined
        return replace(joined, user=self.user)


def parse_url(text: str) -> Url:
    """Read an absolute URL. Raises `ValueError` with a sentence, which shows no user and no password."""
    if any(ord(sign) < ord(" ") or sign == "\x7f" for sign in text):
        raise ValueError("the URL holds control characters")
    found = _WHOLE.fullmatch(text)
    if found is None:
        raise ValueError("expected a URL that begins with http:// or https://")
    scheme, authority, path, query = found[1].lower(), found[2], found[3], found[4] or ""
    user, at, place = authority.rpartition("@")
    if "@" in user:
        raise ValueError("the URL has more than one @ before its path")
    host, port = split_host(place)
    return Url(
        scheme,
        plain_host(host),
        DEFAULT_PORTS[scheme] if not port else read_port(port),
        plain_path(path),
        _encoded(query, safe=_QUERY_SAFE),
        user if at else None,
    )


def split_host(place: str) -> tuple[str, str | None]:
    """Split `host`, `host:port` or `[v6]:port`; None = there is no colon. Raises `ValueError` with a sentence."""
    found = re.fullmatch(r"(\[[^]]*\]|[^:\[\]]*)(?::([^:]*))?", place)
    if found is None:
        raise ValueError("the host of the URL cannot be read; an IPv6 address stands in [ ]")
    return found[1], found[2]


def plain_host(host: str) -> str:
    """Bring a host into its plain form. Raises `ValueError` with a sentence."""
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1] if "%" not in host else ""))
        except ValueError as error:
            raise ValueError("the host of the URL is no IPv6 address") from error
    if len(host) > 4 * _LONGEST_NAME:  # however its letters are written
        raise ValueError("the host of the URL is no name that hosts have")
    try:
        name = host.encode("idna").decode().lower() if not host.isascii() else host.lower()
    except UnicodeError as error:
        raise ValueError("the host of the URL is no name that hosts have") from error
    name = name.removesuffix(".")
    if not name:
        raise ValueError("the URL has no host")
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise ValueError("the host of the URL is no name that hosts have")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError as error:
            raise ValueError("the host of the URL is an address in a form that is not taken") from error
    return name


def read_port(text: str) -> int:
    """Read a port. Raises `ValueError` with a sentence."""
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:6]) <= _MAX_PORT:
        raise ValueError("the port of the URL is no number from 1 to 65535")
    return int(text)


def plain_path(path: str) -> str:
    """Encode what must be, and take out `.` and `..`; the result begins with a slash."""
    kept: list[str] = []
    names = _encoded(path, safe=_PATH_SAFE).replace("\\", "/").split("/")[1:]
    for place, name in enumerate(names):
        dots = re.sub("%2e", ".", name, flags=re.IGNORECASE)
        is_last = place == len(names) - 1
        if dots == "..":
            kept = kept[:-1]
        elif dots != ".":
            kept.append(name)
        if dots in {".", ".."} and is_last:
            kept.append("")
    return "/" + "/".join(kept)


def climbs(path: str) -> bool:
    """Whether a server could find a `..` in the path: one that decodes it first, or cuts off what follows a `;`."""
    while "%" in path:
        decoded = unquote_to_bytes(path).decode(errors="replace")
        if decoded == path:
            break
        path = decoded
    return any(name.partition(";")[0] == ".." for name in re.split(r"[/\\]", path))


def literal_address(host: str) -> Address | None:
    """Return the address that a plain host is; None = it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _encoded(text: str, *, safe: str) -> str:
    # Bytes that were not UTF-8 come out as they came in.
    return quote(text, safe=safe, encoding="utf-8", errors="surrogateescape")
