"""poulpe's door without a server and without workers, on a real Redis."""

from collections.abc import Callable
from datetime import UTC
from pathlib import Path

from configs import config
from fakes import RecordingObserver, settings_for

from goophry.clock import Clock
from goophry.engine.intake import Intake
from goophry.engine.outage import Outage
from goophry.store.client import LinkPool, RedisServer
from goophry.store.poulpe import PoulpeStore
from goophry.wiring.poulpe import Desk
from goophry.wiring.poulpe_services import CronFile, LateComers

START_S = 1_704_687_999.0
EVERY_SECOND = "* * * * * * *"


class Instance:
    """What one goophry has for poulpe's door, with two workers; nothing is started, and no job runs."""

    def __init__(self, folder: Path, address: str, queue_key: str, *, clock: Clock, max_entry_bytes: int) -> None:
        doors = {"Poulpe": {"Workers": 2, "DeadDir": str(folder / "dead")}}
        types = {task.type: task for task in config(folder, {"Doors": doors}, {"Tasks": []}).tasks}
        self.clock = clock
        self.links = LinkPool(RedisServer(settings_for(address, queue_key)))
        self.store = PoulpeStore(self.links, queue_key=queue_key)
        self.observer = RecordingObserver()
        intake = Intake(
            lambda: types,
            links=self.links,
            queue_key=queue_key,
            max_entry_bytes=lambda: max_entry_bytes,
            observer=self.observer,
            clock=clock,
        )
        hears_nothing = lambda channel, hear: lambda: None  # noqa: E731
        self.desk = Desk(intake, self.store, hears_nothing, queue_key=queue_key, workers=2, clock=clock)
        self.path = folder / "cron"
        self.late = LateComers(self.desk, outage=self.outage("late"), clock=clock)
        self.cron = CronFile(
            self.path, desk=self.desk, store=self.store, zone=UTC, outage=self.outage("cron"), clock=clock
        )

    def turn(self) -> None:
        """What a second brings."""
        self.cron.turn()
        self.late.turn()

    def outage(self, who: str) -> Outage:
        return Outage(who, observer=self.observer, clock=self.clock)


Make = Callable[..., Instance]
