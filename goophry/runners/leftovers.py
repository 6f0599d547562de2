"""What a dead instance left running on this machine, ended before its entries run again.

The guardian of a killed goophry does that at once. This is for the rest: the guardian was killed
with it, or the instance is not dead but frozen, and its scripts go on.
"""

import logging
from collections.abc import Collection

from goophry.runners.spawn import encoded
from goophry.runners.tree import environment_of, kill_all, processes, with_descendants

_log = logging.getLogger(__name__)


def end_leftovers(instance: str, types: Collection[str], *, killed: frozenset[str] | set[str]) -> int:
    """Kill all that runs here for `instance`, of those `types` that are in `killed`; return how many processes that were.

    They are known by `GOOPHRY_INSTANCE` and `GOOPHRY_TYPE` in their environment, or descend from
    those that are. Nothing is found on other machines, in other containers, and of other users.
    """
    owner = encoded(f"GOOPHRY_INSTANCE={instance}")
    wanted = {encoded(f"GOOPHRY_TYPE={name}") for name in killed.intersection(types)}
    if not wanted:
        return 0
    ended: set[tuple[int, int]] = set()

    def members() -> Collection[int]:
        table = processes()
        marked = set()
        for process in table:
            environment = environment_of(process.pid)
            if owner in environment and not wanted.isdisjoint(environment):
                marked.add(process.pid)
        found = with_descendants(marked, table)
        alive = [process for process in table if process.pid in found and not process.is_zombie]
        ended.update((process.pid, process.start) for process in alive)
        return [process.pid for process in alive]

    gone = kill_all(members)
    if ended:
        _log.warning(
            "%d processes of the dead instance %s still ran and were ended",
            len(ended),
            instance,
            extra={"action": "leftovers", "instance": instance, "count": len(ended), "gone": gone},
        )
    return len(ended)
