"""The program inside a warmed interpreter: imports modules once, then forks for each task.

It is run as a plain file by the interpreter of the script, any Python from 3.8 on, so it imports
nothing of goophry. Arguments: `direct` or `named` (whether the script is started by its path, or
named to an interpreter), the script, the modules. Descriptor 0 is a socket to goophry.

To goophry: one message, empty when warm, else what went wrong. From goophry: a message for each
task with descriptors: a socket of the task's own, its stdout, its stderr, perhaps its stdin, and
perhaps one to write to after how many seconds it wants to be tried again.
On the task's socket: the task's pid or -errno (4 bytes, from its parent); 1 byte when the parent
is gone, so that the task is goophry's own child; then goophry's request, by which the task begins;
then its errno (4 bytes), 0 = it runs. Without a request the task ends: nothing runs of which
goophry does not know. When goophry's socket closes, the interpreter ends.
"""

# pathlib would be one more module in every interpreter.
# ruff: noqa: PTH116, PTH120, PTH123, PTH208

from __future__ import annotations

import array
import atexit
import builtins
import contextlib
import errno
import gc
import io
import os
import socket
import struct
import sys
import time
import types
import weakref
from importlib.machinery import SourceFileLoader
from typing import Any

NUMBER = struct.Struct("=i")
MARK = b"GOOPHRY_RUN="


def serve(control: socket.socket) -> list[int]:
    """Fork for each message. Returns in a task, with the descriptors that came for it; ends with goophry."""
    while True:
        fds = received_fds(control)
        if not fds:
            os._exit(0)
        try:
            parent = os.fork()
            if parent == 0:
                if fork_task(fds[0]):
                    control.close()
                    return fds
                os._exit(0)
            os.waitpid(parent, 0)
            os.write(fds[0], b"\0")
        except OSError as error:  # no process to be had, or goophry gave the task up
            tell(fds[0], -(error.errno or errno.EAGAIN))
        for fd in fds:
            os.close(fd)


def fork_task(link: int) -> bool:
    """Fork the task and tell its pid; returns whether this is the task."""
    try:
        pid = os.fork()
    except OSError as error:
        pid = -(error.errno or errno.EAGAIN)
    if pid:
        tell(link, pid)
    return pid == 0


def tell(link: int, number: int) -> None:
    """Write a number; that nobody listens any more is no trouble."""
    try:
        os.write(link, NUMBER.pack(number))
    except OSError:
        return


def received_fds(control: socket.socket) -> list[int]:
    """Return the descriptors of the next message, none at the end."""
    fds = array.array("i")
    _, ancillary, _, _ = control.recvmsg(1, socket.CMSG_SPACE(4 * fds.itemsize))
    for _, _, data in ancillary:
        fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)


def request_of(link: int) -> list[bytes]:
    """Wait for goophry's request: 1 if a further descriptor came, work dir, number of arguments, arguments, environment."""
    with socket.socket(fileno=os.dup(link)) as peer:
        size = NUMBER.unpack(exactly(peer, NUMBER.size))[0]
        return exactly(peer, size).split(b"\0")


