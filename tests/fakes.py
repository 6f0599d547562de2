"""Stand-ins for what goophry is handed: a clock, an observer, a runner, and a path to the real Redis that breaks."""

import contextlib
import queue
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goophry.config import Settings, TaskType
from goophry.events import Event
from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Interrupt, Job, Notice


class FakeClock:
    """Stands still until it is told to go on."""

    def __init__(self, start: float = 1000.0) -> None:
        self.time = start

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += seconds


class RecordingObserver:
    """Keeps every event."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def notify(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in list(self.events) if isinstance(event, kind)]


SUCCESS = Outcome(Verdict.SUCCESS)
FAILURE = Outcome(Verdict.FAILED, "exit status 3", exit_code=3)


@dataclass
class ScriptedRunner:
    """Does what the test says instead of running a script; may be shared by all workers of a type."""

    act: Callable[[Job], Outcome] = lambda job: SUCCESS
    jobs: list[Job] = field(default_factory=list)
    closed: int = 0

    def run(self, job: Job) -> Outcome:
        self.jobs.append(job)
        return self.act(job)

    def close(self) -> None:
        self.closed += 1


class Gate:
    """An `act` for `ScriptedRunner`: a run lasts until the test lets it go, or until it is interrupted."""

    def __init__(self, outcome: Outcome = SUCCESS) -> None:
        self.outcome = outcome
        self._open = threading.Event()

    def __call__(self, job: Job) -> Outcome:
        while not self._open.wait(0.002):
            if job.interrupt.reason is not None:
                return Outcome(job.interrupt.reason)
        return self.outcome

    def open(self) -> None:
        self._open.set()


class RecordingErrorScript:
    """An `ErrorScriptCaller` that keeps what it is told; `hold` makes it hang until `release` or an interrupt."""

    def __init__(self, *, hold: bool = False) -> None:
        self.told: queue.SimpleQueue[tuple[Path, Notice]] = queue.SimpleQueue()
        self.running = 0
        self._lock = threading.Lock()
        self._free = threading.Event()
        if not hold:
            self._free.set()

    def run(self, path: Path, notice: Notice, *, interrupt: Interrupt | None = None) -> tuple[str, str]:
        with self._lock:
            self.running += 1
        try:
            while not self._free.wait(0.002):
                if interrupt is not None and interrupt.reason is not None:
                    return "interrupted", ""
            self.told.put((path, notice))
            return "ok", ""
        finally:
            with self._lock:
                self.running -= 1

    def release(self) -> None:
        self._free.set()

    def messages(self) -> list[str]:
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self.told.get_nowait()[1].message)
        return found


class PathToRedis:
    """A TCP path to the real Redis that can be cut, frozen, or cut after a request was carried out.

    The last is what reconciliation is for: Redis has done it, and goophry never hears of it.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._wake_out, self._wake_in = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._peers: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._doomed: set[socket.socket] = set()
        self._swallow: Callable[[bytes], bool] | None = None
        self._refuse: Callable[[bytes], bool] | None = None
        self._dark = False
        self._frozen = False
        self._ended = False
        self.lag_s = 0.0
        """How long each request is on its way, and all that come after it with it."""
        self.requests = 0
        """Pieces that came from clients: one for each round trip."""
        self.swallowed = 0
        """Replies that were dropped, and their connections with them."""
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="path-to-redis", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Close all connections; new ones are closed at once, until `mend`."""
        self._dark = True
        self._tell(self._drop_all)

    def mend(self) -> None:
        self._dark = self._frozen = False
        self._tell(lambda: None)

    def freeze(self) -> None:
        """Carry nothing in either direction until `mend`; connections stay open."""
        self._frozen = True
        self._tell(lambda: None)

    def blip(self) -> None:
        """Close all connections; new ones work."""
        self._tell(self._drop_all)

    def lead_to(self, address: str, *, cut: bool = True) -> None:
        """Close all connections, unless not to `cut`; new ones reach another server."""
        host, _, port = address.rpartition(":")
        self._target = (host, int(port))
        if cut:
            self.blip()

    def swallow_reply(self, of: Callable[[bytes], bool] = lambda request: True) -> None:
        """Let the next request for which `of` is true reach Redis, and close its connection instead of answering."""
        self._swallow = of

    def cut_before(self, of: Callable[[bytes], bool]) -> None:
        """Close the connection of the next request for which `of` is true, instead of passing the request on."""
        self._refuse = of

    def close(self) -> None:
        self._tell(self._end)
        self._thread.join()
        for each in (self._listener, self._wake_in, self._wake_out):
            each.close()
        self._selector.close()

    def _tell(self, call: Callable[[], None]) -> None:
        done = threading.Event()
        self._calls.put(lambda: (call(), done.set())[0])
        self._wake_in.send(b".")
        assert done.wait(10)

    def _run(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_out, selectors.EVENT_READ)
        while not self._ended:
            for key, _ in self._selector.select():
                if self._ended:
                    break  # who comes in the moment of the end would be let in, and never out
                source = key.fileobj
                assert isinstance(source, socket.socket)
                if source is self._wake_out:
                    source.recv(1)
                    self._calls.get()()
                elif source is self._listener:
                    self._accept()
                elif source in self._peers:
                    self._carry(source)
                if self._frozen:
                    self._wait_frozen()

    def _wait_frozen(self) -> None:
        while self._frozen and not self._ended:
            self._wake_out.recv(1)
            self._calls.get()()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if self._dark:
            client.close()
            return
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(end, selectors.EVENT_READ)
        self._clients.add(client)
        self._peers[client], self._peers[server] = server, client

    def _carry(self, source: socket.socket) -> None:
        peer = self._peers[source]
        try:
            data = source.recv(1 << 20)
            if not data or peer in self._doomed:
                self.swallowed += peer in self._doomed
                self._drop(source)
                return
            if source in self._clients:
                self.requests += 1
                if self.lag_s:
                    time.sleep(self.lag_s)
                if self._refuse is not None and self._refuse(data):
                    self._refuse = None
                    self._drop(source)
                    return
                if self._swallow is not None and self._swallow(data):
                    self._swallow = None
                    self._doomed.add(source)
            peer.sendall(data)
        except OSError:
            self._drop(source)

    def _drop(self, source: socket.socket) -> None:
        for end in (source, self._peers[source]):
            self._selector.unregister(end)
            self._peers.pop(end)
            self._clients.discard(end)
            self._doomed.discard(end)
            end.close()

    def _end(self) -> None:
        self._drop_all()
        self._ended = True

    def _drop_all(self) -> None:
        for client in list(self._clients):
            self._drop(client)


def settings_for(address: str, queue_key: str, *types: TaskType, **fields: Any) -> Settings:
    """Settings that reach Redis at `address`, through whatever stands there."""
    tasks = types or (task_type(),)
    return Settings(redis_address=address, redis_queue_key=queue_key, tasks=tasks, **fields)


def task_type(name: str = "t", **fields: Any) -> TaskType:
    return TaskType(type=name, script=fields.pop("script", ("/bin/true",)), **fields)
