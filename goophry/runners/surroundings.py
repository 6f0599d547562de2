"""What the runners of all types have around them."""

from collections.abc import Mapping
from dataclasses import dataclass

from goophry.config import TaskType
from goophry.runners.environment import inherited
from goophry.runners.guardian import Guardian
from goophry.runners.live import LivePids


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The instance that a runner belongs to."""

    instance_id: str
    environ: Mapping[str, str]
    """What scripts inherit from."""
    live: LivePids
    """The pids of the runs in progress."""
    guardian: Guardian | None
    """Ends them when goophry is killed; None if the type does not want that."""

    def variables(self, task_type: TaskType) -> dict[str, str]:
        """Return the environment that all runs of the type have in common."""
        return (
            inherited(self.environ, which=task_type.env_inherit)
            | task_type.env
            | {"GOOPHRY_TYPE": task_type.type, "GOOPHRY_INSTANCE": self.instance_id}
        )
