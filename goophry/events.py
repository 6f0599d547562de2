"""What the engine tells about itself. Counters and the log listen; the engine knows neither."""

from typing import Literal, NamedTuple, Protocol

from goophry.outcome import Outcome

# Named tuples and not dataclasses: two of them are made for every task, and a frozen dataclass
# takes four times as long to make.


class TaskPopped(NamedTuple):
    """An entry was taken from the queue."""

    type: str
    raw: bytes


class TaskStarted(NamedTuple):
    """An entry was read and is about to run."""

    type: str
    run_id: str
    entry_id: str | None
    args: tuple[str, ...]
    attempt: int
    recovered: int
    waited_s: float | None = None
    """Between the moment when it could begin and its begin; None = goophry did not see it come."""


class TaskFinished(NamedTuple):
    """A run ended. `final` is False while the entry comes back: interrupted, or tried again after `retry_in_s`.

    `args` are empty where the type's LogArgs says so.
    """

    type: str
    run_id: str
    entry_id: str | None
    args: tuple[str, ...]
    outcome: Outcome
    final: bool
    retry_in_s: float | None = None


class TaskDeferred(NamedTuple):
    """An entry that its producer pushed with Delay or At waits elsewhere until it is due."""

    type: str
    entry_id: str | None
    due_s: float


class TaskRefused(NamedTuple):
    """A submission was not taken in, for the task is there already: `why` is `id` or `unique`."""

    type: str
    why: str


class ScheduleFired(NamedTuple):
    """A schedule's moment has come, and its task is in the queue."""

    schedule: str
    type: str
    entry_id: str
    late_s: float


class ScheduleSkipped(NamedTuple):
    """A schedule's moment was left out; told by one instance only.

    `why`: `overlap` and `unique` name a task that is there still; with `missed` it is the first of all moments
    that have been missed for longer than CatchUp; with `invalid` the task would be none, `reason` says why.
    """

    schedule: str
    type: str
    moment_s: int
    why: Literal["overlap", "unique", "missed", "invalid"]
    reason: str = ""


class EntryUnreadable(NamedTuple):
    """An entry is no task entry; it was not run and is kept in the failed list."""

    type: str
    raw: bytes
    reason: str


class EntriesRecovered(NamedTuple):
    """Entries of a dead instance went back to the head of the queue."""

    type: str
    owner: str
    entries: int


class OwnershipLost(NamedTuple):
    """This instance was silent for so long that others may have taken its entries."""

    instance: str
    silent_s: float


class TasksTaken(NamedTuple):
    """Another instance took over `tasks` entries that this one was running; their runs here are ended, unsettled."""

    type: str
    tasks: int


class HelperRepaired(NamedTuple):
    """One of goophry's helper keys held something else than it should and was put right."""

    key: str
    what: str


class StoreLost(NamedTuple):
    """A part (`who`: a type, or a service's name) cannot reach Redis; told once for each outage."""

    who: str
    reason: str


class StoreBack(NamedTuple):
    """The same part reaches Redis again after `outage_s` seconds."""

    who: str
    outage_s: float


class StoreChanged(NamedTuple):
    """Another Redis server answers than before: one that was promoted, or started again."""

    where: str


class StoreFailed(NamedTuple):
    """One Redis command failed; told every time, for counting."""

    who: str
    reason: str


class ClockDiffers(NamedTuple):
    """The clock of this machine is wrong, by Redis's, or no longer is; told once each."""

    ahead_s: float
    """0 = it is right again."""


class BrokerLost(NamedTuple):
    """Kafka's brokers cannot be reached; told once for each outage. `who` takes messages there."""

    who: str
    reason: str


class BrokerBack(NamedTuple):
    """They answer, for the first time or again after `outage_s` seconds."""

    who: str
    outage_s: float


class MessagesTaken(NamedTuple):
    """Messages from Kafka became tasks; `skipped` others were none, and are kept elsewhere."""

    who: str
    taken: int
    skipped: int


class TypeChanged(NamedTuple):
    """What this instance serves has changed while it runs."""

    type: str
    change: Literal["added", "changed", "removed", "drained", "paused", "resumed"]
    """`removed`: nothing more is taken; `drained`: and nothing of it runs any more."""


class TurnedQuiet(NamedTuple):
    """This instance takes nothing more, of any type."""


class ConfigRead(NamedTuple):
    """The configuration was read again; with `problems`, the one in force stays."""

    problems: int


class ErrorScriptFinished(NamedTuple):
    """The ErrorScript was run for a type; `problem` is empty when it went well."""

    type: str
    verdict: str
    problem: str


Event = (
    TaskPopped
    | TaskStarted
    | TaskFinished
    | TaskDeferred
    | TaskRefused
    | ScheduleFired
    | ScheduleSkipped
    | EntryUnreadable
    | EntriesRecovered
    | OwnershipLost
    | TasksTaken
    | HelperRepaired
    | StoreLost
    | StoreBack
    | StoreChanged
    | StoreFailed
    | ClockDiffers
    | BrokerLost
    | BrokerBack
    | MessagesTaken
    | TypeChanged
    | TurnedQuiet
    | ConfigRead
    | ErrorScriptFinished
)


class Observer(Protocol):
    """Whoever wants to know. Called in the thread where the thing happened: be quick, never block."""

    def notify(self, event: Event) -> None:
        """Take note of `event`."""
        ...
