"""The task types that configured doors submit to: made from the doors' sections, beside those of Tasks.

They take over from the top level what every type takes over.
"""

import glob
from collections.abc import Iterator
from typing import Any, Final

from goophry.config_doors import Doors, KingtaskDoor
from goophry.config_fields import inherited_names
from goophry.config_models import Settings
from goophry.config_task import ExitCodes, TaskType

KINGTASK_SCRIPT: Final = "kingtask.script"
KINGTASK_RPC: Final = "kingtask.rpc"

#: How the names of the doors' types begin; Tasks has none of these where the door is on.
RESERVED: Final = {"Kingtask": "kingtask."}


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
    if doors is not None and doors.kingtask is not None:
        yield from _kingtask(doors.kingtask)


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
