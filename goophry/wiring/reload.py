"""Reading the configuration again, and having what runs follow it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from goophry.config import Settings, load
from goophry.config_reload import taken_over
from goophry.engine.types import Types
from goophry.errors import ConfigError, StartError
from goophry.events import ConfigRead, Observer

_log = logging.getLogger(__name__)


class InForce:
    """The configuration that goophry goes by now."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(self) -> Settings:
        """Return it."""
        return self.settings


class Reloader:
    """Takes over what has changed in the configuration's file; all or nothing, and it says why."""

    def __init__(
        self,
        in_force: InForce,
        *,
        path: Path,
        environ: Mapping[str, str],
        check: Callable[[Settings], Sequence[str]],
        types: Types,
        others: Sequence[Callable[[Settings], None]] = (),
        observer: Observer,
    ) -> None:
        """`check` says what speaks against a configuration; `others` take over what is theirs, after the types."""
        self._in_force = in_force
        self._path = path
        self._environ = environ
        self._check = check
        self._types = types
        self._others = others
        self._observer = observer

    def __call__(self) -> None:
        """Read the file and go by it from now on; while something is wrong with it, everything stays as it is."""
        try:
            problems = self._reload()
        except Exception:
            # A fault of goophry's own in a moment that nobody waits for must not end what runs.
            _log.exception("The configuration could not be read again", extra={"action": "config.failed"})
            self._observer.notify(ConfigRead(1))
        else:
            self._observer.notify(ConfigRead(len(problems)))

    def _reload(self) -> Sequence[str]:
        """Return what is wrong, all of which has been told."""
        before = self._in_force()
        try:
            settings, waiting = taken_over(before, load(self._path, environ=self._environ))
            problems = self._check(settings)
        except ConfigError as error:
            problems = error.problems
        if problems:
            _tell(problems)
            _log.error(
                "The configuration that was read again is refused, the old one stays",
                extra={"action": "config.refused", "problems": len(problems)},
            )
            return problems
        self._in_force.settings = settings
        problems = self._serve(settings, before=before)
        for take_over in self._others:
            take_over(settings)
        _tell(problems)
        for key in waiting:
            _log.warning(
                "A key has changed that needs a restart, its old value stays",
                extra={"action": "config.needs_restart", "key": key},
            )
        _log.info("The configuration was read again", extra={"action": "config.read", "types": len(settings.tasks)})
        return problems

    def _serve(self, settings: Settings, *, before: Settings) -> Sequence[str]:
        wanted = {task.type for task in settings.tasks}
        for name in (task.type for task in before.tasks if task.type not in wanted):
            self._types.remove(name)
        problems = []
        for task in settings.tasks:
            try:
                self._types.add(task)
            except StartError as error:
                problems.append(str(error))
        return problems


def _tell(problems: Sequence[str]) -> None:
    for problem in problems:
        _log.error("The configuration has a problem", extra={"action": "config.problem", "problem": problem})
