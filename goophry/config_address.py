"""Addresses as they stand in the configuration: `host:port`, and the URLs of RedisAddress."""

from urllib.parse import SplitResult, unquote, urlsplit

from goophry.config_sentences import shown

#: What RedisAddress may begin with, beside plain `host:port`.
URL_SCHEMES = ("redis", "rediss", "unix")

#: The RedisAddress that means a Redis of goophry's own.
EMBEDDED = "embedded"

_MAX_PORT = 65535


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
        return f"{scheme}:// is not supported by this version, expected one of redis://, rediss://, unix://"
    return _url_problem(address, scheme=scheme)


def without_credentials(address: str) -> tuple[str, str | None, str | None]:
    """Take user name and password out of a URL: what is left may be shown and logged."""
    if "://" not in address:
        return address, None, None
    parts = urlsplit(address)
    credentials, at, _ = parts.netloc.rpartition("@")
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


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _shown(address: str) -> str:
    """Show an address; of one with an @ but without a scheme, the host only (it may hold a password)."""
    return shown(address if "://" in address or "@" not in address else f"…@{address.rpartition('@')[2]}")
