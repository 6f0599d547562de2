"""kingtask's door, put together: what it asks of goophry, what it keeps of tasks that ended."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from goophry.clock import Clock
from goophry.config_door_types import KINGTASK_RPC, KINGTASK_SCRIPT
from goophry.config_doors import KingtaskDoor as KingtaskSettings
from goophry.doors.kingtask_result import Result, result_of
from goophry.engine.intake import Intake
from goophry.entry import TaskEntry
from goophry.outcome import Outcome
from goophry.record import TaskRecord
from goophry.store.client import Command, LinkPool
from goophry.store.kingtask import KingtaskStore
from goophry.store.views import Views
from goophry.submission import Submission

KINGTASK_TYPES: Final = (KINGTASK_SCRIPT, KINGTASK_RPC)


class Desk:
    """What the door asks of goophry; see `KingtaskDesk`."""

    def __init__(self, intake: Intake, store: KingtaskStore, views: Views) -> None:
        self._intake = intake
        self._store = store
        self._views = views

    def submit(self, submission: Submission) -> None:
        """Take the task in; its Id is new, so it cannot be there."""
        self._intake.submit(submission)

    def result(self, task_id: str) -> Result | None:
        """Return what was kept of it."""
        found = self._store.result(task_id)
        return None if found is None else Result.from_bytes(found)

    def count(self, day: str, *, success: bool) -> int:
        """Return the count of a day."""
        return self._store.count(day, success=success)

    def waiting(self) -> int:
        """Return how many tasks of all the door's types wait."""
        return sum(lengths["waiting"] for lengths in self._views.lengths().values())


class KeepResults:
    """An `Ending`: the result for kingtask's clients, and the count of the day."""

    def __init__(self, store: KingtaskStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def failed(self, entry: TaskEntry, record: TaskRecord, outcome: Outcome) -> Sequence[Command]:
        """See `Ending.failed`. Clients hear of the last run only."""
        del entry, record, outcome
        return ()

    def ended(self, entry: TaskEntry, record: TaskRecord, outcome: Outcome) -> Sequence[Command]:
        """See `Ending.ended`. The day is the local one, as kingtask's own."""
        result = result_of(record.type, entry.args, outcome, is_missing=is_missing)
        day = datetime.fromtimestamp(self._clock.now()).astimezone().date().isoformat()
        return self._store.ended(record.id, success=result.success, result=result.to_bytes(), day=day)


def kingtask_desk(intake: Intake, links: LinkPool, *, queue_key: str, door: KingtaskSettings) -> Desk:
    """Return the door's desk."""
    views = Views(links, queue_key=queue_key, types=lambda: KINGTASK_TYPES)
    return Desk(intake, kingtask_store(links, queue_key=queue_key, door=door), views)


def kingtask_store(links: LinkPool, *, queue_key: str, door: KingtaskSettings) -> KingtaskStore:
    """Return what the door keeps in Redis."""
    return KingtaskStore(links, queue_key=queue_key, keep_s=door.result_keep_time)


def is_missing(path: str) -> bool:
    """Whether there is nothing at `path`; of one that cannot be looked at, that is not known."""
    if not path:
        return True
    try:
        Path(path).stat()
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
    return False
