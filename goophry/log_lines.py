"""How a log line looks: for people, or as one JSON object.

Whatever came from outside (arguments, messages, names) is escaped and cut, so one event is one
line and no line can command a terminal.
"""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

#: Longest argument or message in a line, and longest list of arguments, in characters.
MAX_TEXT: Final = 200
MAX_ARGS: Final = 1000

#: Longest name that still widens the column of names.
MAX_COLUMN: Final = 24


class LogLine(NamedTuple):
    """One thing that happened; `text` is for people, `message` (constant) and `fields` are for programs."""

    level: int
    action: str
    who: str
    """The task type, or the part of goophry that speaks."""
    message: str
    text: str
    """May hold anything but control characters."""
    fields: Mapping[str, Any]
    traceback: str = ""


class Layout(Protocol):
    """Makes bytes of a line, line end included."""

    def render(self, line: LogLine, now: float) -> bytes:
        """Return `line` as it is written at the Unix time `now`."""
        ...


class TextLayout:
    """`2026-11-21 04:01:02.123 resize  done in 0.42 s  args="in.png" "200"`, local time."""

    def __init__(self, *, names: Sequence[str]) -> None:
        self._width = max((len(name) for name in (*names, "goophry") if len(name) <= MAX_COLUMN), default=0)
        self._second = (0, "")

    def render(self, line: LogLine, now: float) -> bytes:
        """Return the line; a traceback follows on lines of its own, indented."""
        second = int(now)
        stamp = self._second
        if stamp[0] != second:  # two threads may both do this, with the same result
            stamp = self._second = (second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second)))
        mark = "" if line.level < logging.WARNING else f"{logging.getLevelName(line.level)} "
        who = escaped(line.who)
        rest = "".join(f"    {row}\n" for row in line.traceback.splitlines()) if line.traceback else ""
        text = f"{stamp[1]}.{int((now - second) * 1000):03d} {who:<{self._width}}  {mark}{line.text}\n{rest}"
        return text.encode(errors="backslashreplace")


class JsonLayout:
    """One object a line: time (ISO 8601 with zone), level, action, message, then the fields."""

    def __init__(self) -> None:
        # One encoder for all lines: json.dumps makes a new one for each call with options.
        self._encode = json.JSONEncoder(separators=(",", ":"), default=str).encode
        self._second = (0, "", "")

    def render(self, line: LogLine, now: float) -> bytes:
        """Return the object; ASCII only, so no control character is left in it."""
        second = int(now)
        stamp = self._second
        if stamp[0] != second:
            local = time.localtime(second)
            zone = time.strftime("%z", local)
            start = time.strftime("%Y-%m-%dT%H:%M:%S", local)
            stamp = self._second = (second, start, f"{zone[:3]}:{zone[3:]}")
        fields = {
            "time": f"{stamp[1]}.{int((now - second) * 1000):03d}{stamp[2]}",
            "level": logging.getLevelName(line.level).lower(),
            "action": line.action,
            "message": line.message,
            **line.fields,
        }
        if line.traceback:
            fields["traceback"] = line.traceback
        return (self._encode(fields) + "\n").encode()


def escaped(text: str, *, limit: int = MAX_TEXT) -> str:
    """Return `text` on one line: cut to `limit` characters, control characters as in Python."""
    if len(text) > limit:
        return f"{escaped(text[:limit])}…"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def first_line(text: str) -> str:
    """Return the first line of `text`, escaped and cut; leading line ends do not count."""
    return escaped(text.lstrip("\r\n").partition("\n")[0].rstrip("\r"))


def quoted(args: Sequence[str]) -> str:
    """Return the arguments in double quotes, each cut, and no more of them than fit in a line."""
    plain = '" "'.join(args)
    # The ordinary case in one go: this runs once for each task.
    if (
        len(plain) <= MAX_TEXT
        and plain.isprintable()
        and "\\" not in plain
        and plain.count('"') == 2 * max(len(args) - 1, 0)
    ):
        return f'"{plain}"' if args else ""
    shown: list[str] = []
    size = 0
    for arg in args:
        part = arg[:MAX_TEXT].replace("\\", "\\\\").replace('"', '\\"')
        shown.append(f'"{escaped(part, limit=2 * MAX_TEXT)}{"…" if len(arg) > MAX_TEXT else ""}"')
        size += len(shown[-1])
        if size > MAX_ARGS and len(shown) < len(args):
            return f"{' '.join(shown)} … and {len(args) - len(shown)} more"
    return " ".join(shown)


def shortened(args: Sequence[str]) -> list[str]:
    """Return the arguments for a JSON line: as many as fit, each cut."""
    if sum(map(len, args)) <= MAX_TEXT:
        return list(args)
    shown: list[str] = []
    for arg in args:
        shown.append(arg if len(arg) <= MAX_TEXT else arg[:MAX_TEXT] + "…")
        if sum(map(len, shown)) > MAX_ARGS and len(shown) < len(args):
            return [*shown, f"… and {len(args) - len(shown)} more"]
    return shown


def _escape(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte that is not UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()
