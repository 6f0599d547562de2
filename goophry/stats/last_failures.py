"""The last failure of each type: what a person asks first."""

from dataclasses import dataclass
from typing import Final

from goophry.clock import Clock
from goophry.events import EntryUnreadable, Event, TaskFinished
from goophry.outcome import Verdict

#: Characters of a message that are kept.
SHOWN: Final = 300

_NO_FAILURE: Final = (Verdict.SUCCESS, Verdict.INTERRUPTED, Verdict.CANCELLED)


@dataclass(frozen=True, slots=True)
class LastFailure:
    """What went wrong last, and when, in Unix seconds."""

    message: str
    at: float


class LastFailures:
    """An Observer. Thread-safe: one step of a dict each."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[str, LastFailure] = {}

    def notify(self, event: Event) -> None:
        """Take note of a failure."""
        if isinstance(event, TaskFinished):
            if event.outcome.verdict not in _NO_FAILURE:
                self._note(event.type, event.outcome.message)
        elif isinstance(event, EntryUnreadable):
            self._note(event.type, event.reason)

    def of(self, name: str) -> LastFailure | None:
        """Return the last failure of a type since goophry started."""
        return self._last.get(name)

    def _note(self, name: str, message: str) -> None:
        line = message.strip().partition("\n")[0]
        self._last[name] = LastFailure(line[:SHOWN], self._clock.now())
