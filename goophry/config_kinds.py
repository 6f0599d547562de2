"""What a task type does: the keys that say so, and which of them go with which Kind."""

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field

from goophry.config_kind_types import Headers, Networks, ProgramGlobs, ProxyUrl, Statuses, UrlPrefixes
from goophry.config_section import Section
from goophry.config_smtp import Smtp
from goophry.config_types import Command, FilledText, Modules

#: The kind of types whose entries name a kind themselves. No configuration has it: doors make these types.
NAMED: Final = "named"


class TaskKind(Section):
    """The part of a task type that says what is done with an entry."""

    type: FilledText = Field(validation_alias="Type", description="Name of the type; its list is `RedisQueueKey:Type`.")
    kind: Literal["script", "persistent", "command", "http", "mail"] = Field(
        "script",
        validation_alias="Kind",
        description="How an entry is executed: `script` starts a process for each, `persistent` feeds them to one that stays, `command` starts the program that the entry names, `http` makes a request, `mail` sends a mail.",
    )
    script: Command = Field(
        (),
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
    allow: ProgramGlobs = Field(
        (),
        validation_alias="Allow",
        description='Kind `command`: globs of the programs that may be run, as `["php", "/srv/app/bin/*"]`; `["*"]` = all.',
    )
    allow_urls: UrlPrefixes = Field(
        (),
        validation_alias="AllowUrls",
        description='Kind `http`: prefixes of the URLs that may be requested, as `["https://api.example.org/v1/"]`; `["*"]` = all.',
    )
    allow_networks: Networks = Field(
        (),
        validation_alias="AllowNetworks",
        description='Kind `http`: networks that are not public and may be reached all the same, as `["10.1.0.0/16"]`.',
    )
    headers: Headers = Field(
        default_factory=dict,
        validation_alias="Headers",
        description="Kind `http`: headers of each request. An empty value leaves out one that goophry would send.",
    )
    success: Statuses = Field(
        ("2xx",),
        validation_alias="Success",
        description='Kind `http`: statuses that count as success, as `["200", "3xx"]`.',
    )
    redirects: int = Field(
        0,
        ge=0,
        le=50,
        validation_alias="Redirects",
        description="Kind `http`: how many redirects are followed; with 0 a redirect is an answer like any other.",
    )
    proxy: ProxyUrl | None = Field(
        None,
        validation_alias="Proxy",
        description="Kind `http`: `http://host:port` of a proxy that is asked instead of the servers. What the environment names is ignored.",
    )
    smtp: Smtp | None = Field(
        None, validation_alias="Smtp", description="Kind `mail`: overrides the top level's Smtp, as a whole."
    )


#: The kinds that start programs, and those of them that start one for each entry.
_PROCESSES: Final = ("script", "persistent", "command")
_PROCESS_EACH: Final = ("script", "command")

#: Which kinds a key means something for; a key that is not here goes with all of them.
KINDS_OF_KEY: Final = {
    "Script": ("script", "persistent"),
    "Preload": ("script",),
    "MaxTasks": ("persistent",),
    "Allow": ("command",),
    "AllowUrls": ("http",),
    "AllowNetworks": ("http",),
    "Headers": ("http",),
    "Success": ("http",),
    "Redirects": ("http",),
    "Proxy": ("http",),
    "Smtp": ("mail",),
    "KillGrace": _PROCESSES,
    "ExitCodes": _PROCESSES,
    "FailOnOutput": _PROCESSES,
    "FailOnStderr": _PROCESS_EACH,
    "Env": _PROCESSES,
    "EnvInherit": _PROCESSES,
    "KillOrphans": _PROCESSES,
    "WorkDir": _PROCESSES,
    "User": _PROCESSES,
    "Group": _PROCESSES,
    "Umask": _PROCESSES,
    "Nice": _PROCESSES,
    "Limits": _PROCESSES,
    "OutputLimit": (*_PROCESSES, "http"),
}

#: Which keys a kind cannot do without.
REQUIRED_OF_KIND: Final[Mapping[str, tuple[str, ...]]] = {
    "script": ("Script",),
    "persistent": ("Script",),
    "command": ("Allow",),
    "http": ("AllowUrls",),
    "mail": (),
}
