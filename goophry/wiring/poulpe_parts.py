"""All that serves poulpe's clients: settings → services."""

import os
from collections.abc import Sequence
from functools import partial

from goophry.clock import Clock
from goophry.config import Settings
from goophry.config_door_poulpe import PoulpeDoor as PoulpeSettings
from goophry.doors.http import HttpCarrier
from goophry.doors.poulpe import PoulpeDoor
from goophry.doors.websocket import WebSocketCarrier
from goophry.engine.outage import Outage
from goophry.engine.service import Service
from goophry.local_zone import local_zone
from goophry.store.client import LinkPool
from goophry.store.poulpe import PoulpeStore
from goophry.store.skipped import Skipped
from goophry.web.connections import WholeConnection
from goophry.web.server import HttpServer
from goophry.web.sockets import Bounds, Socket
from goophry.wiring.engine import Engine
from goophry.wiring.poulpe import Desk
from goophry.wiring.poulpe_services import CronFile, DeadLetters, LateComers

#: Clients that are served at a time: each that waits for a result, and each WebSocket, keeps a connection.
CONNECTIONS = 4096


def poulpe_services(
    settings: Settings, door: PoulpeSettings, engine: Engine, links: LinkPool, *, clock: Clock
) -> Sequence[Service]:
    """Return everything that serves the door's clients, not yet started."""
    queue_key = settings.redis_queue_key
    store = PoulpeStore(links, queue_key=queue_key)
    desk = Desk(engine.intake, store, engine.listener.listen, queue_key=queue_key, workers=door.workers, clock=clock)

    def outage(who: str) -> Outage:
        return Outage(f"poulpe {who}", observer=engine.observer, clock=clock)

    dead = DeadLetters(
        store, folder=door.dead_dir, interval_s=door.retry_interval, outage=outage("dead letters"), clock=clock
    )
    services: list[Service] = [dead, LateComers(desk, outage=outage("jobs that wait for others"), clock=clock)]
    if door.cron_file is not None:
        zone = local_zone(os.environ.get("TZ"))
        services.append(CronFile(door.cron_file, desk=desk, store=store, zone=zone, outage=outage("cron"), clock=clock))
    if door.kafka is not None:
        from goophry.wiring.kafka import poulpe_kafka  # noqa: PLC0415 - an extra

        skipped = Skipped(links, queue_key=queue_key, who="poulpe")
        services.append(poulpe_kafka(door.kafka, engine, store, skipped, take=desk.take_each, clock=clock))
    has_mail = settings.smtp is not None and settings.smtp.username is not None
    translator = PoulpeDoor(desk, has_mail=has_mail, clock=clock)
    services.append(
        HttpServer(
            WebSocketCarrier(translator, http=HttpCarrier(translator)),
            settings="Doors.Poulpe.",
            interface=door.interface,
            max_connections=CONNECTIONS,
            connection=WholeConnection,
            websockets=partial(Socket, bounds=Bounds()),
        )
    )
    return services
