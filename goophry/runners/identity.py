"""Who a script runs as, and under which limits: names looked up, wishes made numbers."""

import grp
import os
import pwd
import resource
from dataclasses import dataclass
from typing import Final

from goophry.config import Limits, TaskType

RESOURCES: Final = {
    "nofile": resource.RLIMIT_NOFILE,
    "as_": resource.RLIMIT_AS,
    "cpu": resource.RLIMIT_CPU,
    "fsize": resource.RLIMIT_FSIZE,
    "nproc": resource.RLIMIT_NPROC,
}


@dataclass(frozen=True, slots=True)
class Identity:
    """User, group and supplementary groups, as numbers."""

    uid: int
    gid: int
    groups: tuple[int, ...]

    @property
    def is_own(self) -> bool:
        """Whether goophry is this already, so that nothing has to be switched."""
        return self.uid == os.geteuid() and self.gid == os.getegid()


def identity_of(task_type: TaskType) -> Identity | None:
    """Return who runs the scripts of a type, None when it does not say.

    Without Group it is the User's own group and those that list the user. Raises `LookupError`
    with a sentence for names that do not exist.
    """
    if task_type.user is None and task_type.group is None:
        return None
    user = None if task_type.user is None else _user(task_type.user)
    uid = os.geteuid() if task_type.user is None else task_type.user if user is None else user.pw_uid
    assert isinstance(uid, int)  # noqa: S101 - a name that is not known was refused above
    if task_type.group is not None:
        gid = _gid(task_type.group)
    elif user is not None:
        gid = user.pw_gid
    else:
        raise LookupError(f"User: {uid} is not in the list of users, so Group must be given")
    groups = (gid,) if user is None else tuple(os.getgrouplist(user.pw_name, gid))
    return Identity(uid, gid, groups)


def limits_of(limits: Limits | None) -> dict[int, int]:
    """Return the resource numbers that have a limit, with it."""
    if limits is None:
        return {}
    wanted = {number: getattr(limits, name) for name, number in RESOURCES.items()}
    return {number: value for number, value in wanted.items() if value is not None}


def _user(name: str | int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(name) if isinstance(name, int) else pwd.getpwnam(name)
    except KeyError:
        if isinstance(name, int):
            return None
        raise LookupError(f"User: there is no user {name}") from None


def _gid(name: str | int) -> int:
    if isinstance(name, int):
        return name
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise LookupError(f"Group: there is no group {name}") from None
