"""What goes on in the background for clients of poulpe: the cron file, and dead letters."""

import logging
import os
import uuid
from collections.abc import Callable, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Final, Protocol

from goophry.clock import Clock
from goophry.doors.poulpe_cron import BadLine, CronLine, read_cron_file
from goophry.doors.poulpe_job import Job
from goophry.doors.poulpe_run import dead_letter_path
from goophry.engine.outage import Outage
from goophry.engine.service import OneThread
from goophry.errors import StoreError
from goophry.store.poulpe import PoulpeStore
from goophry.submission import InvalidSubmission

#: Seconds between looks at the clock, and at the cron file.
TICK_S: Final = 1.0

#: Seconds that a moment of the cron file may be late; one that is later is left out.
LATE_S: Final = 5.0

#: Seconds after its moment by which whoever noted a job has put it in, or will not: somebody else does then.
PUT_IN_S: Final = LATE_S + 2.0

_log = logging.getLogger(__name__)


class FiresJobs(Protocol):
    """The desk, as far as it is needed here. Both raise `InvalidSubmission` and `StoreError`."""

    def fire(self, job: Job) -> None:
        """Take in the job of a moment, unless the moment has been taken."""
        ...

    def take_up(self, *, before_s: float) -> None:
        """Put in what may run now, and what was noted for moments before `before_s` and is in no queue."""
        ...


class DeadLetters:
    """Writes a file for each job that has failed for good, at every tick. A `Service`; starts once.

    A letter is in Redis until its file is on the disk; what cannot be written is tried again.
    """

    def __init__(self, store: PoulpeStore, *, folder: Path, interval_s: float, outage: Outage, clock: Clock) -> None:
        self._store = store
        self._folder = folder
        self._interval_s = interval_s
        self._outage = outage
        self._clock = clock
        self._thread = OneThread("goophry-poulpe-dead", self._run)
        self._problem = ""

    def start(self) -> None:
        """Write what is there, then at every tick what is new."""
        self._thread.start()

    def stop(self) -> None:
        """Write nothing more."""
        self._thread.stop()

    def turn(self) -> None:
        """Write what is there. Raises `StoreError`."""
        while letters := self._store.dead():
            for ticket, (key, letter) in letters.items():
                day, name = dead_letter_path(key, now=self._clock.now())
                try:
                    write_durably(self._folder / day, name, letter)
                except OSError as error:
                    self._complain(str(error))
                    return
                self._store.buried(ticket)
                _log.info("A job is dead", extra={"action": "poulpe_dead", "key": key, "file": f"{day}/{name}"})
            self._problem = ""

    def _complain(self, problem: str) -> None:
        if problem != self._problem:
            text = "Dead letters cannot be written; they are kept in Redis until they can: %s"
            _log.error(text, problem, extra={"action": "poulpe_dead_failed", "folder": str(self._folder)})
        self._problem = problem

    def _run(self) -> None:
        while True:
            _try("dead letters", self.turn, self._outage)
            if self._thread.stopping.wait(self._interval_s):
                return


class LateComers:
    """Puts in jobs that waited for the end of another, and those of the dead. A `Service`; starts once."""

    def __init__(self, desk: FiresJobs, *, outage: Outage, clock: Clock) -> None:
        self._desk = desk
        self._outage = outage
        self._clock = clock
        self._thread = OneThread("goophry-poulpe-late", self._run)

    def start(self) -> None:
        """Look every second."""
        self._thread.start()

    def stop(self) -> None:
        """Put in nothing more."""
        self._thread.stop()

    def turn(self) -> None:
        """Put in what is to be. Raises `StoreError`."""
        try:
            self._desk.take_up(before_s=self._clock.now() - PUT_IN_S)
        except InvalidSubmission as error:
            _log.error("What waited is no job: %s", error, extra={"action": "poulpe_late"})

    def _run(self) -> None:
        while not self._thread.stopping.is_set():
            _try("late jobs", self.turn, self._outage)
            self._thread.stopping.wait(TICK_S)


class CronFile:
    """Has the jobs of the cron file begin, each moment once for all instances. A `Service`; starts once.

    What was due up to `LATE_S` ago is made up for: after a pause, after an outage of Redis, and after a
    restart. The first to start of all begins with what is due from now on.
    """

    def __init__(
        self, path: Path, *, desk: FiresJobs, store: PoulpeStore, zone: tzinfo, outage: Outage, clock: Clock
    ) -> None:
        self._path = path
        self._desk = desk
        self._store = store
        self._zone = zone
        self._outage = outage
        self._clock = clock
        self._thread = OneThread("goophry-poulpe-cron", self._run)
        self._read: tuple[int, ...] = ()
        self._lines: Sequence[CronLine] = ()
        self._begun_s = clock.now()
        self._until_s: float | None = None
        """The moments up to this one have been taken; None = it is not known yet."""

    def start(self) -> None:
        """Read the file, and look at the clock every second."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more."""
        self._thread.stop()

    def turn(self) -> None:
        """Read the file if it has changed, and begin what is due. Raises `StoreError`."""
        self._read_again()
        now = self._clock.now()
        if self._until_s is None:
            self._until_s = min(self._store.looked() or self._begun_s, self._begun_s)
        since_s = max(self._until_s, now - LATE_S)
        for line in self._lines:
            for moment_s in line.cron.between(since_s, now):
                self._fire(line, moment_s)
        self._until_s = max(since_s, now)
        self._store.look(self._until_s)

    def _fire(self, line: CronLine, moment_s: int) -> None:
        try:
            self._desk.fire(line.job(moment_s))
        except InvalidSubmission as error:
            _log.error("Line %s of the cron file is no job: %s", line.number, error, extra={"action": "poulpe_cron"})

    def _read_again(self) -> None:
        """Read the file if it is another than before; while it is missing, what it said stays in force."""
        try:
            about = self._path.stat()
            seen = (about.st_mtime_ns, about.st_size, about.st_ino)
            if seen == self._read:
                return
            content = self._path.read_bytes()
        except OSError as error:
            if self._read != (0,) and not self._lines:
                _log.warning("The cron file cannot be read: %s", error, extra={"action": "poulpe_cron"})
                self._read = (0,)
            return
        self._read = seen
        found = list(read_cron_file(content, self._zone))
        self._lines = [line for line in found if isinstance(line, CronLine)]
        fields = {"action": "poulpe_cron", "file": str(self._path)}
        for line in found:
            if isinstance(line, BadLine):
                _log.warning("Line %s of the cron file is passed over: %s", line.line, line.reason, extra=fields)
        _log.info("Read the cron file: %s jobs", len(self._lines), extra=fields)

    def _run(self) -> None:
        while not self._thread.stopping.is_set():
            _try("cron file", self.turn, self._outage)
            # Shortly after each full second, which is when jobs are due.
            self._thread.stopping.wait(TICK_S - self._clock.now() % TICK_S + 0.005)


def write_durably(folder: Path, name: str, content: bytes) -> None:
    """Write a file that only its owner may read, wholly or not at all, so that it survives a crash. Raises `OSError`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f".{uuid.uuid4().hex}"
    try:
        with open(draft, "wb", opener=_private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / name)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL, 0o600)


def _try(what: str, turn: Callable[[], None], outage: Outage) -> None:
    try:
        turn()
        outage.worked()
    except StoreError as error:
        outage.failed(error)
    except Exception:
        _log.exception("The turn of poulpe's %s failed", what, extra={"action": "poulpe_failed"})
