"""The API and the dashboard, put together; imported only when ApiInterface is configured."""

from collections.abc import Callable, Mapping, Sequence

from goophry.clock import Clock
from goophry.config import Schedule, Settings
from goophry.engine.schedules import run_now
from goophry.store import keys
from goophry.store.channel import publish
from goophry.store.client import LinkPool, RedisServer
from goophry.store.delayed import Delayed
from goophry.store.failed import FailedList
from goophry.store.moments import Moments
from goophry.store.pauses import Pauses
from goophry.submission import Reception
from goophry.web.api import failed, later, tasks, types
from goophry.web.api.access import Access
from goophry.web.api.app import application
from goophry.web.api.events import Events, Streams
from goophry.web.api.output import Output
from goophry.web.board import Board
from goophry.web.connections import WholeConnection
from goophry.web.listen import TlsFiles
from goophry.web.server import HttpServer
from goophry.wiring.engine import Engine
from goophry.wiring.start_checks import API_CONNECTIONS

#: Seconds that a request waits for Redis at most.
TIMEOUT_S = 5.0


def api_service(
    settings: Callable[[], Settings], *, server: RedisServer, engine: Engine, board: Board, clock: Clock
) -> HttpServer:
    """Return the server of ApiInterface, not yet started; `settings` returns the configuration in force."""
    links = LinkPool(server, timeout_s=TIMEOUT_S)
    first = settings()
    queue_key, serving = first.redis_queue_key, engine.types.serving
    moments = Moments(links, queue_key=queue_key)

    def failed_list(name: str) -> FailedList:
        definition = serving().get(name)
        unique = None if definition is None else definition.unique
        return FailedList(links, queue_key=queue_key, task_type=name, unique=unique)

    def last(schedules: Sequence[Schedule]) -> Mapping[str, float]:
        found: dict[str, float] = {}
        for task_type in {each.type for each in schedules}:
            names = [each.name for each in schedules if each.type == task_type]
            looked = moments.look(task_type, names)
            found |= {name: moment / 1000 for name, moment in looked.last_ms.items()}
        return found

    streams = Streams()
    plan = _Plan(settings, engine, clock)
    handlers = {
        "types": types.Types(board, serving, pauses=Pauses(links, queue_key=queue_key)),
        "events": Events(board, streams),
        "output": Output(engine.intake, _Outputs(engine, links, queue_key=queue_key), board, streams),
        "tasks": tasks.Tasks(engine.intake, engine.waiters),
        "failed": failed.Failed(failed_list, known=lambda name: name in serving()),
        "delayed": later.Delayed(
            Delayed(links, queue_key=queue_key, take_out=engine.intake.remove), serving, board=board
        ),
        "schedules": later.Schedules(lambda: settings().schedules, plan, last=last, clock=clock),
    }
    app = application(handlers, access=Access(first.api_tokens, clock=clock), max_entry_bytes=first.max_entry_bytes)
    tls = None
    if first.api_tls_cert_file is not None and first.api_tls_key_file is not None:
        tls = TlsFiles(first.api_tls_cert_file, first.api_tls_key_file)
    return HttpServer(
        app,
        settings="Api",
        interface=first.api_interface or "",
        tls=tls,
        max_connections=API_CONNECTIONS,
        connection=WholeConnection,
    )


class _Outputs:
    def __init__(self, engine: Engine, links: LinkPool, *, queue_key: str) -> None:
        self._engine, self._links, self._queue_key = engine, links, queue_key

    def listen(self, run_id: str, hear: Callable[[bytes | None], None]) -> Callable[[], None]:
        return self._engine.listener.listen(keys.output(self._queue_key, run_id), hear)

    def ask(self, run_id: str, *, fresh: bool) -> None:
        self._publish({"Event": "watch", "Run": run_id, "Fresh": fresh})

    def cancel(self, run_id: str) -> None:
        self._publish({"Event": "cancel", "Run": run_id})

    def _publish(self, bulletin: Mapping[str, object]) -> None:
        publish(self._links, keys.events(self._queue_key), bulletin)


class _Plan:
    def __init__(self, settings: Callable[[], Settings], engine: Engine, clock: Clock) -> None:
        self._settings, self._intake, self._clock = settings, engine.intake, clock

    def run_now(self, name: str) -> Reception:
        schedule = next((each for each in self._settings().schedules if each.name == name), None)
        if schedule is None:
            raise KeyError(name)
        return run_now(schedule, self._intake, now=self._clock.now())
