"""How a run ended, as a value."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

#: How a message begins that tells of a fault of goophry's own, or of the machine.
NOT_RUN: Final = "goophry could not run it: "


class Verdict(StrEnum):
    """The closed set of ends. All but `SUCCESS` and `INTERRUPTED` are failures."""

    # Looked up in dicts several times for each task; Enum's own goes by the name, in Python.
    __hash__ = str.__hash__

    SUCCESS = "success"
    FAILED = "failed"
    """Exit status other than 0."""
    SIGNALLED = "signalled"
    OUTPUT = "output"
    """Exit status 0, but at least one byte on stdout (and FailOnOutput)."""
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    START_FAILED = "start_failed"
    INVALID = "invalid"
    """The entry could not be read."""
    LOST = "lost"
    """The entry lost its instance more often than MaxRecoveries."""
    INTERRUPTED = "interrupted"
    """goophry stops before the run ended; the entry goes back and nothing is counted."""


@dataclass(frozen=True, slots=True)
class Captured:
    """What a stream carried: its first bytes, its last bytes, and how many between were dropped."""

    head: bytes = b""
    tail: bytes = b""
    dropped: int = 0

    def __bool__(self) -> bool:
        """Whether the stream carried at least one byte."""
        return bool(self.head)

    @property
    def size(self) -> int:
        """Bytes that the stream carried, kept and dropped."""
        return len(self.head) + self.dropped + len(self.tail)

    def text(self) -> str:
        """Return head and tail as text, with a line between them that tells what is missing.

        Bytes that are not UTF-8 become U+FFFD.
        """
        if not self.dropped:
            return (self.head + self.tail).decode(errors="replace")
        head, tail = self.head.decode(errors="replace"), self.tail.decode(errors="replace")
        return f"{head}\n[... {self.dropped} bytes dropped ...]\n{tail}"

    def last(self, limit: int) -> str:
        """Return at most the last `limit` bytes as text."""
        kept = self.tail if self.dropped or len(self.tail) >= limit else self.head + self.tail
        return kept[-limit:].decode(errors="replace")


NOTHING = Captured()


# A named tuple, as the events are: one is made for every task.
class Outcome(NamedTuple):
    """The end of one run.

    `message` is the ErrorMessage of the failed list, empty on success. `duration_s` is the
    time from spawn to the end of the process.
    """

    verdict: Verdict
    message: str = ""
    duration_s: float = 0.0
    exit_code: int | None = None
    signal: int | None = None
    stdout: Captured = NOTHING
    stderr: Captured = NOTHING
    retry_after_s: float | None = None
    """After how many seconds the script wants to be tried again, if it said so."""

    @property
    def ok(self) -> bool:
        """Whether the task is done."""
        return self.verdict is Verdict.SUCCESS
