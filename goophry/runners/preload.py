"""Tasks as forks of an interpreter that has imported their modules already.

One warmed interpreter for each task type, shared by its workers; `zygote.py` is the program in it
and tells the protocol. A task is forked twice and its parent ends, so that it becomes a child of
goophry itself: it is waited for, watched and killed as any script is. That needs goophry to be a
subreaper (see `reaper`). The interpreter ends with the last runner, or with goophry.
"""

import os
import select
import shutil
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from goophry.config import TaskType
from goophry.python_command import PythonCommand, python_command, python_file
from goophry.runners.child import CHUNK
from goophry.runners.endings import TAIL_BYTES
from goophry.runners.execution import Launcher
from goophry.runners.live import LivePids
from goophry.runners.output import Capture
from goophry.runners.spawn import Env, encoded

#: Seconds that the imports, one fork, and the end of the interpreter may take.
WARM_S: Final = 60.0
_FORK_S: Final = 30.0
_LEAVE_S: Final = 5.0

#: Room for the mark of a run, which each task writes over this one.
_MARK: Final = b"GOOPHRY_RUN=" + b"-" * 512

_OUTPUT_LIMIT: Final = 2 * TAIL_BYTES
_NUMBER: Final = struct.Struct("=i")
_PROGRAM: Final = Path(__file__).with_name("zygote.py")


class InterpreterGone(Exception):
    """The warmed interpreter ended; what was asked of it was not begun."""


class Interpreter:
    """A warmed interpreter; `fork` may be called by several threads at a time.

    Raises `OSError` with a sentence when it cannot be started or warmed.
    """

    def __init__(
        self, launcher: Launcher, *, argv: Sequence[str], environment: Sequence[bytes], live: LivePids
    ) -> None:
        self._live = live
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._output, output = os.pipe2(os.O_CLOEXEC)
        try:
            with theirs:
                self.pid = launcher.launch(
                    [encoded(word) for word in argv],
                    env=Env([_MARK], environment),
                    stdin=theirs.fileno(),
                    stdout=output,
                    stderr=output,
                )
        except OSError:
            self._control.close()
            os.close(self._output)
            raise
        finally:
            os.close(output)
        live.add(self.pid)
        problem = self._problem_of_warming()
        if problem:
            self.close()
            raise OSError(f"Preload: {problem}")

    def fork(self, request: bytes, fds: Sequence[int]) -> int:
        """Have a task forked and begin `request`; returns its pid, which the caller waits for.

        Raises `InterpreterGone`, or `OSError` when the task could not begin.
        """
        ours, theirs = socket.socketpair()
        with ours:
            ours.settimeout(_FORK_S)
            with theirs:
                try:
                    socket.send_fds(self._control, [b"\0"], [theirs.fileno(), *fds])
                except (BrokenPipeError, ConnectionResetError) as error:
                    raise InterpreterGone from error
            pid = _number(ours)
            if pid < 0:
                raise OSError(-pid, os.strerror(-pid))
            if not ours.recv(1):
                raise InterpreterGone
            # From here on it is goophry's child, which must not be buried as an orphan.
            self._live.add(pid)
            try:
                self._begin(ours, request)
            except BaseException:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                self._live.discard(pid)
                raise
        return pid

    def close(self) -> None:
        """End the interpreter; tasks that run go on."""
        self._control.close()
        look = select.poll()
        pidfd = os.pidfd_open(self.pid)
        look.register(pidfd, select.POLLIN)
        if not look.poll(_LEAVE_S * 1000):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self._live.discard(self.pid)
        os.close(pidfd)
        os.close(self._output)

    def _problem_of_warming(self) -> str:
        """Wait until the modules are imported; return what went wrong."""
        written = Capture(_OUTPUT_LIMIT)
        look = select.poll()
        look.register(self._output, select.POLLIN)
        look.register(self._control, select.POLLIN)
        end = time.monotonic() + WARM_S
        while (left_s := end - time.monotonic()) > 0:
            for fd, _ in look.poll(left_s * 1000):
                if fd == self._control.fileno():
                    message = self._control.recv(CHUNK)
                    if message:
                        return message[1:].decode(errors="replace")
                    said = written.captured().last(TAIL_BYTES).rstrip()
                    return f"the interpreter ended before it was warm\n\n{said}".rstrip()
                chunk = os.read(fd, CHUNK)
                written.add(memoryview(chunk))
                if not chunk:
                    look.unregister(fd)
        os.kill(self.pid, signal.SIGKILL)
        return f"the imports took longer than {WARM_S:g} s"

    @staticmethod
    def _begin(link: socket.socket, request: bytes) -> None:
        link.sendall(_NUMBER.pack(len(request)) + request)
        try:
            error = _number(link)
        except InterpreterGone as gone:
            raise OSError("the task ended before it began") from gone
        if error:
            raise OSError(error, os.strerror(error))


