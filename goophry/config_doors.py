"""The doors of the configuration: one section for each system whose clients are served. A section that is there is on."""

from pydantic import Field, SecretStr

from goophry.config_door_poulpe import PoulpeDoor
from goophry.config_kind_types import Networks, ProgramGlobs, UrlPrefixes
from goophry.config_section import Section
from goophry.config_types import ConfigPath, ExpirySeconds, FilledText, Interface, Retry, Seconds, Text, WorkerCount
from goophry.retry import NEVER


class CoyotesDoor(Section):
    """Clients of Coyotes: see docs/wire/coyotes.md."""

    interface: Interface = Field(
        "127.0.0.1:60001",
        validation_alias="Interface",
        description="`ip:port` to listen on (`:port` = all interfaces).",
    )
    allow: ProgramGlobs = Field(
        validation_alias="Allow",
        description='Globs of the programs that may be run, as `["php", "/srv/app/bin/*"]`; `["*"]` = all, as in Coyotes.',
    )
    biz_name: Text = Field(
        "",
        validation_alias="BizName",
        description="Stands, with a colon, before `task:prepare:queue`; blanks count as `-`.",
    )
    concurrent: WorkerCount = Field(
        5,
        validation_alias="Concurrent",
        description="Workers of the standard channels when they are first made, and of others for which nobody says how many.",
    )
    channel_default: FilledText = Field(
        "default",
        validation_alias="ChannelDefault",
        description="Name of the first standard channel, beside biz, cron and delayed.",
    )
    delay_in_channel: bool = Field(
        False,
        validation_alias="DelayInChannel",
        description="Whether a delayed task runs in the channel that was asked for; Coyotes runs it in delayed.",
    )
    history_url: SecretStr | None = Field(
        None,
        validation_alias="HistoryUrl",
        description="Database that gets a row for each task that ended, as SQLAlchemy names it: `mysql+pymysql://user:password@host/db`; needs the extra `history`.",
    )
    history_keep_days: int = Field(
        0,
        ge=0,
        le=36_500,
        validation_alias="HistoryKeepDays",
        description="Days after which rows are removed; 0 = never.",
    )
    retry: Retry = Field(
        NEVER, validation_alias="Retry", description="When a failed task is tried again by itself; Coyotes never does."
    )


class KingtaskDoor(Section):
    """Clients of kingtask: see docs/wire/kingtask.md."""

    interface: Interface = Field(
        "127.0.0.1:9595", validation_alias="Interface", description="`ip:port` to listen on (`:port` = all interfaces)."
    )
    bin_path: ConfigPath = Field(
        validation_alias="BinPath",
        description="Folder of the programs that script tasks may name; nothing outside of it runs.",
    )
    allow_urls: UrlPrefixes = Field(
        (),
        validation_alias="AllowUrls",
        description='Prefixes of the URLs that rpc tasks may request, as `["https://api.example.org/v1/"]`; `["*"]` = all.',
    )
    allow_networks: Networks = Field(
        (),
        validation_alias="AllowNetworks",
        description='Networks that are not public and may be reached all the same, as `["10.1.0.0/16"]`.',
    )
    workers: WorkerCount = Field(
        1, validation_alias="Workers", description="How many script tasks, and how many rpc tasks, run at once."
    )
    period: Seconds = Field(0, validation_alias="Period", description="Seconds that a worker rests after each task.")
    task_run_time: Seconds = Field(
        30,
        gt=0,
        validation_alias="TaskRunTime",
        description="Seconds that a task may run which has no max_run_time of its own.",
    )
    result_keep_time: ExpirySeconds = Field(
        1000,
        ge=1,
        validation_alias="ResultKeepTime",
        description="Seconds that a result is kept after the task has ended.",
    )
    output_limit: int = Field(
        8_388_608,
        ge=1024,
        le=2**28,
        validation_alias="OutputLimit",
        description="Longest message of a result, in bytes; of a longer one the first and the last half are kept.",
    )


class Doors(Section):
    """Other systems whose clients goophry serves."""

    coyotes: CoyotesDoor | None = Field(None, validation_alias="Coyotes", description="Clients of Coyotes.")
    kingtask: KingtaskDoor | None = Field(None, validation_alias="Kingtask", description="Clients of kingtask.")
    poulpe: PoulpeDoor | None = Field(None, validation_alias="Poulpe", description="Clients of poulpe.")
