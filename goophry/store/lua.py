"""The Lua scripts of this room, by name. Each one's head tells of its keys, arguments and answers."""

from importlib.resources import files
from typing import Final

_SCRIPTS: Final = {
    path.name.removesuffix(".lua"): path.read_text(encoding="utf-8")
    for path in files("goophry.store").joinpath("scripts").iterdir()
    if path.name.endswith(".lua")
}


def script(name: str) -> str:
    """Return the text of a script."""
    return _SCRIPTS[name]
