"""The stats endpoint, put together; imported only when it is configured, for it brings the web stack."""

from goophry.config import Settings
from goophry.engine.service import Service
from goophry.rate import RateLimit
from goophry.stats.counters import Counters
from goophry.stats.metrics import Metrics
from goophry.store.client import LinkPool, RedisServer
from goophry.store.fleet import SOON_S
from goophry.store.views import Views, server_info
from goophry.web.board import Board
from goophry.web.listen import TlsFiles
from goophry.web.scale import Here
from goophry.web.server import HttpServer
from goophry.web.stats_page import StatsSite
from goophry.wiring.engine import Engine

#: Seconds that a scrape waits for Redis.
SCRAPE_TIMEOUT_S = 2.0


def stats_service(
    settings: Settings, *, server: RedisServer, counters: Counters, engine: Engine, board: Board
) -> Service:
    """Return the server of StatsInterface, not yet started."""
    types = engine.types
    # Links of its own: a scrape must neither wait as long as a task may, nor be in a task's way.
    links = LinkPool(server, timeout_s=SCRAPE_TIMEOUT_S)
    views = Views(links, queue_key=settings.redis_queue_key, types=types.serving)

    def workers() -> dict[str, int]:
        return {name: definition.workers for name, definition in types.serving().items()}

    def here() -> dict[str, Here]:
        return {
            name: Here(each.workers, _startable(each.rate_limit), alone=each.is_alone)
            for name, each in types.serving().items()
        }

    def alive() -> list[str]:
        return [problem for loop in types.loops() if (problem := loop.problem()) is not None]

    def ready() -> list[str]:
        problems = [] if engine.heartbeat.valid() else ["Redis cannot be reached"]
        troubles: dict[str, list[str]] = {}
        for loop in types.loops():
            if loop.trouble:
                troubles.setdefault(loop.trouble, []).append(loop.name)
        problems += [f"{', '.join(names)}: {trouble}" for trouble, names in troubles.items()]
        brokers = counters.snapshot().brokers
        problems += [f"{who}: Kafka cannot be reached: {reason}" for who, reason in brokers.items() if reason]
        return [*problems, "nothing more is taken"] if types.is_quiet else problems

    def may_evict() -> bool:
        return server_info(links).maxmemory_policy != "noeviction"

    metrics = Metrics(counters, workers=workers, views=views, may_evict=may_evict)
    site = StatsSite(
        settings.stats_pattern,
        counters=counters,
        metrics=metrics,
        board=board,
        alive=alive,
        ready=ready,
        here=here,
    )
    tls = None
    if settings.stats_tls_cert_file is not None and settings.stats_tls_key_file is not None:
        tls = TlsFiles(settings.stats_tls_cert_file, settings.stats_tls_key_file)
    return HttpServer(site, settings="Stats", interface=settings.stats_interface or "", tls=tls)


def _startable(limit: RateLimit | None) -> int | None:
    """Return how many the limit lets begin while a further instance starts."""
    return None if limit is None else max(limit.count, limit.count * SOON_S // limit.span_s)
