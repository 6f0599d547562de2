"""A request to run something, whoever asked, and what becomes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from goophry.errors import GoophryError
from goophry.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class Submission:
    """One task to be taken in. At most one of `delay_s` and `at_s`."""

    type: str
    args: tuple[str, ...] = ()
    id: str | None = None
    """Names the task as long as it, or its result, is there; None = the intake makes one."""
    env: Mapping[str, str] = field(default_factory=dict)
    delay_s: float | None = None
    at_s: float | None = None
    """Not to begin before this moment, in Unix seconds."""
    timeout_s: float | None = None
    """Overrides the type's Timeout; None = the type's, 0 = no limit."""
    retry: RetryPolicy | None = None
    """Overrides the type's Retry."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Further keys that the entry carries, unknown to goophry."""


@dataclass(frozen=True, slots=True)
class Moment:
    """That a task comes from a schedule, whose moments are taken once each."""

    schedule: str
    ms: int | None
    """The moment, in Unix ms; None = somebody wants a run now, whatever the clock says."""
    alone: bool = False
    """Whether it is refused while the run before it is there."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The task waits in Redis."""

    id: str
    due_s: float | None = None
    """When it goes into its queue, in Unix seconds; None = it is there."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Nothing was stored: the task is there already, as `id`."""

    id: str
    why: Literal["id", "unique", "overlap"]
    """Its Id was given; or the type is Unique and the task `id` has the same arguments; or `id` is the run
    of the same schedule before this one."""


Reception = Accepted | Duplicate


class InvalidSubmission(GoophryError):
    """The submission cannot be a task; the message says why. Nothing was stored."""


class UnknownType(GoophryError):
    """There is no task type of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no task type {name!r}")
        self.name = name
