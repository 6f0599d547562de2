"""What a script finds in its environment: made once per type, completed for each run."""

from collections.abc import Mapping
from functools import lru_cache

from goophry.runners.base import Job
from goophry.runners.spawn import Env, encoded

#: goophry's own variables, settings and secrets among them, are nothing that a script inherits.
_OURS = "GOOPHRY_"


class Environment:
    """The environment of the runs of one task type.

    `fixed` holds for every run. Raises `OSError` (invalid argument) if it holds a NUL.
    """

    def __init__(self, fixed: Mapping[str, str]) -> None:
        self._fixed = fixed
        self._lines = [_shared_line(name, value) for name, value in fixed.items()]

    def of(self, job: Job) -> Env:
        """Return the environment of one run; its first line is the mark by which the run's processes are known.

        Raises `OSError` (invalid argument) for what cannot be a variable.
        """
        lines = [b"GOOPHRY_RUN=" + job.run_id.encode(), b"GOOPHRY_ATTEMPT=%d" % job.attempt]
        if job.recovered:
            lines.append(b"GOOPHRY_RECOVERED=1")
        if job.entry.id is not None:
            lines.append(_line("GOOPHRY_ID", job.entry.id))
        if not job.entry.env:
            return Env(lines, self._lines)
        return Env(lines, [_line(name, value) for name, value in {**self._fixed, **job.entry.env}.items()])


def inherited(environ: Mapping[str, str], *, which: str | tuple[str, ...]) -> dict[str, str]:
    """Return what a script takes over from goophry's environment: `all`, `none` or the names given."""
    if which == "none":
        return {}
    names = environ.keys() if which == "all" else [name for name in which if name in environ]
    return {name: environ[name] for name in names if not name.startswith(_OURS)}


def _line(name: str, value: str) -> bytes:
    return encoded(f"{name}={value}")


#: As `_line`. The types have most of theirs in common, which would take 3 KB for each.
_shared_line = lru_cache(maxsize=1024)(_line)
