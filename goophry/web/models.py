"""Bodies of requests and answers. Keys are spelt as everywhere in goophry; moments are Unix seconds."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from goophry.config_types import Retry
from goophry.entry import MAX_ID_LENGTH, MAX_SECONDS
from goophry.stats.series import STEP_S


def _pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


class Body(BaseModel):
    """What all bodies have in common."""

    model_config = ConfigDict(alias_generator=_pascal, populate_by_name=True, extra="forbid", strict=True)


class Asked(Body):
    """The body of a request: only what is documented, and spelt so."""

    model_config = ConfigDict(populate_by_name=False)


Span = Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]
Id = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ID_LENGTH),
    Field(examples=["thumbnail-4711"]),
]


class TaskIn(Asked):
    """A task to be taken in."""

    args: tuple[str, ...] = Field(
        (), strict=False, description="Arguments of the script.", examples=[["in.png", "200"]]
    )
    id: Id | None = Field(None, description="Names the task. The same again is no second task; made up unless given.")
    env: dict[str, str] = Field(
        default_factory=dict, description="Environment variables.", examples=[{"QUALITY": "80"}]
    )
    delay: Span | None = Field(None, description="Seconds until it may begin. Not together with At.", examples=[0])
    at: Span | None = Field(None, description="Unix seconds before which it does not begin.", examples=[None])
    timeout: Span | None = Field(None, description="Seconds it may run, 0 = no limit; the type's unless given.")
    retry: Retry | None = Field(
        None, description="When it is tried again; the type's unless given.", examples=[[60, 600]]
    )


class Task(Body):
    """What is known of a task. Null: it has not come to that, or it is not known."""

    model_config = ConfigDict(extra="ignore", strict=False)

    id: str = Field(examples=["thumbnail-4711"])
    type: str = Field(examples=["resize"])
    status: Literal["waiting", "delayed", "running", "finished"] = Field(
        description="`delayed` also between two tries.", examples=["finished"]
    )
    outcome: str | None = Field(
        None, description="How the last run ended, as `success` or `failed`; final once Status is `finished`."
    )
    exit_code: int | None = None
    signal: int | None = None
    output: str = Field("", description="What the last run wrote to stdout, shortened in the middle beyond 64 KiB.")
    stderr: str = ""
    error: str = Field("", description="The ErrorMessage; empty on success.")
    attempt: int = Field(1, description="Number of the run that is told of, or that comes next.")
    recovered: int = Field(0, description="How often the task was taken over from a dead instance.")
    enqueued: float | None = Field(None, examples=[1_790_000_000.25])
    due: float | None = None
    started: float | None = None
    finished: float | None = None
    instance: str = ""
    run: str = ""


class AcceptedTask(Body):
    """The task waits."""

    id: str = Field(examples=["thumbnail-4711"])
    due: float | None = Field(None, description="When it may begin, if it was put off.")


class Cancelled(Body):
    """What became of the wish to cancel."""

    result: Literal["removed", "told", "ended"] = Field(
        description="`removed`: it waited and is gone. `told`: it runs, and whoever runs it was told. `ended`: it had ended before.",
        examples=["removed"],
    )


class FailedTask(Body):
    """An entry of a failed list."""

    key: str = Field(description="Names the entry; made of its bytes.", examples=["3f2b8c1d9a7e6f50"])
    outcome: str = Field(examples=["failed"])
    error: str = Field(description="The ErrorMessage.", examples=["exit status 3"])
    args: list[str] = Field(examples=[["in.png"]])
    id: str | None = None
    entry: str = Field(description="What is put back at a retry; bytes that are not UTF-8 become U+FFFD.")
    problem: str = Field("", description="Why it cannot be put back; empty if it can.")


class FailedPage(Body):
    """A part of a failed list, the newest failures first."""

    entries: list[FailedTask]
    cursor: str | None = Field(None, description="Where to go on; null at the end.", examples=["0-49"])


class FailedChoice(Asked):
    """Which failed entries are meant. All that is given must hold; nothing given means all."""

    keys: Annotated[list[str], Field(max_length=1000)] | None = Field(None, description="These, by their Key.")
    text: str = Field(
        "", max_length=1000, description="Stands in an argument, the Id, or the message; in any letter case."
    )
    outcome: str | None = Field(None, examples=["timeout"])


class Swept(Body):
    """What became of the entries meant."""

    done: int = Field(description="Put back, or deleted.", examples=[3])
    left: int = Field(0, description="Left where they are: they cannot be run as they are, or are gone already.")


class TypeRow(Body):
    """One task type, over all instances unless said otherwise."""

    type: str = Field(examples=["resize"])
    waiting: int = 0
    delayed: int = 0
    soon: int = Field(0, description="How many of the delayed ones are due within a minute.")
    running: int = 0
    failed: int = Field(0, description="Length of the failed list.")
    workers: int = Field(0, description="Tasks that may run at a time.")
    instances: int = Field(0, description="How many serve it.")
    paused: bool = False
    served: bool = Field(True, description="Whether the instance that answers has it in its configuration.")
    per_minute: float = Field(0.0, description="Runs that ended in a minute, lately.")
    done_hour: int = Field(0, description="Runs that succeeded in the last hour, as far as this instance saw it.")
    failed_hour: int = Field(0, description="Runs that failed in the last hour, as far as this instance saw it.")
    p50: float | None = Field(None, description="Half of the runs here in the last hour took no longer, in seconds.")
    p95: float | None = Field(None, description="Nineteen in twenty of them took no longer.")
    oldest_running: float | None = Field(None, description="When the oldest of its runs started.")
    waiting_since: float | None = Field(None, description="Since when something has been waiting without a break.")
    last_error: str = Field("", description="The first line of the last failure here.")
    last_error_at: float | None = None


class Finding(Body):
    """Something that a person should look at, the worst first."""

    level: Literal["trouble", "notice"]
    type: str | None = None
    text: str = Field(examples=["120 wait and nothing runs: the type is paused"])
    since: float | None = None


class Run(Body):
    """A run in progress."""

    type: str
    run: str = Field(description="Names the run; the script sees it as GOOPHRY_RUN.")
    id: str | None = None
    args: str = Field("", description="As a person reads them, cut at 200 characters.")
    started: float | None = None
    timeout: float | None = Field(None, description="Seconds it may take; 0 = no limit.")
    attempt: int = 1
    instance: str = ""


class Instance(Body):
    """One goophry process."""

    id: str
    host: str = ""
    pid: int = 0
    version: str = ""
    started: float | None = None
    busy: int = 0
    workers: int = 0
    types: int = 0
    alive: bool = True
    quiet: bool = Field(False, description="Whether it takes nothing more.")
    seen: float | None = Field(None, description="When it was last heard of.")
    holds: int = Field(0, description="For one that is gone: entries that it held and nobody took over yet.")


class RedisState(Body):
    """Whether Redis can be reached from the instance that answers."""

    up: bool
    since: float | None = Field(None, description="Since when it is as it is, as far as is known.")
    reason: str = ""


class Overview(Body):
    """Everything at a glance."""

    now: float = Field(description="When it was looked at.")
    instance: str
    version: str
    redis: RedisState
    findings: list[Finding]
    types: list[TypeRow]
    instances: list[Instance]


class Changed(Body):
    """Whether anything was changed."""

    changed: bool = Field(description="False: it was so already.")


class Plot(Body):
    """Numbers of the last hour, the oldest first, one for each step; null where goophry did not look."""

    step: float = Field(STEP_S, description="Seconds between two numbers.", examples=[STEP_S])
    end: float = Field(description="When the last step ends.")
    waiting: list[int | None]
    running: list[int | None]
    done: list[int | None]
    failed: list[int | None]


class TypeDetail(Body):
    """One task type, its last hour, and its configuration as goophry understood it."""

    row: TypeRow
    plot: Plot
    config: dict[str, Any] | None = Field(
        description="Every key with its value, secrets hidden; null if this instance does not have the type."
    )


class DelayedTask(Body):
    """A task that is put off."""

    type: str
    due: float
    id: str | None = None
    args: list[str] = Field(default_factory=list)
    attempt: int = 1
    key: str = Field(description="Names the entry; made of its bytes.")


class DelayedPage(Body):
    """A part of what is put off, the next due first."""

    entries: list[DelayedTask]
    cursor: str | None = None


class Schedule(Body):
    """A schedule and its moments."""

    name: str
    cron: str
    timezone: str
    type: str
    args: list[str]
    overlap: str
    last: float | None = Field(
        None, description="The last moment that was taken; of one that never fired, when it was first seen."
    )
    next: list[float] = Field(description="The next moments, at most five.")


class Session(Body):
    """Who is logged in."""

    name: str
    role: Literal["viewer", "submitter", "operator"]
    open: bool = Field(
        False, description="Whether no tokens are configured, and anybody on this machine may do anything."
    )


class Login(Asked):
    """A token, to be exchanged for a cookie."""

    token: str = Field(max_length=4096, json_schema_extra={"format": "password"})
