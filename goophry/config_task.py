"""A task type of the configuration: one field for each key, as in `config_models`."""

from typing import Literal

from pydantic import Field

from goophry.config_kinds import NAMED, TaskKind
from goophry.config_section import Section
from goophry.config_types import (
    Account,
    ConfigPath,
    Delivery,
    Environment,
    ExitCodeList,
    ExpirySeconds,
    Inherit,
    OctalDigits,
    Rate,
    ResourceLimit,
    Retry,
    Schema,
    Seconds,
    SwitchablePath,
    Text,
    WorkerCount,
)
from goophry.retry import NEVER


class Limits(Section):
    """Resource limits of each process of a task, as of setrlimit(2)."""

    nofile: ResourceLimit | None = Field(None, validation_alias="nofile", description="open files")
    as_: ResourceLimit | None = Field(None, validation_alias="as", description="address space, in bytes")
    cpu: ResourceLimit | None = Field(None, validation_alias="cpu", description="CPU time, in seconds")
    fsize: ResourceLimit | None = Field(None, validation_alias="fsize", description="size of a written file, in bytes")
    nproc: ResourceLimit | None = Field(
        None, validation_alias="nproc", description="processes of the user, those outside the task included"
    )


class ExitCodes(Section):
    """What exit statuses mean, beyond 0 = success and all else = failure."""

    success: ExitCodeList = Field((0,), validation_alias="Success", description="the run succeeded")
    retry: ExitCodeList = Field(
        (75,),
        validation_alias="Retry",
        description="try again later; the script may say when, see GOOPHRY_RETRY_AFTER_FD. 75 is sendmail's EX_TEMPFAIL",
    )
    drop: ExitCodeList = Field(
        (), validation_alias="Drop", description="failed, and nobody is to hear of it: no failed list, no ErrorScript"
    )
    dead: ExitCodeList = Field((), validation_alias="Dead", description="failed for good, not to be tried again")


class Unique(Section):
    """Whether a second task with the same Args may be taken in."""

    until: Literal["start", "end"] = Field(
        "end", validation_alias="Until", description="until when it may not: until the first one begins, or has ended"
    )
    by: Text = Field(
        "",
        validation_alias="By",
        description="key of the entry that is compared instead of Args, where it has one; empty = Args",
    )
    ttl: Seconds = Field(
        0,
        validation_alias="TTL",
        description="seconds after which it may in any case; 0 = as long as the first one is there",
    )


class TaskType(TaskKind):
    """A task type: what runs, how many at once, and under which conditions."""

    workers: WorkerCount = Field(
        1, validation_alias="Workers", description="How many entries run at once; 0 and less count as 1."
    )
    timeout: Seconds = Field(
        0,
        validation_alias="Timeout",
        description="Seconds that a run may take; 0 = no limit. An entry may say otherwise.",
    )
    pause: Seconds = Field(
        0,
        validation_alias="Pause",
        description="Seconds that a worker rests after each run, before it begins the next.",
    )
    kill_grace: Seconds = Field(
        5, validation_alias="KillGrace", description="Seconds between TERM and KILL when a run is ended by force."
    )
    retry: Retry = Field(
        NEVER,
        validation_alias="Retry",
        description='When a failed run is tried again: `[60,600,3600]`, or `{"Times":5,"Min":1,"Max":3600,"Factor":2,"Jitter":true}`. An entry may say otherwise.',
    )
    exit_codes: ExitCodes = Field(
        ExitCodes(), validation_alias="ExitCodes", description="What exit statuses mean, see below."
    )
    notify_retries: bool = Field(
        False,
        validation_alias="NotifyRetries",
        description="Whether the ErrorScript is told of failures that are tried again too.",
    )
    result_ttl: ExpirySeconds = Field(
        3600, validation_alias="ResultTTL", description="Overrides the top level's ResultTTL."
    )
    args_schema: Schema | None = Field(
        None,
        validation_alias="Schema",
        description="JSON Schema of the Args, an object or the path of a file: what does not fit is not run.",
    )
    unique: Unique | None = Field(
        None,
        validation_alias="Unique",
        description="Refuses a task whose Args equal those of one that is there; for tasks that goophry itself takes in, not for what producers push.",
    )
    rate_limit: Rate | None = Field(
        None,
        validation_alias="RateLimit",
        description='How many tasks may begin in how much time, on all instances together: `"10/s"`, `"100/min"`, `"1000/h"` or `"5000/d"`.',
    )
    fail_on_output: bool = Field(
        True,
        validation_alias="FailOnOutput",
        description="Whether anything on stdout makes a run with exit status 0 a failed one.",
    )
    fail_on_stderr: bool = Field(
        False,
        validation_alias="FailOnStderr",
        description="Whether anything on stderr makes a run with exit status 0 a failed one.",
    )
    log_args: bool = Field(
        True,
        validation_alias="LogArgs",
        description="Whether the log shows the Args of entries; `false` where they hold what is not for everybody.",
    )
    failed_tasks_ttl: ExpirySeconds = Field(
        0, validation_alias="FailedTasksTTL", description="Overrides the top level's FailedTasksTTL."
    )
    error_script: SwitchablePath = Field(
        None,
        validation_alias="ErrorScript",
        description="Overrides the top level's ErrorScript; an empty string switches it off.",
    )
    delivery: Delivery = Field(
        "at-least-once", validation_alias="Delivery", description="Overrides the top level's Delivery."
    )
    env: Environment = Field(
        default_factory=dict, validation_alias="Env", description="Environment variables that the script gets on top."
    )
    env_inherit: Inherit = Field(
        "all",
        validation_alias="EnvInherit",
        description="Which variables of goophry's own environment the script gets: all, none, or those named in a list.",
    )
    kill_orphans: bool = Field(
        True,
        validation_alias="KillOrphans",
        description="Whether what the type runs is killed when goophry itself was killed, before it can be run again.",
    )
    work_dir: ConfigPath | None = Field(
        None, validation_alias="WorkDir", description="Folder in which the script runs; goophry's own unless given."
    )
    user: Account | None = Field(
        None, validation_alias="User", description="User that runs the script, name or number."
    )
    group: Account | None = Field(
        None,
        validation_alias="Group",
        description="Group that runs the script, name or number; the User's unless given.",
    )
    umask: OctalDigits | None = Field(
        None, validation_alias="Umask", description='File mode mask in octal digits, as "022".'
    )
    nice: int | None = Field(
        None, ge=-20, le=19, validation_alias="Nice", description="Priority, from -20 (first) to 19 (last)."
    )
    limits: Limits | None = Field(
        None, validation_alias="Limits", description="Resource limits of each process of a run."
    )
    output_limit: int = Field(
        1_048_576,
        ge=1024,
        le=2**30,
        validation_alias="OutputLimit",
        description="Bytes of stdout and of stderr that are kept, the first and the last half; the rest is only counted.",
    )

    @property
    def is_alone(self) -> bool:
        """Whether one instance at a time takes its entries: of types that doors make, where the order counts."""
        kind: str = self.kind
        return kind == NAMED

    @property
    def hears_when_to_retry(self) -> bool:
        """Whether runs may say after how many seconds they are to be tried again."""
        return bool(self.retry.tries) or "exit_codes" in self.model_fields_set
