"""Starting a program through `subprocess`, for what posix_spawn cannot do: User, Group, Umask, Nice, Limits.

Slower, for the interpreter lock is held until the child's exec. User, Group and Umask are applied
by the C code of `subprocess`. Nice and Limits need a function that runs in the child between fork
and exec; there is no other way to set them before the program starts. It calls nothing but the
system, with numbers made beforehand: in the child of a process with threads, locks stay as they were.
Signals that goophry was started with as ignored stay ignored here, but for those that Python ignores.
"""

import os
import resource
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict

from goophry.config import TaskType
from goophry.runners.identity import Identity, identity_of, limits_of
from goophry.runners.spawn import FURTHER_FD, Env, fill_standard_fds


class PlainLauncher:
    """Starts the programs of one task type under its user, umask, priority and limits."""

    def __init__(self, task_type: TaskType, *, further_fd: int | None = None) -> None:
        """`further_fd` is what the programs find as `FURTHER_FD`."""
        fill_standard_fds()
        self._task_type = task_type
        self._further_fd = further_fd

    def launch(self, argv: Sequence[bytes], *, env: Env, stdin: int | None, stdout: int, stderr: int) -> int:
        """Start the program `argv[0]` in a session of its own and return its pid; the caller waits for it.

        Raises `OSError` when it cannot be started as the type wants it.
        """
        try:
            process = subprocess.Popen(
                list(argv),
                env=_environment(env),
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=self._task_type.work_dir,
                umask=-1 if self._task_type.umask is None else self._task_type.umask,
                start_new_session=True,
                pass_fds=() if self._further_fd is None else (FURTHER_FD,),
                **self._identity_options(),
            )
        except subprocess.SubprocessError as error:
            raise OSError("Nice, Limits, User or Group could not be applied") from error
        except LookupError as error:
            raise OSError(str(error)) from error
        process.returncode = 0  # the caller waits for it, and not Popen
        return process.pid

    def close(self) -> None:
        """Nothing is held between runs."""

    def _identity_options(self) -> "_IdentityOptions":
        # Looked up for each run: a user's groups may change while goophry runs.
        identity = identity_of(self._task_type)
        if identity is not None and identity.is_own:
            identity = None
        needed = (self._task_type.nice, self._task_type.limits, self._further_fd)
        if any(wish is not None for wish in needed):
            preparation = _Preparation(
                self._task_type.nice, limits_of(self._task_type.limits), identity, self._further_fd
            )
            return {"preexec_fn": preparation}
        if identity is None:
            return {}
        return {"user": identity.uid, "group": identity.gid, "extra_groups": identity.groups}


class _IdentityOptions(TypedDict, total=False):
    user: int
    group: int
    extra_groups: Sequence[int]
    preexec_fn: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Preparation:
    """What the child does to itself before exec. The user comes last: it may lower no nice value."""

    nice: int | None
    limits: dict[int, int]
    identity: Identity | None
    further_fd: int | None

    def __call__(self) -> None:
        if (
            self.further_fd is not None
        ):  # `fill_standard_fds` has seen to it that the number is nothing that is needed here
            os.dup2(self.further_fd, FURTHER_FD)
        if self.nice is not None:
            os.setpriority(os.PRIO_PROCESS, 0, self.nice)
        for number, value in self.limits.items():
            resource.setrlimit(number, (value, value))
        if self.identity is not None:
            os.setgroups(self.identity.groups)
            os.setresgid(self.identity.gid, self.identity.gid, self.identity.gid)
            os.setresuid(self.identity.uid, self.identity.uid, self.identity.uid)


def needs_plain(task_type: TaskType) -> bool:
    """Whether posix_spawn cannot do all that the type asks for."""
    wishes = (task_type.user, task_type.group, task_type.umask, task_type.nice, task_type.limits)
    return any(wish is not None for wish in wishes)


def _environment(env: Env) -> dict[bytes, bytes]:
    lines = (line.partition(b"=") for line in (*env.fixed, *env.run))
    return {name: value for name, _, value in lines}