class WarmInterpreter:
    """The one interpreter of a task type, started when first needed and anew when it is gone. Thread-safe."""

    def __init__(
        self,
        task_type: TaskType,
        *,
        make_launcher: Callable[[], Launcher],
        environment: Mapping[str, str],
        live: LivePids,
    ) -> None:
        self._task_type = task_type
        self._make_launcher = make_launcher
        self._environment = environment
        self._live = live
        self._lock = threading.Lock()
        self._users = 0
        self._interpreter: Interpreter | None = None

    def join(self) -> None:
        """Count one more user."""
        with self._lock:
            self._users += 1

    def leave(self) -> None:
        """Count one user less; the interpreter ends with the last."""
        with self._lock:
            self._users -= 1
            if not self._users and self._interpreter is not None:
                self._interpreter.close()
                self._interpreter = None

    def fork(self, request: bytes, fds: Sequence[int]) -> int:
        """Have a task forked, if need be by an interpreter started now; see `Interpreter.fork`."""
        interpreter = self._current()
        try:
            return interpreter.fork(request, fds)
        except InterpreterGone:
            self._forget(interpreter)
        try:
            return self._current().fork(request, fds)
        except InterpreterGone as error:
            raise OSError("Preload: the warmed interpreter ended twice") from error

    def _current(self) -> Interpreter:
        # The others of the type wait with the one who starts it: they need it too.
        with self._lock:
            if self._interpreter is None:
                self._interpreter = self._started()
            return self._interpreter

    def _forget(self, gone: Interpreter) -> None:
        with self._lock:
            if self._interpreter is gone:
                self._interpreter = None
                gone.close()

    def _started(self) -> Interpreter:
        command = command_of(self._task_type)
        program = shutil.which(command.interpreter, path=self._environment.get("PATH", os.defpath))
        mode = "direct" if len(self._task_type.script) == 1 else "named"
        argv = [program or command.interpreter, *command.options, str(_PROGRAM), mode, command.file]
        launcher = self._make_launcher()
        try:
            return Interpreter(
                launcher,
                argv=[*argv, *self._task_type.preload],
                environment=[encoded(f"{name}={value}") for name, value in self._environment.items()],
                live=self._live,
            )
        finally:
            launcher.close()


class PreloadLauncher:
    """Starts the runs of one worker from the warmed interpreter of their type."""

    def __init__(self, warm: WarmInterpreter, task_type: TaskType, *, further_fd: int | None = None) -> None:
        """`further_fd` is what the scripts find under a number that the interpreter tells them."""
        self._warm = warm
        self._further_fd = further_fd
        self._work_dir = b"" if task_type.work_dir is None else os.fsencode(task_type.work_dir)
        script = task_type.script
        # What comes before the file is the interpreter's.
        self._skip = 0 if len(script) == 1 else 1 + len(python_command(script).options)
        warm.join()

    def launch(self, argv: Sequence[bytes], *, env: Env, stdin: int | None, stdout: int, stderr: int) -> int:
        """Have the script forked in a session of its own and return its pid; the caller waits for it."""
        words = argv[self._skip :]
        request = b"\0".join([self._work_dir, b"%d" % len(words), *words, *env.fixed, *env.run])
        fds = [stdout, stderr] if stdin is None else [stdout, stderr, stdin]
        if self._further_fd is None:
            return self._warm.fork(b"0\0" + request, fds)
        return self._warm.fork(b"1\0" + request, [*fds, self._further_fd])

    def close(self) -> None:
        """Free what is held."""
        self._warm.leave()


def command_of(task_type: TaskType) -> PythonCommand:
    """Return how the type's Script is run. Raises `OSError` with a sentence if it is no Python script."""
    script = task_type.script
    try:
        return python_file(Path(script[0])) if len(script) == 1 else python_command(script)
    except ValueError as error:
        raise OSError(f"Preload: {error}") from None


def _number(link: socket.socket) -> int:
    raw = link.recv(_NUMBER.size, socket.MSG_WAITALL)
    if len(raw) < _NUMBER.size:
        raise InterpreterGone
    return int(_NUMBER.unpack(raw)[0])
