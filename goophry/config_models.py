"""The configuration as frozen values: one field for each key, with its default and its meaning.

A field here is all that a new key takes: the file's reader, the environment variable
(`GOOPHRY_` and the field's name in capitals), the JSON Schema and the tables of the documentation
are made from it. A field that `TaskType` shares with `Settings` overrides the top level's; `load`
resolves that, so whoever has a `TaskType` needs no `Settings` beside it.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.fields import ComputedFieldInfo, FieldInfo

from goophry.config_types import (
    Account,
    Command,
    ConfigPath,
    Delivery,
    Environment,
    ExpirySeconds,
    FilledText,
    Inherit,
    Interface,
    Modules,
    OctalDigits,
    Port,
    ResourceLimit,
    Seconds,
    Some,
    SwitchablePath,
    Text,
    UrlPath,
    WorkerCount,
)


def _title(name: str, field: FieldInfo | ComputedFieldInfo) -> str:
    return str(field.validation_alias) if isinstance(field, FieldInfo) else name


class _Section(BaseModel):
    """An object of the file. Python code may also give the fields by their own names."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
        field_title_generator=_title,
    )


class Limits(_Section):
    """Resource limits of each process of a task, as of setrlimit(2)."""

    nofile: ResourceLimit | None = Field(None, validation_alias="nofile", description="open files")
    as_: ResourceLimit | None = Field(None, validation_alias="as", description="address space, in bytes")
    cpu: ResourceLimit | None = Field(None, validation_alias="cpu", description="CPU time, in seconds")
    fsize: ResourceLimit | None = Field(None, validation_alias="fsize", description="size of a written file, in bytes")
    nproc: ResourceLimit | None = Field(
        None, validation_alias="nproc", description="processes of the user, those outside the task included"
    )


class TaskType(_Section):
    """A task type: the script that runs, how many at once, and under which conditions."""

    type: FilledText = Field(validation_alias="Type", description="Name of the type; its list is `RedisQueueKey:Type`.")
    kind: Literal["script", "persistent"] = Field(
        "script",
        validation_alias="Kind",
        description="How an entry is executed: `script` starts a process for each, `persistent` feeds them to one that stays.",
    )
    script: Command = Field(
        validation_alias="Script",
        description="What runs: a path, or a list of the program and its first arguments. The entry's Args follow.",
    )
    preload: Modules = Field(
        (),
        validation_alias="Preload",
        description="Modules that a warmed interpreter imports once; each run of the Python Script is forked from it.",
    )
    max_tasks: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        validation_alias="MaxTasks",
        description="Kind `persistent`: after so many tasks a new process takes over; 0 = never.",
    )
    workers: WorkerCount = Field(
        1, validation_alias="Workers", description="How many entries run at once; 0 and less count as 1."
    )
    timeout: Seconds = Field(
        0,
        validation_alias="Timeout",
        description="Seconds that a run may take; 0 = no limit. An entry may say otherwise.",
    )
    kill_grace: Seconds = Field(
        5, validation_alias="KillGrace", description="Seconds between TERM and KILL when a run is ended by force."
    )
    fail_on_output: bool = Field(
        True,
        validation_alias="FailOnOutput",
        description="Whether anything on stdout makes a run with exit status 0 a failed one.",
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


class Settings(_Section):
    """The whole configuration."""

    redis_address: Text = Field(
        "127.0.0.1:6379",
        validation_alias="RedisAddress",
        description="`host:port`, a `redis://`, `rediss://` or `unix://` URL, the path of a socket (with RedisNetwork `unix`), or `embedded`.",
    )
    redis_network: Literal["tcp", "unix"] = Field(
        "tcp", validation_alias="RedisNetwork", description="`unix` makes RedisAddress the path of a socket."
    )
    redis_username: Text | None = Field(None, validation_alias="RedisUsername", description="User for Redis' AUTH.")
    redis_password: SecretStr | None = Field(
        None, validation_alias="RedisPassword", description="Password for Redis' AUTH."
    )
    redis_password_file: ConfigPath | None = Field(
        None,
        validation_alias="RedisPasswordFile",
        description="File that holds the password, instead of RedisPassword.",
    )
    redis_db: int = Field(
        0, ge=0, le=2**31 - 1, validation_alias="RedisDB", description="Number of the Redis database."
    )
    redis_queue_key: FilledText = Field(
        validation_alias="RedisQueueKey", description="First part of the name of every list."
    )
    redis_data_dir: ConfigPath = Field(
        Path("goophry-data"),
        validate_default=True,
        validation_alias="RedisDataDir",
        description="Folder in which the embedded Redis keeps its data.",
    )
    embedded_port: Port = Field(
        6379,
        validation_alias="EmbeddedPort",
        description="Port of the embedded Redis on 127.0.0.1; 0 = none, its Unix socket only.",
    )
    tasks: Some[TaskType] = Field(validation_alias="Tasks", description="The task types, one object each.")
    error_script: ConfigPath | None = Field(
        None, validation_alias="ErrorScript", description="Script that is told of every failure; also per type."
    )
    failed_tasks_ttl: ExpirySeconds = Field(
        0,
        validation_alias="FailedTasksTTL",
        description="Seconds until a failed list expires, counted anew at every failure; 0 = failed entries are not kept. Also per type.",
    )
    logfile: ConfigPath | None = Field(
        None, validation_alias="Logfile", description="File to log to; stdout unless given."
    )
    log_format: Literal["text", "json"] = Field(
        "text", validation_alias="LogFormat", description="Lines for people, or one JSON object a line."
    )
    stats_interface: Interface | None = Field(
        None,
        validation_alias="StatsInterface",
        description="`ip:port` of the stats server (`:port` = all interfaces); off unless given.",
    )
    stats_pattern: UrlPath = Field(
        "/", validation_alias="StatsPattern", description="The one path under which the stats are found."
    )
    stats_tls_cert_file: ConfigPath | None = Field(
        None, validation_alias="StatsTLSCertFile", description="Certificate (PEM) of the stats server; makes it HTTPS."
    )
    stats_tls_key_file: ConfigPath | None = Field(
        None, validation_alias="StatsTLSKeyFile", description="Private key (PEM) that belongs to StatsTLSCertFile."
    )
    delivery: Delivery = Field(
        "at-least-once",
        validation_alias="Delivery",
        description="What a crash costs: `at-least-once` runs what was running again, `at-most-once` loses it. Also per type.",
    )
    shutdown_timeout: Seconds | None = Field(
        None,
        validation_alias="ShutdownTimeout",
        description="Seconds that running tasks get after a stop signal; as long as they need unless given.",
    )
    max_entry_bytes: int = Field(
        16_777_216,
        ge=1024,
        le=2**29,
        validation_alias="MaxEntryBytes",
        description="Longest entry that is run, in bytes; a longer one goes to the failed list unread.",
    )
    max_recoveries: int = Field(
        3,
        ge=0,
        le=1_000_000,
        validation_alias="MaxRecoveries",
        description="How often an entry may be taken over from a dead instance before it is failed as lost.",
    )
