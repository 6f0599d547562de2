"""Whether this goophry, as whoever it runs, can do what a task type asks for."""

import os
import resource
from pathlib import Path
from typing import Final

from goophry.config import TaskType
from goophry.runners.identity import RESOURCES, identity_of
from goophry.runners.preload import command_of

_CAP_SETGID: Final = 6
_CAP_SETUID: Final = 7
_CAP_SYS_NICE: Final = 23
_CAP_SYS_RESOURCE: Final = 24


def check_possible(task_type: TaskType) -> list[str]:
    """Return a sentence for each wish that cannot be fulfilled; with one, goophry does not start."""
    problems = [*_identity_problems(task_type), *_nice_problems(task_type), *_limit_problems(task_type)]
    if task_type.work_dir is not None and not task_type.work_dir.is_dir():
        what = "is not a folder" if task_type.work_dir.exists() else "does not exist"
        problems.append(f"WorkDir: {task_type.work_dir} {what}")
    if task_type.preload:
        try:
            command_of(task_type)
        except OSError as error:
            problems.append(str(error))
    return [f"Type {task_type.type}: {problem}" for problem in problems]


def _identity_problems(task_type: TaskType) -> list[str]:
    try:
        identity = identity_of(task_type)
    except LookupError as error:
        return [str(error.args[0])]
    if identity is None or identity.is_own or (_may(_CAP_SETUID) and _may(_CAP_SETGID)):
        return []
    own, other = (f"user {os.geteuid()}, group {os.getegid()}", f"user {identity.uid}, group {identity.gid}")
    return [f"User, Group: goophry runs as {own} and may not switch to {other}"]


def _nice_problems(task_type: TaskType) -> list[str]:
    if task_type.nice is None or _may(_CAP_SYS_NICE):
        return []
    # The limit counts the other way round: 20 - nice.
    soft, _ = resource.getrlimit(resource.RLIMIT_NICE)
    lowest = min(os.getpriority(os.PRIO_PROCESS, 0), 20 - soft)
    if task_type.nice >= lowest:
        return []
    return [f"Nice: {task_type.nice} is a higher priority than goophry may give, the lowest number is {lowest}"]


def _limit_problems(task_type: TaskType) -> list[str]:
    if task_type.limits is None:
        return []
    problems = []
    for name, number in RESOURCES.items():
        wanted = getattr(task_type.limits, name)
        ceiling = _ceiling(number)
        if wanted is not None and ceiling is not None and wanted > ceiling:
            problems.append(f"Limits.{name.rstrip('_')}: {wanted} is more than goophry may set, which is {ceiling}")
    return problems


def _ceiling(number: int) -> int | None:
    if _may(_CAP_SYS_RESOURCE):
        # The kernel refuses more open files than this, also to root.
        return int(Path("/proc/sys/fs/nr_open").read_text()) if number == resource.RLIMIT_NOFILE else None
    _, hard = resource.getrlimit(number)
    return None if hard == resource.RLIM_INFINITY else hard


def _may(capability: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> capability & 1)
    return os.geteuid() == 0
