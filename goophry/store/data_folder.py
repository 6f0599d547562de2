"""The folder of an embedded Redis: one goophry at a time, and no server of an earlier one."""

import fcntl
import logging
import os
import select
import signal
import socket
import struct
from pathlib import Path
from typing import Final

from goophry.errors import StartError

LOG = logging.getLogger(__name__)

#: Name of the server's Unix socket in the folder.
SOCKET: Final = "redis.sock"

#: Seconds that a server gets to write its data and end, before it is killed.
STOP_TIMEOUT_S: Final = 30

_LOCK: Final = "goophry.lock"


def lock(folder: Path) -> int:
    """Make `folder` ours as long as the returned descriptor is open. Raises `StartError`."""
    try:
        fd = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartError(f"RedisDataDir {folder}: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.read(fd, 20).decode(errors="replace").strip()
        os.close(fd)
        raise StartError(
            f"RedisDataDir {folder}: another goophry (process {owner}) runs its embedded Redis there; "
            "give this one another RedisDataDir, or the address of that server"
        ) from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def end_stale(folder: Path) -> None:
    """Stop a server that a killed goophry left behind. We hold the lock, so nobody needs it. Raises `StartError`."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(folder / SOCKET))
        except OSError:
            return
        (pid,) = struct.unpack_from("i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        LOG.warning(
            "an earlier goophry left its embedded Redis behind, stopping it",
            extra={"action": "embedded.stale", "pid": pid},
        )
        _end(pid)


def _end(pid: int) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not select.select([handle], [], [], STOP_TIMEOUT_S)[0]:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [])
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise StartError(
            f"the embedded Redis of an earlier goophry (process {pid}) cannot be stopped: {error}"
        ) from error
    finally:
        os.close(handle)
