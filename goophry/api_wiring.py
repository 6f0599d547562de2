"""The API and the dashboard, put together; imported only when ApiInterface is configured."""

from goophry.clock import Clock
from goophry.config import Settings
from goophry.start_checks import API_CONNECTIONS
from goophry.store.client import LinkPool, RedisServer
from goophry.store.failed import FailedList
from goophry.web.api.access import Access
from goophry.web.api.app import application
from goophry.web.api.failed import Failed
from goophry.web.api.tasks import Tasks
from goophry.web.connections import WholeConnection
from goophry.web.listen import TlsFiles
from goophry.web.server import HttpServer
from goophry.wiring import Engine

#: Seconds that a request waits for Redis at most.
TIMEOUT_S = 5.0


def api_service(settings: Settings, *, server: RedisServer, engine: Engine, clock: Clock) -> HttpServer:
    """Return the server of ApiInterface, not yet started."""
    links = LinkPool(server, timeout_s=TIMEOUT_S)
    queue_key = settings.redis_queue_key

    def failed(name: str) -> FailedList:
        return FailedList(links, queue_key=queue_key, task_type=name)

    handlers = {
        "tasks": Tasks(engine.intake, engine.waiters),
        "failed": Failed(failed, known=lambda name: name in engine.types.serving()),
    }
    app = application(
        handlers, access=Access(settings.api_tokens, clock=clock), max_entry_bytes=settings.max_entry_bytes
    )
    tls = None
    if settings.api_tls_cert_file is not None and settings.api_tls_key_file is not None:
        tls = TlsFiles(settings.api_tls_cert_file, settings.api_tls_key_file)
    return HttpServer(
        app,
        settings="Api",
        interface=settings.api_interface or "",
        tls=tls,
        max_connections=API_CONNECTIONS,
        connection=WholeConnection,
    )
