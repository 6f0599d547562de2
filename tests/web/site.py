"""A stats site on a real socket, and clients for it, for the tests of this folder."""

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence

from goophry.events import TaskStarted
from goophry.stats.counters import Counters
from goophry.stats.metrics import Metrics
from goophry.stats.series import Sample, Series
from goophry.web.listen import TlsFiles
from goophry.web.models import Instance, Overview, Plot, RedisState, TypeRow
from goophry.web.scale import Here
from goophry.web.server import MAX_CONNECTIONS, HttpServer
from goophry.web.stats_page import StatsSite


class Hands:
    """A clock that stands still: Runtime is 2."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class Views:
    """Queue lengths; a test may put something else in `lengths`' place."""

    def __init__(self, *types: str) -> None:
        self.lengths: Callable[[], Mapping[str, Mapping[str, int]]] = lambda: {name: {"waiting": 7} for name in types}


class Board:
    """What the page for people shows; a test may change `found`."""

    def __init__(self, *types: str) -> None:
        self.found = Overview(
            now=1000.0,
            instance="here",
            version="1",
            redis=RedisState(up=True),
            findings=[],
            types=[TypeRow(type=name, waiting=7) for name in types],
            instances=[Instance(id="here")],
        )

    def overview(self) -> Overview:
        return self.found

    def recent(self) -> Overview:
        return self.found

    def plot(self, name: str) -> Plot:
        series = Series()
        series.note(1000, {name: Sample(waiting=4, running=1, done=3, failed=2)})
        plot = series.plot(name, 1030)
        return Plot(
            end=plot.end,
            waiting=list(plot.waiting),
            running=list(plot.running),
            done=list(plot.done),
            failed=list(plot.failed),
        )


def _well() -> Sequence[str]:
    return ()


class Site:
    """Everything behind one stats interface. Eight `ok` and one `fail` were started, two seconds ago."""

    def __init__(
        self, pattern: str = "/", *, types: Sequence[str] = ("ok", "fail"), alive: Callable[[], Sequence[str]] = _well,
        ready: Callable[[], Sequence[str]] = _well, interface: str = "127.0.0.1:0", tls: TlsFiles | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:  # fmt: skip
        clock = Hands()
        self.counters, self.views = Counters(types, clock=clock), Views(*types)
        self.board = Board(*types)
        self.here: dict[str, Here] = {}
        clock.at = 2.9
        for number in range(9):
            self.counters.notify(TaskStarted(types[number == 8], str(number), None, (), 1, 0))
        metrics = Metrics(self.counters, workers=lambda: dict.fromkeys(types, 1), views=self.views)
        self.app = StatsSite(
            pattern,
            counters=self.counters,
            metrics=metrics,
            board=self.board,
            alive=alive,
            ready=ready,
            here=lambda: self.here,
        )
        self.server = HttpServer(
            self.app, settings="Stats", interface=interface, tls=tls, max_connections=max_connections
        )

    @property
    def port(self) -> int:
        return int(self.server.address.rpartition(":")[2])

    def connect(self, *, timeout_s: float = 20) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)

    def get(
        self, target: str = "/", *, accept: str = "", method: str = "GET", tls: ssl.SSLContext | None = None
    ) -> "Answer":
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        if accept:
            head += f"Accept: {accept}\r\n"
        with self.connect() as plain:
            if tls is None:
                return exchange(plain, head.encode() + b"\r\n")
            with tls.wrap_socket(plain, server_hostname="localhost") as wrapped:
                return exchange(wrapped, head.encode() + b"\r\n")


class Answer:
    """A reply as it came over the wire, until the server closed."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        status_line, *lines = head.decode().split("\r\n")
        self.status_line = status_line
        self.status = int(status_line.split()[1]) if status_line else 0
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def exchange(client: socket.socket, request: bytes) -> Answer:
    client.sendall(request)
    return Answer(received(client))


def received(client: socket.socket) -> bytes:
    """Return what comes until the server closes; a reset is an end as well."""
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)
