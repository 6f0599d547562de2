"""Running the ErrorScript: told of what went wrong, judged like a script, kept within a time."""

import codecs
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from goophry.outcome import Outcome, Verdict
from goophry.runners.base import Interrupt, Notice
from goophry.runners.endings import Rules, outcome_of, start_failed
from goophry.runners.environment import inherited
from goophry.runners.execution import Command, Execution
from goophry.runners.guardian import Guardian
from goophry.runners.live import LivePids
from goophry.runners.spawn import Env, Spawner, encoded

#: One argument cannot be longer than 128 KiB, whatever the kernel is told.
MAX_ARGUMENT: Final = 100 * 1024

_OUTPUT_LIMIT: Final = 64 * 1024
_VERDICTS: Final = {
    Verdict.SUCCESS: "ok",
    Verdict.OUTPUT: "output",
    Verdict.TIMEOUT: "timeout",
    Verdict.INTERRUPTED: "interrupted",
    Verdict.CANCELLED: "interrupted",
}


class ErrorScriptRunner:
    """Runs ErrorScripts; may be used by several threads at a time."""

    def __init__(
        self,
        *,
        instance_id: str,
        environ: Mapping[str, str],
        live: LivePids,
        guardian: Guardian | None = None,
        timeout_s: float = 60.0,
        grace_s: float = 5.0,
    ) -> None:
        self._instance_id = instance_id
        self._environment = inherited(environ, which="all")
        self._live = live
        self._guardian = guardian
        self._timeout_s = timeout_s
        self._grace_s = grace_s

    def run(self, path: Path, notice: Notice, *, interrupt: Interrupt | None = None) -> tuple[str, str]:
        """Run the ErrorScript at `path` to its end; see `ErrorScriptCaller`.

        Its one argument is the message, cut to `MAX_ARGUMENT` bytes; stdin is the whole of it.
        """
        outcome = self._outcome(path, notice, interrupt or Interrupt())
        return _VERDICTS.get(outcome.verdict, "failed"), outcome.message

    def _outcome(self, path: Path, notice: Notice, interrupt: Interrupt) -> Outcome:
        execution = None
        stdin = None
        try:
            execution = Execution(Spawner(), output_limit=_OUTPUT_LIMIT, live=self._live, guardian=self._guardian)
            stdin = _memory_file(notice.message)
            command = self._command(path, notice, stdin)
            end = execution.run(command, interrupt, timeout_s=self._timeout_s, grace_s=self._grace_s)
            return outcome_of(end, timeout_s=self._timeout_s, rules=Rules(fail_on_output=True))
        except OSError as error:
            return start_failed(str(path), error)
        finally:
            if stdin is not None:
                os.close(stdin)
            if execution is not None:
                execution.close()

    def _command(self, path: Path, notice: Notice, stdin: int) -> Command:
        # A mark of its own: GOOPHRY_RUN is that of the failed run, which may have left something behind on purpose.
        mark = b"GOOPHRY_NOTICE=" + uuid.uuid4().hex.encode()
        told = {
            "GOOPHRY_INSTANCE": self._instance_id,
            "GOOPHRY_TYPE": notice.type,
            "GOOPHRY_ID": notice.entry_id or "",
            "GOOPHRY_RUN": notice.run_id,
            "GOOPHRY_ATTEMPT": str(notice.attempt or ""),
            "GOOPHRY_OUTCOME": notice.outcome,
        }
        variables = self._environment | {name: value for name, value in told.items() if value}
        env = Env([mark], [encoded(f"{name}={value}") for name, value in variables.items()])
        return Command([os.fsencode(path), _argument(notice.message)], env, mark, stdin=stdin)


def _argument(message: str) -> bytes:
    """Return the message as an argument: without NUL, which none can hold, and cut between characters."""
    raw = _bytes(message.replace("\0", "\ufffd"))
    if len(raw) <= MAX_ARGUMENT:
        return raw
    # Half a character at the cut is left out; bytes that never were one stay as they are.
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    return decoder.decode(raw[:MAX_ARGUMENT]).encode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _memory_file(message: str) -> int:
    """Return a file that holds the message and stands at its beginning: no pipe that somebody has to feed."""
    fd = os.memfd_create("goophry-message", os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        file.write(_bytes(message))
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
