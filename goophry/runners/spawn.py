"""Starting a program without holding the interpreter lock.

`subprocess` and `os.posix_spawn` keep the lock while the child's exec is under way, which is most
of the time a short task takes. A call through `ctypes.CDLL` lets go of it. glibc's `posix_spawn`
shares the address space with the child until exec, so the size of goophry does not matter, and it
hands exec's error number back.
"""

import ctypes
import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

_SETSIGDEF: Final = 0x04
_SETSIGMASK: Final = 0x08
_SETSID: Final = 0x80

#: Bytes set aside for the C library's structures: glibc needs 336, 80 and 128, musl less.
_ATTRIBUTES_SIZE: Final = 512
_FILE_ACTIONS_SIZE: Final = 128
_SIGSET_SIZE: Final = 128

#: Number of the one descriptor that a program may find beside the standard ones.
FURTHER_FD: Final = 3

#: Sets of file actions that are kept. Pipes get the same few numbers again and again.
_KEPT_ACTIONS: Final = 64


#: How many lines of an environment may change from run to run.
_RUN_LINES: Final = 8


class Env(NamedTuple):
    """An environment as `NAME=value` lines, no name twice. `fixed` is the same object from run to run."""

    run: Sequence[bytes]
    fixed: Sequence[bytes]


class Spawner:
    """Starts programs, each in a session of its own, with default signal dispositions and an empty mask.

    The program sees descriptors 0, 1 and 2 only, and `FURTHER_FD` where there is one. Used by one thread.
    """

    def __init__(self, *, work_dir: Path | None = None, further_fd: int | None = None) -> None:
        """`further_fd` is what the programs find as `FURTHER_FD`."""
        fill_standard_fds()
        self._libc = _libc()
        self._work_dir = None if work_dir is None else os.fsencode(work_dir)
        self._further_fds = () if further_fd is None else (further_fd,)
        self._null_fd = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._attributes = self._new_attributes()
        self._actions: dict[tuple[int, int, int], ctypes.Array[ctypes.c_char]] = {}
        self._pid = ctypes.c_int()
        self._env = EnvArray(())

    def launch(self, argv: Sequence[bytes], *, env: Env, stdin: int | None, stdout: int, stderr: int) -> int:
        """Start the program `argv[0]` and return its pid; the caller waits for it.

        Nothing is looked up in PATH, and a file without `#!` is an error, not a shell script.
        stdin None is the null device. Raises `OSError` with the number that exec gave.
        """
        actions = self._file_actions(self._null_fd if stdin is None else stdin, stdout, stderr)
        if env.fixed is not self._env.fixed:
            self._env = EnvArray(env.fixed)
        error = self._libc.posix_spawn(
            ctypes.byref(self._pid), argv[0], actions, self._attributes, _array(argv), self._env.with_lines(env.run)
        )
        if error:
            raise OSError(error, os.strerror(error))
        return self._pid.value

    def close(self) -> None:
        """Free what is held; nothing is started afterwards."""
        self._forget_actions()
        self._libc.posix_spawnattr_destroy(self._attributes)
        os.close(self._null_fd)

    def _new_attributes(self) -> ctypes.Array[ctypes.c_char]:
        libc = self._libc
        attributes = ctypes.create_string_buffer(_ATTRIBUTES_SIZE)
        _must(libc.posix_spawnattr_init(attributes))
        signals = ctypes.create_string_buffer(_SIGSET_SIZE)
        _must(libc.sigemptyset(signals))
        _must(libc.posix_spawnattr_setsigmask(attributes, signals))
        # Python ignores SIGPIPE and SIGXFSZ, and whoever started goophry may have ignored others.
        # All bits, and not sigfillset: that leaves out two which glibc would then have the child ignore.
        ctypes.memset(signals, 0xFF, _SIGSET_SIZE)
        _must(libc.posix_spawnattr_setsigdefault(attributes, signals))
        _must(libc.posix_spawnattr_setflags(attributes, ctypes.c_short(_SETSID | _SETSIGDEF | _SETSIGMASK)))
        return attributes

    def _file_actions(self, stdin: int, stdout: int, stderr: int) -> ctypes.Array[ctypes.c_char]:
        key = (stdin, stdout, stderr)
        actions = self._actions.get(key)
        if actions is None:
            if len(self._actions) >= _KEPT_ACTIONS:
                self._forget_actions()
            actions = self._actions[key] = self._new_file_actions(key)
        return actions

    def _new_file_actions(self, fds: tuple[int, int, int]) -> ctypes.Array[ctypes.c_char]:
        libc = self._libc
        actions = ctypes.create_string_buffer(_FILE_ACTIONS_SIZE)
        _must(libc.posix_spawn_file_actions_init(actions))
        for target, fd in enumerate((*fds, *self._further_fds)):
            _must(libc.posix_spawn_file_actions_adddup2(actions, fd, target))
        if self._work_dir is not None:
            _must(libc.posix_spawn_file_actions_addchdir_np(actions, self._work_dir))
        # Descriptors that goophry was born with need not be close-on-exec. Before glibc 2.34 they stay open.
        if hasattr(libc, "posix_spawn_file_actions_addclosefrom_np"):
            _must(libc.posix_spawn_file_actions_addclosefrom_np(actions, 3 + len(self._further_fds)))
        return actions

    def _forget_actions(self) -> None:
        for actions in self._actions.values():
            self._libc.posix_spawn_file_actions_destroy(actions)
        self._actions.clear()


class EnvArray:
    """The C array of an environment whose greater part stays: filling 40 places anew takes 6 µs."""

    def __init__(self, fixed: Sequence[bytes]) -> None:
        self.fixed = fixed
        self._array = (ctypes.c_char_p * (len(fixed) + _RUN_LINES + 1))(*fixed)

    def with_lines(self, lines: Sequence[bytes]) -> ctypes.Array[ctypes.c_char_p]:
        """Return the array with `lines` after the fixed ones, good until the next call."""
        place = len(self.fixed)
        for line in lines:
            self._array[place] = line
            place += 1
        self._array[place] = None
        return self._array


def encoded(text: str) -> bytes:
    """Return `text` as the kernel takes it; bytes that were not UTF-8 come out as they came in.

    Raises `OSError` (invalid argument) for what no program can be handed: NUL, half a character.
    """
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from error
    if b"\0" in raw:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return raw


def fill_standard_fds() -> None:
    """Put the null device where descriptor 0, 1, 2 or `FURTHER_FD` is closed, so that no pipe ever gets these numbers."""
    for fd in range(FURTHER_FD + 1):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is `fd`


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None)
    buffer, text = ctypes.c_void_p, ctypes.c_char_p
    libc.posix_spawn.argtypes = (buffer, text, buffer, buffer, buffer, buffer)
    return libc


def _array(texts: Sequence[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    """Return a C array of `texts` with NULL after the last.

    Lengths are rounded up: ctypes keeps a class for every length it has seen.
    """
    array_type = ctypes.c_char_p * ((len(texts) | 7) + 1)
    return array_type(*texts)


def _must(error: int) -> None:
    if error:
        raise OSError(error, os.strerror(error))
