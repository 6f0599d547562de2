"""What ends the scripts of a goophry that was killed, so that none runs on unseen beside its second run.

`kill -9` leaves no time for anything. So a small process watches from outside (`guardian_program`):
it sees the end of goophry as the end of a pipe, and finds in a table in memory, shared by both,
which runs were in progress. For a run that is three stores into memory, and no system call.
"""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from goophry.runners.guardian_program import GIVE_UP_S
from goophry.runners.live import LivePids
from goophry.runners.run_table import RunTable, Slot

#: Seconds that the process gets to end at goophry's own stop.
_STOP_S: Final = GIVE_UP_S + 2.0

_log = logging.getLogger(__name__)


class Guardian:
    """The guardian process of this goophry; there is none before the first `start` or `turn`.

    `start`, `turn` and `stop` are called by the main thread, whose child it is; `slot` by any.
    """

    def __init__(self, live: LivePids) -> None:
        """`live` learns of the process, so that nobody else waits for it."""
        self._live = live
        self._table = RunTable()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._told = False

    @property
    def pid(self) -> int | None:
        """The process, None while there is none."""
        process = self._process
        return None if process is None else process.pid

    def slot(self) -> Slot:
        """Return a slot of the table for one runner."""
        return self._table.slot()

    def start(self) -> None:
        """Start the process. Raises `OSError` when that is impossible."""
        read_end, self._pipe = os.pipe2(os.O_CLOEXEC)
        program = Path(__file__).with_name("guardian_program.py")
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(program), str(read_end), str(self._table.fd)],
                cwd="/",
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(read_end, self._table.fd),
                start_new_session=True,
            )
        except OSError:
            os.close(self._pipe)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(read_end)
        self._live.add(process.pid)
        self._process = process

    def turn(self) -> None:
        """Start the process if there is none, or another if this one has ended: somebody killed it, or memory ran out."""
        if self._process is not None:
            status = self._process.poll()
            if status is None:
                return
            _log.warning("The guardian ended, another one is started", extra={"action": "guardian", "status": status})
            self._forget()
        try:
            self.start()
        except OSError as error:
            if not self._told:
                _log.error("No guardian can be started", extra={"action": "guardian", "reason": str(error)})
            self._told = True
        else:
            self._told = False

    def stop(self) -> None:
        """Let the process end, which has nothing to do unless a run would not end, and wait for it."""
        process = self._process
        if process is None:
            return
        self._forget()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _forget(self) -> None:
        os.close(self._pipe)
        if self._process is not None:
            self._live.discard(self._process.pid)
            self._process = None
