"""What the threads of one type want of their next, shared, round trip."""

from collections.abc import Sequence

from goophry.engine.task import Task


class Wish:
    """What one thread wants of the next round trip."""

    __slots__ = ("carried", "done", "tasks", "want")

    def __init__(self, done: Task | None, want: int) -> None:
        self.done = done
        self.want = want
        self.carried = False
        self.tasks: Sequence[Task] = ()


def share_out(tasks: Sequence[Task], wishes: Sequence[Wish]) -> None:
    """Give each wish what it wants of the tasks, first come, first served."""
    start = 0
    for wish in wishes:
        wish.tasks = tasks[start : start + wish.want]
        start += wish.want
