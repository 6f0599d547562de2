"""What was to be put off when a connection broke: whether it was, Redis knows."""

from goophry.engine.task import Task
from goophry.store.client import Link
from goophry.store.queues import Queue


class Unanswered:
    """Tasks of one exchange whose putting off was asked for, and the answer lost; used under its lock."""

    def __init__(self) -> None:
        self._asked: list[tuple[Task, int]] = []

    def add(self, task: Task, step: int) -> None:
        """Note a task, and the step that was to put it off."""
        self._asked.append((task, step))

    def put_off(self, queue: Queue, link: Link) -> list[Task]:
        """Return those that were put off, and may be anywhere by now; of the others nothing was done. Raises `StoreError`.

        To be called before another step is taken.
        """
        if not self._asked:
            return []
        last = queue.last_step(link)
        done = [task for task, step in self._asked if step <= last]
        self._asked.clear()
        for task in done:
            task.put_off = True
        return done
