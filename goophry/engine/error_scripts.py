"""Telling the ErrorScript, beside the workers: a bounded backlog and a few threads."""

import contextlib
import logging
import queue
import threading
from pathlib import Path
from typing import Final

from goophry.clock import Clock
from goophry.events import ErrorScriptFinished, Observer
from goophry.outcome import Verdict
from goophry.runners.base import ErrorScriptCaller, Interrupt, Notice

#: ErrorScripts that run at once, and notices that may wait for them. Only when so many wait are
#: the workers held back: a flood of failures must not become a flood of processes or of memory.
THREADS: Final = 4
BACKLOG: Final = 1000

#: Seconds after a stop for what is still in the backlog: that of one script that hangs.
DRAIN_S: Final = 65.0

_log = logging.getLogger(__name__)


class ErrorScripts:
    """Runs the ErrorScript for each notice. A `Service`; starts once."""

    def __init__(self, caller: ErrorScriptCaller, *, observer: Observer, clock: Clock) -> None:
        self._caller = caller
        self._interrupts: list[Interrupt] = []
        self._observer = observer
        self._clock = clock
        self._backlog: queue.Queue[tuple[Path, Notice] | None] = queue.Queue(BACKLOG)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._stopping = threading.Lock()

    def start(self) -> None:
        """Take notices; threads are started by the first of them."""

    def tell(self, script: Path, notice: Notice, *, or_drop: bool = False) -> None:
        """Have the ErrorScript `script` told; while the backlog is full this waits, or drops the notice."""
        with self._lock:
            if len(self._threads) < THREADS:
                name = f"goophry-error-script-{len(self._threads) + 1}"
                interrupt = Interrupt()
                self._interrupts.append(interrupt)
                thread = threading.Thread(target=self._run, args=(interrupt,), name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
        with contextlib.suppress(queue.Full):  # raised only when not blocking
            self._backlog.put((script, notice), block=not or_drop)

    def stop(self) -> None:
        """Run what is in the backlog, up to `DRAIN_S`, and end; what hangs then is ended by force."""
        with self._stopping:
            self._stop()

    def _stop(self) -> None:
        with self._lock:
            threads, self._threads = self._threads, []
        end = self._clock.monotonic() + DRAIN_S
        for _ in threads:
            with contextlib.suppress(queue.Full):
                self._backlog.put(None, timeout=max(0.0, end - self._clock.monotonic()))
        for thread in threads:
            thread.join(max(0.0, end - self._clock.monotonic()))
        self.hurry()
        for thread in threads:
            thread.join()

    def hurry(self) -> None:
        """End what runs and drop the backlog; for a forced stop."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._backlog.get_nowait()
        for interrupt in self._interrupts:
            interrupt.set(Verdict.INTERRUPTED, grace_s=0)
            self._backlog.put(None)

    def _run(self, interrupt: Interrupt) -> None:
        while (told := self._backlog.get()) is not None:
            script, notice = told
            try:
                verdict, problem = self._caller.run(script, notice, interrupt=interrupt)
            except Exception as error:
                # A fault of goophry's own; without its threads the backlog would fill up and hold the workers.
                _log.exception("An ErrorScript could not be run", extra={"action": "error_script_failed"})
                verdict, problem = "failed", repr(error)
            self._observer.notify(ErrorScriptFinished(notice.type, verdict, problem))
