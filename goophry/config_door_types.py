"""The task types that configured doors submit to: made from the doors' sections, beside those of Tasks.

They take over from the top level what every type takes over.
"""

import glob
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, unquote

from goophry.backoff import Backoff
from goophry.config_door_poulpe import PoulpeDoor
from goophry.config_doors import CoyotesDoor, Doors, KingtaskDoor
from goophry.config_fields import inherited_names
from goophry.config_kinds import NAMED
from goophry.config_models import Settings
from goophry.config_task import ExitCodes, TaskType, Unique
from goophry.retry import RetryPolicy

KINGTASK_SCRIPT: Final = "kingtask.script"
KINGTASK_RPC: Final = "kingtask.rpc"
COYOTES_PREFIX: Final = "coyotes."
POULPE_PREFIX: Final = "poulpe."
COYOTES_DELAYED: Final = "delayed"

#: Key of an entry: the name that a distinct channel goes by.
COYOTES_NAME_KEY: Final = "TaskName"

#: Characters of a channel's name that its task type has too, beside letters and digits of every script.
_PLAIN: Final = "-_.~@+,;!$&'()*=^|#?<>/"

#: How the names of the doors' types begin; Tasks has none of these where the door is on.
RESERVED: Final = {"Coyotes": COYOTES_PREFIX, "Kingtask": "kingtask.", "Poulpe": POULPE_PREFIX}


def with_door_types(settings: Settings) -> Settings:
    """Return the settings, whose types are those of Tasks, with all types complete: those of the doors too."""
    tasks = (*settings.tasks, *_types(settings.doors))
    return settings.model_copy(update={"tasks": tuple(completed(task, settings) for task in tasks)})


def own_tasks(settings: Settings) -> list[TaskType]:
    """Return the types of Tasks, without those of the doors."""
    of_doors = {task.type for task in _types(settings.doors)}
    return [task for task in settings.tasks if task.type not in of_doors]


def completed(task: TaskType, settings: Settings) -> TaskType:
    """Return the type with everything that it takes over from the top level."""
    names = inherited_names(Settings, TaskType)
    return task.model_copy(
        update={name: getattr(settings, name) for name in names if name not in task.model_fields_set}
    )


def _types(doors: Doors | None) -> Iterator[TaskType]:
    if doors is not None and doors.coyotes is not None:
        for name in standard_channels(doors.coyotes):
            distinct = name != COYOTES_DELAYED
            yield coyotes_channel(
                doors.coyotes, coyotes_type_name(name), workers=doors.coyotes.concurrent, distinct=distinct
            )
    if doors is not None and doors.kingtask is not None:
        yield from _kingtask(doors.kingtask)
    if doors is not None and doors.poulpe is not None:
        yield from _poulpe(doors.poulpe)


def standard_channels(door: CoyotesDoor) -> tuple[str, ...]:
    """Return the channels of Coyotes that are there unless they were deleted; all but the last are distinct."""
    return tuple(dict.fromkeys((door.channel_default, "biz", "cron", COYOTES_DELAYED)))


def coyotes_channel(door: CoyotesDoor, name: str, *, workers: int, distinct: bool) -> TaskType:
    """Return the task type of a channel, without what it takes over from the top level."""
    return TaskType(
        type=name,
        kind="command",
        allow=door.allow,
        workers=workers,
        fail_on_output=False,
        retry=door.retry,
        unique=Unique(by=COYOTES_NAME_KEY) if distinct else None,
    )


def coyotes_type_name(channel: str) -> str:
    """Return the task type of a channel: its name, but for characters that would be something else in a type's name."""
    return COYOTES_PREFIX + "".join(
        char if char.isalnum() or char in _PLAIN else quote(char, safe="", errors="replace") for char in channel
    )


def coyotes_channel_name(task_type: str) -> str:
    """Return the channel of a task type."""
    return unquote(task_type.removeprefix(COYOTES_PREFIX))


def _kingtask(door: KingtaskDoor) -> Iterator[TaskType]:
    both: dict[str, Any] = {
        "workers": door.workers,
        "timeout": door.task_run_time,
        "result_ttl": door.result_keep_time,
        "output_limit": door.output_limit,
        "pause": door.period,
    }
    yield TaskType(
        type=KINGTASK_SCRIPT,
        kind="command",
        allow=(f"{glob.escape(str(door.bin_path)).rstrip('/')}/**",),
        kill_grace=0,
        fail_on_output=False,
        fail_on_stderr=True,
        exit_codes=ExitCodes(retry=()),
        **both,
    )
    requests = TaskType(
        type=KINGTASK_RPC,
        kind="http",
        headers={"Content-Type": "application/json", "Accept-Encoding": "gzip"},
        success=("200",),
        redirects=9,
        **both,
    )
    # As they were read; without any, each task fails and says so.
    yield requests.model_copy(update={"allow_urls": door.allow_urls, "allow_networks": door.allow_networks})


def poulpe_type(worker: int) -> str:
    """Return the type whose one worker, on all instances together, has this number."""
    return f"{POULPE_PREFIX}{worker}"


def poulpe_types(door: PoulpeDoor) -> list[str]:
    """Return the types of all workers."""
    return [poulpe_type(worker) for worker in range(door.workers)]


def _poulpe(door: PoulpeDoor) -> Iterator[TaskType]:
    every = Backoff(min_s=door.retry_interval, max_s=door.retry_interval, factor=1, jitter=False)
    for name in poulpe_types(door):
        each = TaskType(
            type=name,
            kind="command",
            allow=("*",),
            workers=1,
            retry=RetryPolicy(backoff=every, times=door.max_retry),
            fail_on_output=False,
            exit_codes=ExitCodes(retry=()),
            headers={"User-Agent": ""},
            success=("200",),
            redirects=9,
            log_args=False,  # bodies, mails, arguments: an Id says which job it was
        )
        # As they were read; where there are none, each attempt fails and says so.
        yield each.model_copy(
            update={
                "kind": NAMED,
                "allow": door.allow,
                "allow_urls": door.allow_urls,
                "allow_networks": door.allow_networks,
                "proxy": door.proxy,
            }
        )
