"""The doors, put together: what they keep of tasks, and the servers that carry them.

The doors themselves, and with them the web stack, are imported only where one is configured.
"""

from collections.abc import Sequence

from goophry.clock import Clock
from goophry.config import Settings
from goophry.doors.base import HttpDoor
from goophry.engine.ledger import Ending, Endings
from goophry.engine.service import Service
from goophry.store.client import LinkPool
from goophry.wiring import Engine


def door_endings(settings: Settings, links: LinkPool, *, clock: Clock) -> Endings:
    """Return who keeps what of the tasks that doors have submitted."""
    kept: dict[str, Ending] = {}
    doors, queue_key = settings.doors, settings.redis_queue_key
    if doors is not None and doors.kingtask is not None:
        from goophry.kingtask_wiring import KINGTASK_TYPES, KeepResults, kingtask_store  # noqa: PLC0415

        results = KeepResults(kingtask_store(links, queue_key=queue_key, door=doors.kingtask), clock=clock)
        kept |= dict.fromkeys(KINGTASK_TYPES, results)
    return kept.get


def door_services(settings: Settings, engine: Engine, links: LinkPool, *, clock: Clock) -> Sequence[Service]:
    """Return what serves the doors' clients, not yet started: last to start, first to stop."""
    services: list[Service] = []
    doors, queue_key = settings.doors, settings.redis_queue_key
    if doors is not None and doors.kingtask is not None:
        from goophry.doors.kingtask import KingtaskDoor  # noqa: PLC0415
        from goophry.kingtask_wiring import kingtask_desk  # noqa: PLC0415

        desk = kingtask_desk(engine.intake, links, queue_key=queue_key, door=doors.kingtask)
        door = KingtaskDoor(desk, bin_path=str(doors.kingtask.bin_path), clock=clock)
        services.append(_server(door, name="Kingtask", interface=doors.kingtask.interface))
    return services


def _server(door: HttpDoor, *, name: str, interface: str) -> Service:
    from goophry.doors.http import HttpCarrier  # noqa: PLC0415
    from goophry.web.server import HttpServer  # noqa: PLC0415

    return HttpServer(HttpCarrier(door), settings=f"Doors.{name}.", interface=interface)
