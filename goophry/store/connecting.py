"""Finding the server, connecting, and noticing when it is another one than before.

Another server has another past. A replica that was promoted, or a server that was started again
from what it had on its disk, may lack the last things that were done: then entries that this
instance holds stand in the queue again. So each connection asks the server who it is, and when
the answer is another one than the last, everybody who registered is told before the connection
is used.
"""

import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from redis.backoff import NoBackoff
from redis.connection import Connection as TcpConnection
from redis.connection import UnixDomainSocketConnection, parse_url
from redis.retry import Retry

from goophry.config import Settings
from goophry.config_address import sentinel_address

#: Seconds that connecting may take.
CONNECT_TIMEOUT_S: Final = 5.0

#: A peer that vanished without a word is noticed after IDLE + INTERVAL * PROBES = 9 s on an idle
#: connection, and after USER_TIMEOUT when something was sent.
_KEEPALIVE: Final = {
    socket.TCP_KEEPIDLE: 3,
    socket.TCP_KEEPINTVL: 2,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 9000,
}

#: What the library is always told.
_OPTIONS: Final[Mapping[str, Any]] = {
    "protocol": 2,
    "socket_connect_timeout": CONNECT_TIMEOUT_S,
    "retry": Retry(NoBackoff(), 0),
    "health_check_interval": 0,
    # Says nothing of itself: that would be two round trips, and two lines in the ACL LOG of who may not say it.
    "driver_info": None,
    # Only the handshake is read with it. The default of 64 KiB is a buffer per connection, one per type.
    "socket_read_size": 512,
}

Connection = Any
"""A connection of the library; it has no types."""


class Identity(NamedTuple):
    """Which process the server is, and which history of writes it has; empty where it does not say."""

    run: str
    history: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place where a server listens, and how to speak to it."""

    kind: type[Any]
    where: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The place as people write it."""
        where = self.where
        return str(where["path"]) if "path" in where else f"{where.get('host', 'localhost')}:{where.get('port', 6379)}"

    def connect(self, *, timeout_s: float, **options: Any) -> Connection:
        """Return a new connection, logged in. Raises what the library and the socket raise."""
        keepalive: dict[str, Any] = {"socket_keepalive": True, "socket_keepalive_options": _KEEPALIVE}
        if self.kind is UnixDomainSocketConnection:
            keepalive = {}
        connection = self.kind(**{**_OPTIONS, **keepalive, **self.where, **options, "socket_timeout": timeout_s})
        try:
            connection.connect()
        except BaseException:
            connection.disconnect()
            raise
        return connection


class Route(Protocol):
    """The way to the server that is to be used now."""

    def connect(self, *, timeout_s: float) -> tuple[Connection, Endpoint]:
        """Return a new connection and where it leads. Raises `StoreError`, or what library and socket raise."""
        ...

    def greeted(self, endpoint: Endpoint, *, role: str) -> None:
        """Hear which role the server has that was reached. Raises `StoreError` if it is the wrong one."""
        ...

    def leads_to(self, endpoint: Endpoint) -> bool:
        """Whether a connection that is made now would lead there, as far as that can be known."""
        ...


class Direct:
    """Always the same place."""

    def __init__(self, endpoint: Endpoint, login: Mapping[str, Any]) -> None:
        self._endpoint, self._login = endpoint, login

    def connect(self, *, timeout_s: float) -> tuple[Connection, Endpoint]:
        """See `Route.connect`."""
        return self._endpoint.connect(timeout_s=timeout_s, **self._login), self._endpoint

    def greeted(self, endpoint: Endpoint, *, role: str) -> None:
        """See `Route.greeted`: whoever is here is the one that was configured."""

    def leads_to(self, endpoint: Endpoint) -> bool:
        """See `Route.leads_to`: always."""
        return endpoint == self._endpoint


