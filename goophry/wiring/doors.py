"""The doors, put together: what they keep of tasks, and the services that serve their clients.

A door, and with it the web stack, is imported only where it is configured.
"""

from collections.abc import Callable, Iterator

from goophry.clock import Clock
from goophry.config import Settings
from goophry.config_door_types import COYOTES_PREFIX, KINGTASK_RPC, KINGTASK_SCRIPT, POULPE_PREFIX
from goophry.config_doors import CoyotesDoor, KingtaskDoor
from goophry.doors.base import HttpDoor
from goophry.engine.ledger import Ending
from goophry.engine.outage import Outage
from goophry.engine.service import Service
from goophry.store.client import LinkPool, RedisServer
from goophry.store.coyotes import CoyotesStore
from goophry.store.records import Records
from goophry.store.tasks import Tasks
from goophry.store.views import Views
from goophry.wiring.engine import Engine


class DoorSet:
    """The doors of one goophry. They are known before the engine is, which is told what they keep of its tasks."""

    def __init__(self, settings: Callable[[], Settings], links: LinkPool, *, clock: Clock) -> None:
        """`settings` returns the configuration in force; the doors are those of now."""
        self._settings = settings
        self._links = links
        self._clock = clock
        self._queue_key = settings().redis_queue_key
        doors = settings().doors
        self._coyotes = None if doors is None else doors.coyotes
        self._kingtask = None if doors is None else doors.kingtask
        self._poulpe = None if doors is None else doors.poulpe
        self._endings = dict(self._kept())

    def ending(self, task_type: str) -> Ending | None:
        """Return who keeps something of the tasks of a type; see `Endings`."""
        return next((ending for prefix, ending in self._endings.items() if task_type.startswith(prefix)), None)

    def services(self, engine: Engine, server: RedisServer) -> Iterator[Service]:
        """Yield what serves the doors' clients, not yet started: to be started first of all, and stopped first."""
        if self._coyotes is not None:
            yield from self._coyotes_services(self._coyotes, engine, server)
        if self._kingtask is not None:
            yield self._kingtask_server(self._kingtask, engine)
        if self._poulpe is not None:
            from goophry.wiring.poulpe_parts import poulpe_services  # noqa: PLC0415

            yield from poulpe_services(self._settings(), self._poulpe, engine, self._links, clock=self._clock)
        intake = self._settings().intake
        if intake is not None and intake.kafka is not None:
            from goophry.store.skipped import Skipped  # noqa: PLC0415
            from goophry.wiring.kafka import intake_kafka  # noqa: PLC0415 - an extra

            skipped = Skipped(self._links, queue_key=self._queue_key, who="intake")
            yield intake_kafka(intake.kafka, engine, skipped, clock=self._clock)

    def _kept(self) -> Iterator[tuple[str, Ending]]:
        if self._coyotes is not None:
            from goophry.wiring.coyotes import KeepFailures, Tally, coyotes_store  # noqa: PLC0415

            self._tally = Tally()
            store = coyotes_store(self._settings(), self._links)
            yield (
                COYOTES_PREFIX,
                KeepFailures(store, self._tally, history=self._coyotes.history_url is not None, clock=self._clock),
            )
        if self._kingtask is not None:
            from goophry.wiring.kingtask import KeepResults, kingtask_store  # noqa: PLC0415

            store_of_results = kingtask_store(self._links, queue_key=self._queue_key, door=self._kingtask)
            results = KeepResults(store_of_results, clock=self._clock)
            yield from ((name, results) for name in (KINGTASK_SCRIPT, KINGTASK_RPC))
        if self._poulpe is not None:
            from goophry.store.poulpe import PoulpeStore  # noqa: PLC0415
            from goophry.wiring.poulpe import KeepSaid  # noqa: PLC0415

            yield POULPE_PREFIX, KeepSaid(PoulpeStore(self._links, queue_key=self._queue_key))

    def _coyotes_services(self, section: CoyotesDoor, engine: Engine, server: RedisServer) -> Iterator[Service]:
        from goophry.doors.coyotes import CoyotesDoor as Door  # noqa: PLC0415
        from goophry.wiring.coyotes import Desk, coyotes_store  # noqa: PLC0415
        from goophry.wiring.coyotes_channels import ChannelKeeper  # noqa: PLC0415
        from goophry.wiring.coyotes_prepare import CoyotesService, prepare_list  # noqa: PLC0415

        store = coyotes_store(self._settings(), self._links)
        keeper = ChannelKeeper(section, store, engine.types, settings=self._settings)
        desk = Desk(
            engine.intake,
            Tasks(self._links, queue_key=self._queue_key),
            store,
            keeper,
            self._tally,
            started_s=self._clock.now(),
            waiting=self._waiting,
        )
        if section.history_url is not None:
            yield self._history(section, store)
        records, instance = Records(self._links, queue_key=self._queue_key), engine.leases.instance
        yield CoyotesService(
            prepare_list(section, server, self._links, queue_key=self._queue_key, instance=instance),
            desk,
            store,
            keeper,
            delay_in_channel=section.delay_in_channel,
            is_dead=lambda other: not records.is_alive(other),
            outage=Outage("coyotes", observer=engine.observer, clock=self._clock),
            clock=self._clock,
        )
        door = Door(desk, workers=section.concurrent, delay_in_channel=section.delay_in_channel, clock=self._clock)
        yield _server(door, name="Coyotes", interface=section.interface)

    def _history(self, section: CoyotesDoor, store: CoyotesStore) -> Service:
        from goophry.wiring.coyotes_history import HistoryWriter  # noqa: PLC0415 - SQLAlchemy is an extra

        url = "" if section.history_url is None else section.history_url.get_secret_value()
        return HistoryWriter(
            url, store, biz_name=section.biz_name, keep_days=section.history_keep_days, clock=self._clock
        )

    def _kingtask_server(self, section: KingtaskDoor, engine: Engine) -> Service:
        from goophry.doors.kingtask import KingtaskDoor as Door  # noqa: PLC0415
        from goophry.wiring.kingtask import kingtask_desk  # noqa: PLC0415

        desk = kingtask_desk(engine.intake, self._links, queue_key=self._queue_key, door=section)
        return _server(
            Door(desk, bin_path=str(section.bin_path), clock=self._clock), name="Kingtask", interface=section.interface
        )

    def _waiting(self, task_type: str) -> int:
        views = Views(self._links, queue_key=self._queue_key, types=lambda: [task_type])
        return views.lengths()[task_type]["waiting"]


def _server(door: HttpDoor, *, name: str, interface: str) -> Service:
    from goophry.doors.http import HttpCarrier  # noqa: PLC0415
    from goophry.web.server import HttpServer  # noqa: PLC0415

    return HttpServer(HttpCarrier(door), settings=f"Doors.{name}.", interface=interface)
