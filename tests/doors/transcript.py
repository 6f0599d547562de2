"""Recorded exchanges, one file for each case, and what it takes to go through one.

A file begins with remarks (`#`). Then come blocks, each under a line `=== NAME`:

- `given`: JSON, what a door without goophry behind it finds at its desk; not for the real thing.
- `request`: request line, headers, an empty line, the body.
- `reply`: status line, headers, an empty line, the body, to the byte. `<id:NAME>` stands for an id, the
  same wherever the name is the same, also in requests; `<time>` for a moment. Over a socket a reply is asked for
  again until it comes, where the block is `reply in the end`.
- `submission`: JSON, what the request before it put in; asked of the door alone.

A block's last line break belongs to the file.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "transcripts"

_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{0,8}[1-9])?(?:Z|[+-]\d\d:\d\d)"
_MARK = re.compile(r"<id:(\w+)>|<time>")


@dataclass(frozen=True)
class Block:
    name: str
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def head(self) -> tuple[str, dict[str, str]]:
        """The first line, and the headers."""
        first, *lines = self.text.partition("\n\n")[0].split("\n")
        return first, dict(line.split(": ", 1) for line in lines if line)

    @property
    def body(self) -> str:
        return self.text.partition("\n\n")[2]


def cases(door: str) -> list[Path]:
    return sorted((FOLDER / door).glob("*.txt"))


def blocks(path: Path) -> Iterator[Block]:
    text = path.read_text(encoding="utf-8")
    parts = re.split(r"^=== (.+)\n", text, flags=re.MULTILINE)
    assert all(line.startswith("#") or not line for line in parts[0].splitlines()), path
    for name, content in zip(parts[1::2], parts[2::2], strict=True):
        yield Block(name, content.removesuffix("\n"))


class Names:
    """What the names in a transcript stand for."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def put_in(self, text: str) -> str:
        """Return a request with the ids that are known by now."""
        return _MARK.sub(lambda found: self.known[found[1]], text)

    def differ(self, expected: str, found: str) -> bool:
        """Whether `found` is not what was expected; ids in it become known."""
        pattern, end, new = "", 0, []
        for mark in _MARK.finditer(expected):
            pattern += re.escape(expected[end : mark.start()])
            name = mark[1]
            if name is None:
                pattern += _TIME
            elif name in self.known:
                pattern += re.escape(self.known[name])
            else:
                pattern += f"(?P={name})" if name in new else f"(?P<{name}>{_ID})"
                new.append(name)
            end = mark.end()
        match = re.fullmatch(pattern + re.escape(expected[end:]), found, re.DOTALL)
        if match is not None:
            self.known |= match.groupdict()
        return match is None
