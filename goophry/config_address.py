"""Addresses as they stand in the configuration: `host:port`, and the URLs of RedisAddress."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from goophry.config_sentences import shown

#: What RedisAddress may begin with, beside plain `host:port`.
URL_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")

#: The schemes of an address that names sentinels, and whether TLS is spoken with them and the servers.
_SENTINEL: Final = {"redis+sentinel": False, "rediss+sentinel": True}
_SENTINEL_PORT: Final = 26379
_CLUSTER: Final = {"redis+cluster": False, "rediss+cluster": True}
_CLUSTER_PORT: Final = 6379
_SENTINEL_MASTER: Final = re.compile(r"[\w.-]+", re.ASCII)

#: The RedisAddress that means a Redis of goophry's own.
EMBEDDED = "embedded"

_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Sentinels:
    """A master by its name, and the sentinels that know where it is."""

    hosts: tuple[tuple[str, int], ...]
    master: str
    database: int | None
    """The number in the address, if there is one."""
    tls: bool


@dataclass(frozen=True, slots=True)
class ClusterNodes:
    """Some nodes of a cluster; they know the others."""

    hosts: tuple[tuple[str, int], ...]
    tls: bool


def host_and_port(text: str) -> tuple[str, int] | None:
    """Split `host:port`, `:port` (host is then empty: all interfaces) or `[v6]:port`; None = it is none of these."""
    host, colon, port_text = text.rpartition(":")
    if not colon or not (port_text.isascii() and port_text.isdigit()) or int(port_text[:6]) > _MAX_PORT:
        return None
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        return (host, int(port_text)) if ":" in host else None
    if any(sign in ":[]/@?#" or sign.isspace() for sign in host):
        return None
    return host, int(port_text)


def redis_address_problem(address: str, *, network: str) -> str | None:
    """Say what is wrong with a RedisAddress, as the part of a sentence that follows its key."""
    if network == "unix":
        return (
            None
            if "://" not in address
            else f"expected the path of a socket, as RedisNetwork is unix, found {_shown(address)}"
        )
    if address == EMBEDDED:
        return None
    scheme, separator, _ = address.partition("://")
    if not separator:
        found = host_and_port(address)
        return None if found and found[1] else f"expected host:port, a URL or {EMBEDDED}, found {_shown(address)}"
    if scheme not in URL_SCHEMES:
        known = ", ".join(f"{name}://" for name in URL_SCHEMES)
        return f"{scheme}:// is not supported by this version, expected one of {known}"
    of_scheme = _sentinels_problem if scheme in _SENTINEL else _cluster_problem if scheme in _CLUSTER else _url_problem
    return of_scheme(address, scheme=scheme)


def names_sentinels(address: str) -> bool:
    """Whether the address says where sentinels are, and not where Redis is."""
    return address.startswith(tuple(f"{scheme}://" for scheme in _SENTINEL))


def sentinel_address(address: str) -> Sentinels | None:
    """Return what an address without problems says of sentinels; None = it is one of another kind."""
    if not names_sentinels(address):
        return None
    scheme, _, rest = address.partition("://")
    hosts, master, database = _hosts_and_path(rest)
    found = tuple(host for host in (_with_port(host, _SENTINEL_PORT) for host in hosts) if host)
    return Sentinels(found, unquote(master), int(database) if database else None, _SENTINEL[scheme])


def names_cluster(address: str) -> bool:
    """Whether the address is that of a cluster."""
    return address.startswith(tuple(f"{scheme}://" for scheme in _CLUSTER))


def cluster_address(address: str) -> ClusterNodes | None:
    """Return the nodes that an address without problems names; None = it is one of another kind."""
    if not names_cluster(address):
        return None
    scheme, _, rest = address.partition("://")
    hosts, _, _ = _hosts_and_path(rest)
    found = tuple(host for host in (_with_port(host, _CLUSTER_PORT) for host in hosts) if host)
    return ClusterNodes(found, _CLUSTER[scheme])


def without_credentials(address: str) -> tuple[str, str | None, str | None]:
    """Take user name and password out of a URL: what is left may be shown and logged."""
    if "://" not in address:
        return address, None, None
    # Not by urlsplit, which knows of one host only.
    credentials, at, _ = re.split("[/?#]", address.partition("://")[2], maxsplit=1)[0].rpartition("@")
    if not at:
        return address, None, None
    username, _, password = credentials.partition(":")
    return address.replace(f"//{credentials}@", "//", 1), unquote(username) or None, unquote(password) or None


def _url_problem(address: str, *, scheme: str) -> str | None:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return f"expected {scheme}://… with a host and a port, found {_shown(address)}"
    if scheme == "unix":
        wrong = bool(_host(parts)) or len(parts.path) <= 1
        return f"expected unix:///path/of/the/socket, found {_shown(address)}" if wrong else None
    if not parts.hostname or port == 0:
        return f"expected {scheme}://host:port, found {_shown(address)}"
    database = parts.path.strip("/")
    if database and not (database.isascii() and database.isdigit()):
        return f"expected the number of a database after the host, found {_shown(address)}"
    return None


def _sentinels_problem(address: str, *, scheme: str) -> str | None:
    hosts, master, database = _hosts_and_path(address.partition("://")[2])
    example = f"{scheme}://host:port,host:port/MASTER/DB"
    if not all(_with_port(host, _SENTINEL_PORT) for host in hosts):
        return f"expected {example}, with a host for each sentinel, found {_shown(address)}"
    if not master:
        return f"expected {example}, with the name that the sentinels have for the master, found {_shown(address)}"
    if not _SENTINEL_MASTER.fullmatch(unquote(master)):
        return f"expected a name of letters, digits, and . - _ for the master, found {_shown(address)}"
    if database and not (database.isascii() and database.isdigit()):
        return f"expected the number of a database after the master, found {_shown(address)}"
    return None


def _cluster_problem(address: str, *, scheme: str) -> str | None:
    hosts, database, rest = _hosts_and_path(address.partition("://")[2])
    if not all(_with_port(host, _CLUSTER_PORT) for host in hosts):
        return f"expected {scheme}://host:port,host:port, with a host for each node, found {_shown(address)}"
    if database not in {"", "0"} or rest:
        return f"expected nothing after the nodes, as a cluster has one database only, found {_shown(address)}"
    return None


def _hosts_and_path(rest: str) -> tuple[list[str], str, str]:
    """Return the hosts and the two parts of the path, which are the master and the number of the database."""
    login_and_hosts, _, path = rest.partition("/")
    master, _, database = path.partition("/")
    return login_and_hosts.rpartition("@")[2].split(","), master, database


def _with_port(host: str, port: int) -> tuple[str, int] | None:
    found = host_and_port(host if re.search(r":\d*$", host) else f"{host}:{port}")
    return found if found and all(found) else None


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _shown(address: str) -> str:
    """Show an address; of one with an @ but without a scheme, the host only (it may hold a password)."""
    return shown(address if "://" in address or "@" not in address else f"…@{address.rpartition('@')[2]}")
