"""The forced end of a run: asked first, with a grace to comply, then killed."""

import time
from collections.abc import Callable
from typing import Final

from goophry.runners.base import Interrupt
from goophry.runners.tree import Tree

#: Between two looks at the tree during the grace, at first and at most. A look reads the process table.
_FIRST_LOOK_S: Final = 0.02
_LAST_LOOK_S: Final = 0.25


def end_by_force(tree: Tree, interrupt: Interrupt, *, grace_s: float, wait: Callable[[float], object]) -> None:
    """TERM, the grace, KILL; afterwards no process of the tree is left.

    `interrupt` may shorten the grace at any moment. `wait` is called with the most seconds that it
    may take, over and over during the grace: it takes in what the processes write, and comes back
    early when somebody interrupts.
    """
    asked = time.monotonic()

    def left_s() -> float:
        return asked + (grace_s if interrupt.grace_s is None else interrupt.grace_s) - time.monotonic()

    if left_s() > 0:
        tree.terminate()
        _await_empty(tree, left_s, wait)
    tree.destroy()


def _await_empty(tree: Tree, left_s: Callable[[], float], wait: Callable[[float], object]) -> None:
    """Wait until no process of the tree is left, at most for the grace."""
    look_s = _FIRST_LOOK_S
    while tree.members():
        next_look = time.monotonic() + look_s
        look_s = min(2 * look_s, _LAST_LOOK_S)
        while (until_look_s := next_look - time.monotonic()) > 0:
            if (left := left_s()) <= 0:
                return
            wait(min(left, until_look_s))
