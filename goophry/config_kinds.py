"""What a task type does: the keys that say so, and which of them go with which Kind."""

from typing import Final, Literal

from pydantic import Field

from goophry.config_kind_types import ProgramGlobs
from goophry.config_section import Section
from goophry.config_types import Command, FilledText, Modules


class TaskKind(Section):
    """The part of a task type that says what is done with an entry."""

    type: FilledText = Field(validation_alias="Type", description="Name of the type; its list is `RedisQueueKey:Type`.")
    kind: Literal["script", "persistent", "command"] = Field(
        "script",
        validation_alias="Kind",
        description="How an entry is executed: `script` starts a process for each, `persistent` feeds them to one that stays, `command` starts the program that the entry names.",
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


#: The kinds that start programs, and those of them that start one for each entry.
_PROCESSES: Final = ("script", "persistent", "command")
_PROCESS_EACH: Final = ("script", "command")

#: Which kinds a key means something for; a key that is not here goes with all of them.
KINDS_OF_KEY: Final = {
    "Script": ("script", "persistent"),
    "Preload": ("script",),
    "MaxTasks": ("persistent",),
    "Allow": ("command",),
    "KillGrace": _PROCESSES,
    "ExitCodes": _PROCESSES,
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
}

#: Which keys a kind cannot do without.
REQUIRED_OF_KIND: Final = {"script": ("Script",), "persistent": ("Script",), "command": ("Allow",)}