def exactly(peer: socket.socket, size: int) -> bytes:
    """Read `size` bytes; without them goophry does not want the task, and the process ends."""
    parts = []
    while size:
        part = peer.recv(size)
        if not part:
            os._exit(0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def become_task(fds: list[int], mark_place: tuple[int, int] | None, *, is_direct: bool) -> None:
    """Make this process what the script expects to be run in; tell goophry how that went."""
    link = fds[0]
    os.setsid()
    further, work_dir, count, *rest = request_of(link)
    arguments, environment = rest[: int(count)], rest[int(count) :]
    if further == b"1":
        retry_after = fds.pop()
        os.set_inheritable(retry_after, True)
        environment.append(b"GOOPHRY_RETRY_AFTER_FD=%d" % retry_after)
    try:
        if work_dir:
            os.chdir(work_dir)
        if is_direct and not os.access(arguments[0], os.X_OK):
            os.stat(arguments[0])
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        for target, fd in [(1, fds[1]), (2, fds[2])] + [(0, fd) for fd in fds[3:]]:
            os.dup2(fd, target)
    except OSError as error:
        tell(link, error.errno or errno.EINVAL)
        os._exit(1)
    set_environment(environment)
    if mark_place is not None:
        show_mark(environment, *mark_place)
    sys.argv[:] = [os.fsdecode(argument) for argument in arguments]
    tell(link, 0)
    for fd in fds:
        os.close(fd)


def set_environment(lines: list[bytes]) -> None:
    """Replace the environment."""
    coerced = os.environb.get(b"LC_CTYPE")
    os.environb.clear()
    for line in lines:
        name, _, value = line.partition(b"=")
        os.environb[name] = value
    if coerced is not None:  # without a locale the interpreter sets one at its start, as it would for the script
        os.environb.setdefault(b"LC_CTYPE", coerced)
    time.tzset()


def place_of_mark() -> tuple[int, int] | None:
    """Return address and size of the mark in the memory that /proc/PID/environ shows."""
    with open("/proc/self/environ", "rb") as file:
        environment = b"\0" + file.read()
    at = environment.find(b"\0" + MARK)
    if at < 0:
        return None
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    # The 50th field, and the first two are cut off.
    return int(fields[47]) + at, environment.index(b"\0", at + 1) - at - 1


def show_mark(lines: list[bytes], address: int, size: int) -> None:
    """Write the run's mark where others look for it: a fork shows the environment of its parent's start."""
    mark = next((line for line in lines if line.startswith(MARK)), b"")
    if len(mark) > size:
        return
    try:
        memory = os.open("/proc/self/mem", os.O_RDWR)
    except OSError:
        return
    os.pwrite(memory, mark.ljust(size, b"\0"), address)
    os.close(memory)


def warm(modules: list[str]) -> str:
    """Import the modules; returns what went wrong."""
    for name in modules:
        try:
            __import__(name)
        except BaseException as error:  # sys.exit too: whatever it is, goophry must hear of it
            return f"importing {name}: {type(error).__name__}: {error}"
        threads = len(os.listdir("/proc/self/task")) - 1
        if threads:
            return f"importing {name} started {threads} thread(s), which the forked tasks would not have"
    return ""


def keep(kept: list[Any], names: set[str]) -> None:
    """Have all that was imported stay as it is in the tasks: memory that nobody touches is not copied.

    A list that holds itself is garbage that the collector, which leaves frozen objects alone,
    never frees; and with it what it holds.
    """
    gc.collect()
    files = [item for item in gc.get_objects() if isinstance(item, io.IOBase)]
    for file in files:
        flush(file)  # or every task would write what is in its buffer
    # The standard streams are among them; the interpreter frees those itself, and writes what is in them then.
    kept += [kept, {name: sys.modules[name] for name in names}, [weakref.ref(file) for file in files]]
    gc.freeze()


def flush(file: io.IOBase) -> None:
    """Write what is buffered, if the file is open."""
    with contextlib.suppress(OSError, ValueError):
        file.flush()


def spare(kept: list[Any]) -> None:
    """At the end of a task, hide the preloaded modules from the interpreter, which would take them to pieces.

    That takes longer than all the rest of a short task, and they belong to all tasks.
    """
    if not kept:
        return
    _, modules, files = kept
    for reference in files:
        file = reference()
        if file is not None:
            flush(file)
    for name, module in modules.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]


def run(script: str) -> None:
    """Run the script as `__main__` and end as the interpreter would."""
    main = types.ModuleType("__main__")
    main.__file__ = script
    main.__builtins__ = builtins  # type: ignore[attr-defined]
    main.__loader__ = SourceFileLoader("__main__", script)
    vars(main)["__cached__"] = None
    if sys.version_info < (3, 14):
        vars(main)["__annotations__"] = {}
    sys.modules["__main__"] = main
    try:
        with open(script, "rb") as file:
            source = file.read()
    except OSError as error:
        sys.stderr.write(f"{sys.executable}: can't open file {script!r}: [Errno {error.errno}] {error.strerror}\n")
        sys.exit(2)
    try:
        # Not runpy: it takes the module away before exit handlers and threads have ended.
        code = compile(source, script, "exec", dont_inherit=True)
        exec(code, main.__dict__)  # noqa: S102 - what this program is for
    except SystemExit:
        raise
    except BaseException as error:
        end_unhandled(error)


def end_unhandled(error: BaseException) -> None:
    """Show the error without the frames of this file, and end with its status."""
    trace = error.__traceback__
    error.__traceback__ = trace.tb_next if trace else None
    sys.excepthook(type(error), error, error.__traceback__)
    if isinstance(error, KeyboardInterrupt):
        # Told already; the interpreter ends by SIGINT, as it does for a script.
        sys.excepthook = silent
        raise error
    sys.exit(1)


def silent(*_: Any) -> None:
    """Say nothing."""


def main() -> None:
    """Warm up, serve, and in a task run the script."""
    mode, script, *modules = sys.argv[1:]
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    if not sys.flags.isolated and not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(os.path.realpath(script))
    sys.argv[:] = [script]
    kept: list[Any] = []
    atexit.register(spare, kept)  # first in, so last to run
    own = set(sys.modules)
    problem = warm(modules)
    control.send(b"\0" + problem.encode("utf-8", "replace"))
    if problem:
        os._exit(1)
    mark_place = place_of_mark()
    keep(kept, set(sys.modules) - own)
    become_task(serve(control), mark_place, is_direct=mode == "direct")
    run(sys.argv[0])


if __name__ == "__main__":
    main()
