"""The log: how goophry's own words and the engine's events become lines.

Two ways in, one way out. Parts that seldom speak use `logging` with `extra={"action": …}`;
events of the engine come through `LogObserver`, which skips `logging`'s record because it
runs once for every task. Both end in `Log.write`. Writing a line never raises and never takes
a lock: what cannot be written is dropped, counted, and told when lines go out again.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

from goophry.clock import Clock, SystemClock
from goophry.events import Event
from goophry.log_events import descriptions
from goophry.log_lines import JsonLayout, Layout, LogLine, TextLayout, escaped
from goophry.log_output import LogOutput

#: What a record carries of itself; everything else in it came in through `extra`.
_OWN_ATTRIBUTES: Final = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"}

_TRACEBACK: Final = logging.Formatter()


class Log(logging.Handler):
    """The one place where lines are made and written."""

    def __init__(self, layout: Layout, output: LogOutput, clock: Clock) -> None:
        super().__init__()
        self._layout, self._output, self._clock = layout, output, clock
        self._looked_s = int(clock.now())
        self._dropped = 0
        self._why = ""

    def write(self, line: LogLine) -> None:
        """Write `line`, or drop it. May be called by any thread at any time."""
        now = self._clock.now()
        try:
            if int(now) != self._looked_s:
                self._looked_s = int(now)
                self._output.follow_rotation()
            data = self._layout.render(line, now)
            if self._dropped:
                self._write_with_note(data, now)
            else:
                self._output.write(data)
        except OSError as error:
            with self.lock:  # type: ignore[union-attr] # logging's own, made in Handler.__init__
                self._dropped += 1
            self._why = error.strerror or str(error)

    def emit(self, record: logging.LogRecord) -> None:
        """Write what came in through `logging`."""
        fields = {key: value for key, value in record.__dict__.items() if key not in _OWN_ATTRIBUTES}
        action = str(fields.pop("action", record.name))
        who = str(fields.get("type") or _speaker(record.threadName))
        message = record.getMessage()
        shown = "".join(f"  {key}={escaped(str(value))}" for key, value in fields.items() if key != "type")
        text = escaped(message, limit=4 * 200) + shown
        traceback = _TRACEBACK.formatException(record.exc_info) if record.exc_info else ""
        self.write(LogLine(record.levelno, action, who, message, text, fields, traceback))

    def reopen(self) -> None:
        """Go on in the file that stands at the Logfile's path now."""
        self._output.reopen()

    def close(self) -> None:
        """Take the log out of `logging` and close its file; later lines are dropped."""
        root = logging.getLogger()
        if self in root.handlers:
            root.removeHandler(self)
            self._output.close()
        super().close()

    def _write_with_note(self, data: bytes, now: float) -> None:
        dropped, why = self._dropped, self._why
        text = f"{dropped} log lines were dropped: {why}"
        fields: dict[str, Any] = {"count": dropped, "reason": why}
        note = LogLine(logging.WARNING, "log.dropped", "goophry", "log lines were dropped", text, fields)
        self._output.write(self._layout.render(note, now) + data)
        with self.lock:  # type: ignore[union-attr] # as above
            self._dropped -= dropped


class LogObserver:
    """Writes a line for what the engine tells. Task by task only the end is told, with -v also pop and start."""

    def __init__(self, log: Log, *, verbose: bool = False) -> None:
        self._log = log
        self._descriptions = descriptions(verbose=verbose)
        self._least = logging.DEBUG if verbose else logging.INFO

    def notify(self, event: Event) -> None:
        """Write the line of `event`, if it is one that has a line."""
        describe = self._descriptions.get(type(event))
        if describe is None:
            return
        line = describe(event)
        if line.level >= self._least:
            self._log.write(line)


def set_up(
    *,
    path: Path | None = None,
    layout: Literal["text", "json"] = "text",
    verbose: bool = False,
    names: Iterable[str] = (),
    clock: Clock | None = None,
) -> Log:
    """Send everything that `logging` gets to `path` (None = stdout) and return the log.

    `names` are the task types, for the width of their column. Of other libraries only warnings
    are kept. Raises `StartError` when the file cannot be opened.
    """
    shape: Layout = JsonLayout() if layout == "json" else TextLayout(names=list(names))
    log = Log(shape, LogOutput(path), clock or SystemClock())
    logging.getLogger().addHandler(log)
    logging.getLogger("goophry").setLevel(logging.DEBUG if verbose else logging.INFO)
    return log


def _speaker(thread: str | None) -> str:
    """Return `resize-3` for the thread `goophry-resize-3`."""
    name = thread or ""
    return name.removeprefix("goophry-") if name.startswith("goophry-") else "goophry"
