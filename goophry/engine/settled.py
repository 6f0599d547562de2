"""What is settled and perhaps still in the running list.

A removal may rely on something that was written before it, as that of a failed task on the failed
list. The server that removes the entry must have that too. One that was promoted since may lack it,
although its predecessor had said that it was done: then it is written again, before the removal.
"""

from collections.abc import Iterable

from goophry.engine.task import Task
from goophry.store.client import Link
from goophry.store.queues import Queue


class Settled:
    """Tasks of one exchange, each with the first step that was to remove it; used under its lock."""

    def __init__(self) -> None:
        self._tasks: list[tuple[Task, int]] = []

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def add(self, tasks: Iterable[Task], step: int) -> None:
        """Note tasks that this step, or a later one, is to remove."""
        self._tasks += ((task, step) for task in tasks)

    def known(self) -> list[tuple[bytes, int]]:
        """Return them as a reconciliation takes them."""
        return [(task.raw, step) for task, step in self._tasks]

    def write_again(self, queue: Queue, link: Link) -> None:
        """Have the server behind the link know all that the removals rely on. Raises `StoreError`."""
        lacking = [(task, step) for task, step in self._tasks if task.lacks(link.server)]
        last = queue.last_step(link) if lacking else 0
        for task, step in lacking:
            # What it has removed it was told after what that relied on.
            if step > last:
                task.write_again(link)

    def clear(self) -> None:
        """Forget them: all are removed."""
        self._tasks.clear()
