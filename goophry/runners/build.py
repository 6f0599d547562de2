"""From a task type to what runs its entries."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from goophry.config import TaskType
from goophry.config_kinds import NAMED
from goophry.runners.base import Job, Runner, RunnerFactory
from goophry.runners.command import AllowedCommand
from goophry.runners.endings import Rules
from goophry.runners.environment import Environment
from goophry.runners.execution import Execution, Launcher
from goophry.runners.guardian import Guardian
from goophry.runners.live import LivePids
from goophry.runners.named import NamedRunner
from goophry.runners.paced import Paced
from goophry.runners.persistent import PersistentRunner
from goophry.runners.plain import PlainLauncher, needs_plain
from goophry.runners.preload import PreloadLauncher, WarmInterpreter
from goophry.runners.retry_after import VARIABLE as RETRY_AFTER
from goophry.runners.retry_after import RetryAfter
from goophry.runners.script import ScriptRunner, script_words
from goophry.runners.spawn import FURTHER_FD, Spawner
from goophry.runners.surroundings import Surroundings


def runner_factory(
    task_type: TaskType,
    *,
    instance_id: str,
    environ: Mapping[str, str] | None = None,
    live: LivePids | None = None,
    guardian: Guardian | None = None,
) -> RunnerFactory:
    """Return what makes the runners of `task_type`.

    `environ` is what scripts inherit from, goophry's own environment unless given; in `live` stand
    the pids of the runs in progress; `guardian` ends them when goophry is killed, if the type wants that.
    """
    around = Surroundings(
        instance_id=instance_id,
        environ=os.environ if environ is None else environ,
        live=live or LivePids(),
        guardian=guardian if task_type.kill_orphans else None,
    )
    make = _KINDS[task_type.kind](task_type, around)
    return partial(_paced, make, task_type.pause) if task_type.pause else make


def _paced(make: RunnerFactory, pause_s: float) -> Runner:
    return Paced(make(), pause_s=pause_s)


def _script_factory(task_type: TaskType, around: Surroundings) -> RunnerFactory:
    variables = around.variables(task_type)
    make_launcher: Callable[[int | None], Launcher] = partial(_launcher, task_type)
    if task_type.preload:
        warm = WarmInterpreter(
            task_type, make_launcher=partial(_launcher, task_type, None), environment=variables, live=around.live
        )
        make_launcher = partial(_preload_launcher, warm, task_type)
    words = script_words(task_type.script)
    return _each_factory(task_type, around, variables=variables, make_launcher=make_launcher, words=words)


def _command_factory(task_type: TaskType, around: Surroundings) -> RunnerFactory:
    variables = around.variables(task_type)
    allowed = AllowedCommand(task_type.allow, path=variables.get("PATH", os.defpath), folder=task_type.work_dir)
    return _each_factory(
        task_type,
        around,
        variables=variables,
        make_launcher=partial(_launcher, task_type),
        words=allowed.words,
    )


def _each_factory(
    task_type: TaskType,
    around: Surroundings,
    *,
    variables: Mapping[str, str],
    make_launcher: Callable[[int | None], Launcher],
    words: Callable[[Job], Sequence[str]],
) -> RunnerFactory:
    """Return what makes runners that start a process for each entry."""
    environment = Environment(variables)
    rules = Rules(task_type.fail_on_output, task_type.fail_on_stderr, frozenset(task_type.exit_codes.success))

    def make() -> Runner:
        retry_after = RetryAfter() if task_type.hears_when_to_retry else None
        own = environment
        if retry_after is not None:
            own = Environment({**variables, RETRY_AFTER: str(FURTHER_FD)})
        launcher, limit = make_launcher(None if retry_after is None else retry_after.fd), task_type.output_limit
        return ScriptRunner(
            Execution(launcher, output_limit=limit, live=around.live, guardian=around.guardian),
            words=words,
            environment=own,
            timeout_s=task_type.timeout,
            grace_s=task_type.kill_grace,
            rules=rules,
            retry_codes=frozenset(task_type.exit_codes.retry),
            retry_after=retry_after,
            work_dir=task_type.work_dir,
        )

    return make


def _persistent_factory(task_type: TaskType, around: Surroundings) -> RunnerFactory:
    variables = around.variables(task_type)

    def make() -> Runner:
        return PersistentRunner(
            _launcher(task_type, None),
            task_type=task_type.type,
            script=task_type.script,
            environment=variables,
            timeout_s=task_type.timeout,
            grace_s=task_type.kill_grace,
            max_tasks=task_type.max_tasks,
            output_limit=task_type.output_limit,
            live=around.live,
            guardian=around.guardian,
            work_dir=task_type.work_dir,
        )

    return make


def _http_factory(task_type: TaskType, around: Surroundings) -> RunnerFactory:
    from goophry.runners.network_kinds import http_factory  # noqa: PLC0415 - its libraries take 0.2 s and 5 MB

    return http_factory(task_type, around)


def _mail_factory(task_type: TaskType, around: Surroundings) -> RunnerFactory:
    from goophry.runners.network_kinds import mail_factory  # noqa: PLC0415 - same

    return mail_factory(task_type, around)


def _named_factory(task_type: TaskType, around: Surroundings) -> RunnerFactory:
    # Nobody asks for the bodies of answers there, and so they are not read.
    requests = task_type.model_copy(update={"output_limit": 0})
    types = {"command": task_type, "http": requests}
    if task_type.smtp is not None:
        types["mail"] = task_type
    return partial(NamedRunner, {kind: _KINDS[kind](each, around) for kind, each in types.items()})


def _launcher(task_type: TaskType, further_fd: int | None) -> Launcher:
    if needs_plain(task_type):
        return PlainLauncher(task_type, further_fd=further_fd)
    return Spawner(work_dir=task_type.work_dir, further_fd=further_fd)


def _preload_launcher(warm: WarmInterpreter, task_type: TaskType, further_fd: int | None) -> Launcher:
    return PreloadLauncher(warm, task_type, further_fd=further_fd)


_KINDS: Final[Mapping[str, Callable[[TaskType, Surroundings], RunnerFactory]]] = {
    "script": _script_factory,
    "persistent": _persistent_factory,
    "command": _command_factory,
    "http": _http_factory,
    "mail": _mail_factory,
    NAMED: _named_factory,
}
