"""The configuration as frozen values: one field for each key, with its default and its meaning.

A field here is all that a new key takes: the file's reader, the environment variable
(`GOOPHRY_` and the field's name in capitals), the JSON Schema and the tables of the documentation
are made from it. A field that `TaskType` shares with `Settings` overrides the top level's; `load`
resolves that, so whoever has a `TaskType` needs no `Settings` beside it.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from goophry.config_api import ApiToken
from goophry.config_doors import Doors
from goophry.config_intake import IntakeSection
from goophry.config_schedule import Schedule
from goophry.config_section import Section
from goophry.config_smtp import Smtp
from goophry.config_task import TaskType
from goophry.config_types import (
    ConfigPath,
    Delivery,
    ExpirySeconds,
    FilledText,
    Interface,
    Port,
    Seconds,
    Text,
    UrlPath,
)


class Settings(Section):
    """The whole configuration."""

    redis_address: Text = Field(
        "127.0.0.1:6379",
        validation_alias="RedisAddress",
        description="`host:port`, a `redis://`, `rediss://`, `unix://`, `redis+sentinel://` or `redis+cluster://` URL, the path of a socket (with RedisNetwork `unix`), or `embedded`.",
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
    redis_sentinel_username: Text | None = Field(
        None, validation_alias="RedisSentinelUsername", description="User for the AUTH of the sentinels."
    )
    redis_sentinel_password: SecretStr | None = Field(
        None,
        validation_alias="RedisSentinelPassword",
        description="Password for the AUTH of the sentinels, which is not that of Redis.",
    )
    redis_sentinel_password_file: ConfigPath | None = Field(
        None,
        validation_alias="RedisSentinelPasswordFile",
        description="File that holds it, instead of RedisSentinelPassword.",
    )
    redis_tls_ca_file: ConfigPath | None = Field(
        None,
        validation_alias="RedisTLSCAFile",
        description="Certificates (PEM) of the authorities that Redis' certificate may come from; the system's unless given.",
    )
    redis_tls_cert_file: ConfigPath | None = Field(
        None, validation_alias="RedisTLSCertFile", description="Certificate (PEM) that goophry shows to Redis."
    )
    redis_tls_key_file: ConfigPath | None = Field(
        None, validation_alias="RedisTLSKeyFile", description="Private key (PEM) that belongs to RedisTLSCertFile."
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
    tasks: Annotated[tuple[TaskType, ...], Field(strict=False)] = Field(
        (), validation_alias="Tasks", description="The task types, one object each; required, unless Doors brings some."
    )
    schedules: Annotated[tuple[Schedule, ...], Field(strict=False)] = Field(
        (),
        validation_alias="Schedules",
        description="Tasks that are put into their queues by the clock, one object each.",
    )
    intake: IntakeSection | None = Field(
        None, validation_alias="Intake", description="Other ways for tasks to come in than Redis, one object for each."
    )
    doors: Doors | None = Field(
        None, validation_alias="Doors", description="Other systems whose clients are served, one object for each."
    )
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
    api_interface: Interface | None = Field(
        None,
        validation_alias="ApiInterface",
        description="`ip:port` of the API and the dashboard; off unless given. Without ApiTokens it must be one of this machine's own, as `127.0.0.1:8300`.",
    )
    api_tokens: Annotated[tuple[ApiToken, ...], Field(strict=False)] = Field(
        (), validation_alias="ApiTokens", description="Who may use the API and the dashboard, one object each."
    )
    api_tls_cert_file: ConfigPath | None = Field(
        None, validation_alias="ApiTLSCertFile", description="Certificate (PEM) of the API; makes it HTTPS."
    )
    api_tls_key_file: ConfigPath | None = Field(
        None, validation_alias="ApiTLSKeyFile", description="Private key (PEM) that belongs to ApiTLSCertFile."
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
    result_ttl: ExpirySeconds = Field(
        3600,
        validation_alias="ResultTTL",
        description="Seconds that the result of a task with an Id is kept; 0 = not at all. Also per type.",
    )
    smtp: Smtp | None = Field(
        None, validation_alias="Smtp", description="The mail server of types of Kind `mail`, see below. Also per type."
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
