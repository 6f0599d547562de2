"""`goophry pause` and `resume`: whether instances take tasks of a type."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from goophry import exit_codes
from goophry.cli.configuration import path_of, read
from goophry.cli.which_types import meant
from goophry.log_lines import escaped
from goophry.store.console import Console
from goophry.store.pauses import Pauses


def pauses(config: Path | None, types: Sequence[str], *, to: Literal["pause", "resume"]) -> int:
    """Pause or resume types, on all instances; what is so already stays so."""
    settings = read(path_of(config))
    with Console(settings) as console:
        store = Pauses(console.links, queue_key=settings.redis_queue_key)
        # A type that was paused and is configured nowhere any more can be resumed all the same.
        also = store.paused() if to == "resume" else ()
        for name in meant(console, settings, types, also=also):
            changed = store.pause(name) if to == "pause" else store.resume(name)
            told = "paused" if to == "pause" else "resumed" if changed else "not paused"
            print(f"{escaped(settings.redis_queue_key)}:{escaped(name)}: {told}")
    return exit_codes.OK
