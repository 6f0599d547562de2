"""Which URLs may be requested: prefixes, compared part by part with what a URL means, and the addresses behind.

A name that is allowed today may point anywhere tomorrow. So an address that is not public (of
this machine, of a private network, of the link) is refused even if the name is allowed, unless
the prefix is that very address, or the operator named its network.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from goophry.urls import (
    DEFAULT_PORTS,
    Address,
    Url,
    climbs,
    literal_address,
    plain_host,
    plain_path,
    read_port,
    split_host,
)

#: The prefix that stands for every URL.
ANYTHING: Final = "*"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LOCALHOST: Final = "localhost"
#: Where IPv6 carries an IPv4 address in its last 32 bits: for a gateway to unpack.
_CARRIERS: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
#: All that is public in IPv6 so far.
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class UrlPrefix:
    """The URLs that begin in one way. None = any; a host that begins with a dot stands for all below it."""

    text: str
    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    path: str = "/"

    def matches(self, url: Url) -> bool:
        """Whether `url` begins like this."""
        return (
            self.scheme in {None, url.scheme}
            and self._has_host(url.host)
            and self.port in {None, url.port}
            and self._has_path(url.path)
        )

    def names(self, host: str, address: Address) -> bool:
        """Whether the prefix is written for this address, so that nobody can be surprised to reach it."""
        if self.host == _LOCALHOST:
            return address.is_loopback
        return self.host == host and literal_address(host) == address

    def _has_host(self, host: str) -> bool:
        if self.host is None or self.host == host:
            return True
        return self.host.startswith(".") and host.endswith(self.host) and literal_address(host) is None

    def _has_path(self, path: str) -> bool:
        if self.path == "/":
            return True
        if climbs(path):
            return False
        return path == self.path or path.startswith(self.path if self.path.endswith("/") else f"{self.path}/")


def parse_prefix(text: str) -> UrlPrefix:
    """Read a prefix: `*`, `https://`, `https://host`, `https://host:port/path`, `https://*.domain/`.

    With a colon and no port every port is meant. Raises `ValueError` with a sentence.
    """
    if text == ANYTHING:
        return UrlPrefix(text)
    scheme, colon, rest = text.partition("://")
    if scheme not in DEFAULT_PORTS or not colon:
        raise ValueError("it begins with http:// or https://")
    if set(rest) & set("?#@\\%") or not rest.isprintable():
        raise ValueError("it has no user, no query, no fragment and nothing percent-encoded")
    if not rest:
        return UrlPrefix(text, scheme)
    place, slash, path = rest.partition("/")
    host, port = split_host(place)
    is_below = host.startswith("*.")
    name = plain_host(host.removeprefix("*."))
    if is_below and literal_address(name) is not None:
        raise ValueError("there is nothing below an address")
    number = DEFAULT_PORTS[scheme] if port is None else read_port(port) if port else None
    return UrlPrefix(text, scheme, f".{name}" if is_below else name, number, plain_path(slash + path))


def is_public(address: Address) -> bool:
    """Whether the address belongs to the Internet at large, and so does what it may carry inside."""
    inner = _inside(address)
    if inner is not None:
        return is_public(inner)
    is_unicast = not address.is_multicast if isinstance(address, ipaddress.IPv4Address) else address in _GLOBAL_V6
    return is_unicast and address.is_global


def may_reach(address: Address, host: str, *, prefixes: Iterable[UrlPrefix], networks: Sequence[Network]) -> bool:
    """Whether a request to `host`, which has `address` and which these prefixes allow, may be made."""
    inner = _inside(address) or address
    if is_public(address) or any(address in network or inner in network for network in networks):
        return True
    return any(prefix.names(host, address) for prefix in prefixes)


def _inside(address: Address) -> Address | None:
    """Return the IPv4 address that an IPv6 address stands for, or leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if any(address in network for network in _CARRIERS) and int(address) > 1:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