class Connector:
    """Connects to the server and knows who it is. Thread-safe."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._known: Identity | None = None
        self._reached: Endpoint | None = None
        self._lock = threading.Lock()
        self._on_change: list[Callable[[str], None]] = []

    @property
    def known(self) -> Identity | None:
        """Which server the last connection reached; None before the first."""
        return self._known

    @property
    def outdated(self) -> bool:
        """Whether a connection that is made now would lead to another place than the last one did."""
        reached = self._reached
        return reached is not None and not self._route.leads_to(reached)

    def on_change(self, call: Callable[[str], None]) -> None:
        """Have `call(where)` called when a connection reaches another server than the last one did.

        It is called in the connecting thread, before the connection is used, and must not block.
        """
        self._on_change.append(call)

    def connect(self, *, timeout_s: float) -> tuple[Connection, Identity]:
        """Return a new connection whose answers may take `timeout_s`, and where it leads. Raises as `Route.connect` does."""
        connection, endpoint = self._route.connect(timeout_s=timeout_s)
        try:
            identity, role = _greet(connection)
            self._route.greeted(endpoint, role=role)
        except BaseException:
            connection.disconnect()
            raise
        with self._lock:
            known, self._known = self._known, identity
            self._reached = endpoint
            if known is not None and known != identity:
                for call in self._on_change:
                    call(endpoint.name)
        return connection, identity


def connector_for(settings: Settings, *, address: str | None = None) -> Connector:
    """Return the connector to the configured server, or to the one at `address`."""
    address = address or settings.redis_address
    login = login_of(settings)
    sentinels = sentinel_address(address) if settings.redis_network == "tcp" else None
    if sentinels is not None:
        from goophry.store.sentinels import SentinelRoute  # noqa: PLC0415 - it imports this module

        return Connector(SentinelRoute(sentinels, settings, login=login))
    endpoint = _endpoint(address, settings)
    if settings.redis_db or "db" not in endpoint.where:
        login["db"] = settings.redis_db
    return Connector(Direct(endpoint, login))


def login_of(settings: Settings) -> dict[str, Any]:
    """Return user and password for the servers, as far as they are configured."""
    password = settings.redis_password
    login = {"username": settings.redis_username, "password": password.get_secret_value() if password else None}
    return {name: value for name, value in login.items() if value is not None}


def places(settings: Settings, *, tls: bool) -> Callable[[str, int], Endpoint]:
    """Return what makes an endpoint of a host and a port."""
    if not tls:
        return lambda host, port: Endpoint(TcpConnection, {"host": host, "port": port})
    kind, options = _tls(settings)
    return lambda host, port: Endpoint(kind, {"host": host, "port": port, **options})


def _tls(settings: Settings) -> tuple[type[Any], dict[str, Any]]:
    from goophry.store.tls import Certificates, TlsConnection  # noqa: PLC0415 - costs memory, used only here

    files = {
        "ssl_ca_certs": settings.redis_tls_ca_file,
        "ssl_certfile": settings.redis_tls_cert_file,
        "ssl_keyfile": settings.redis_tls_key_file,
    }
    given = {name: str(path) for name, path in files.items() if path is not None}
    return TlsConnection, {"certificates": Certificates(), **given}


def _endpoint(address: str, settings: Settings) -> Endpoint:
    if settings.redis_network == "unix":
        return Endpoint(UnixDomainSocketConnection, {"path": address})
    if "://" not in address:
        host, _, port = address.rpartition(":")
        return Endpoint(TcpConnection, {"host": host.strip("[]") or "127.0.0.1", "port": int(port)})
    where = dict(parse_url(address))  # type: ignore[no-untyped-call]
    kind = where.pop("connection_class", TcpConnection)
    if address.startswith("rediss://"):
        kind, options = _tls(settings)
        where |= options
    return Endpoint(kind, where)


def _greet(connection: Connection) -> tuple[Identity, str]:
    """Ask the server who it is and which role it has."""
    told: dict[str, str] = {}
    questions = [("INFO", "server"), ("INFO", "replication")]
    connection.send_packed_command(connection.pack_commands(questions))
    for _ in questions:
        reply = connection.read_response()
        told.update(line.split(":", 1) for line in reply.decode(errors="replace").splitlines() if ":" in line)
    return Identity(told.get("run_id", ""), told.get("master_replid", "")), told.get("role", "")
