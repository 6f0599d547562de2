"""From a task type to what runs its entries."""

import os
from collections.abc import Callable, Mapping
from typing import Final

from goophry.config import TaskType
from goophry.runners.base import Runner, RunnerFactory
from goophry.runners.environment import Environment, inherited
from goophry.runners.execution import Execution, Launcher
from goophry.runners.live import LivePids
from goophry.runners.plain import PlainLauncher, needs_plain
from goophry.runners.script import ScriptRunner
from goophry.runners.spawn import Spawner


def runner_factory(
    task_type: TaskType,
    *,
    instance_id: str,
    environ: Mapping[str, str] | None = None,
    live: LivePids | None = None,
) -> RunnerFactory:
    """Return what makes the runners of `task_type`.

    `environ` is what scripts inherit from, goophry's own environment unless given; in `live` stand
    the pids of the runs in progress.
    """
    environ = os.environ if environ is None else environ
    return _KINDS[task_type.kind](task_type, instance_id, environ, live or LivePids())


def _script_factory(task_type: TaskType, instance_id: str, environ: Mapping[str, str], live: LivePids) -> RunnerFactory:
    environment = Environment(
        inherited(environ, which=task_type.env_inherit)
        | task_type.env
        | {"GOOPHRY_TYPE": task_type.type, "GOOPHRY_INSTANCE": instance_id}
    )

    def make() -> Runner:
        return ScriptRunner(
            Execution(_launcher(task_type), output_limit=task_type.output_limit, live=live),
            script=task_type.script,
            environment=environment,
            timeout_s=task_type.timeout,
            grace_s=task_type.kill_grace,
            fail_on_output=task_type.fail_on_output,
            work_dir=task_type.work_dir,
        )

    return make


def _launcher(task_type: TaskType) -> Launcher:
    if needs_plain(task_type):
        return PlainLauncher(task_type)
    return Spawner(work_dir=task_type.work_dir)


_KINDS: Final[Mapping[str, Callable[[TaskType, str, Mapping[str, str], LivePids], RunnerFactory]]] = {
    "script": _script_factory,
}
