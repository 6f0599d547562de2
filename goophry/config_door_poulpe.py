"""The door for clients of poulpe: its keys."""

from typing import Annotated

from pydantic import Field

from goophry.config_kind_types import Networks, ProgramGlobs, ProxyUrl, UrlPrefixes
from goophry.config_section import Section
from goophry.config_types import ConfigPath, FilledText, Interface


class PoulpeKafka(Section):
    """Jobs that come through Kafka."""

    servers: FilledText = Field(
        validation_alias="Servers", description="Brokers to begin with, as `host:9092,host2:9092`; without TLS."
    )
    topic: FilledText = Field(validation_alias="Topic", description="Topic that jobs are taken from.")
    response_topic: FilledText = Field(
        "resp", validation_alias="ResponseTopic", description="Topic for the results of jobs with `wait`."
    )


class PoulpeDoor(Section):
    """Clients of poulpe: see docs/wire/poulpe.md."""

    interface: Interface = Field(
        "127.0.0.1:9527",
        validation_alias="Interface",
        description="`ip:port` to listen on (`:port` = all interfaces), for HTTP and WebSocket.",
    )
    workers: Annotated[int, Field(ge=1, le=1024)] = Field(
        4,
        validation_alias="Workers",
        description="How many jobs run at once, on all instances together; `cc` names them from 0 on.",
    )
    cron_file: ConfigPath | None = Field(
        None,
        validation_alias="CronFile",
        description="File of jobs that begin by the clock, one a line; it is read again when it changes, and may be missing.",
    )
    dead_dir: ConfigPath = Field(
        validation_alias="DeadDir",
        description="Folder for jobs whose last attempt has failed, one file each; made when it is needed.",
    )
    retry_interval: Annotated[int, Field(ge=1, le=31_536_000)] = Field(
        10,
        validation_alias="RetryInterval",
        description="Seconds between two attempts, and between two looks for jobs that have failed for good.",
    )
    max_retry: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        3, validation_alias="MaxRetry", description="How often a failed job is tried again."
    )
    allow: ProgramGlobs = Field(
        (),
        validation_alias="Allow",
        description='Globs of the programs that EXEC may run, as `["php", "/srv/app/bin/*"]`; `["*"]` = all, none unless given.',
    )
    allow_urls: UrlPrefixes = Field(
        (),
        validation_alias="AllowUrls",
        description='Prefixes of the URLs that GET and POST may request; `["*"]` = all, none unless given.',
    )
    allow_networks: Networks = Field(
        (),
        validation_alias="AllowNetworks",
        description='Networks that are not public and may be reached all the same, as `["10.1.0.0/16"]`.',
    )
    proxy: ProxyUrl | None = Field(
        None,
        validation_alias="Proxy",
        description="`http://host:port` of a proxy that GET and POST ask instead of the servers. What the environment names is ignored.",
    )
    kafka: PoulpeKafka | None = Field(
        None, validation_alias="Kafka", description="Jobs that come through Kafka; needs the extra `kafka`."
    )
