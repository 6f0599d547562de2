"""The pages of the documentation, run as by a reader who copies every block into a terminal, from top to bottom.

What a block is for is told by its language:

- `sh`: commands. None of them may fail.
- `console`: a line that begins with `$ ` is a command, `> ` goes on with it, and what follows is what it prints.
  `# status 1` behind a command says with what it ends, if it is not 0.
- `python`, `php`, `js`, `go`: a program, if its first line but for `<?php` is a remark with the name of a file; it is
  written there.

What is shown and what is printed are the same if they have the same words. `…` stands for anything within a line, a line
with nothing else for any lines, and a date, a time, a duration or an id for any other one. Ports stand for free ones.
"""

import os
import re
import selectors
import shutil
import signal
import subprocess
import textwrap
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acceptance.tally import FULL

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE: Final = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_PROGRAM: Final = re.compile(r"\A(?:<\?php\n)?(?:#|//) (\S+\.(?:py|php|mjs|go))$", re.MULTILINE)
_PROGRAMS: Final = {"python", "php", "js", "go"}
_STATUS: Final = re.compile(r"# status (\d+)$")

#: Seconds that a command which only looks is repeated until it shows what it should.
_PATIENCE_S: Final = 20.0

#: Seconds that a command may be silent; in the long form there is a compiler, which takes its time.
_SILENCE_S: Final = 400.0 if FULL else 60.0
_LOOKS: Final = re.compile(
    r"(cat|tail|ls|grep|curl|redis-cli [A-Z]*(LEN|RANGE|GET|CARD)|goophry (status|failed ls|delayed ls|result|schedules))\b"
)

#: Most characters that are told of what was printed.
_TOLD: Final = 4000

_MARK: Final = "\x1f"
_FAILED: Final = "\x1e"

#: What differs from run to run, by its shape; the first that fits counts.
_VARIES: Final = (
    r"(?:[A-Z][a-z]{2} )?\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z| ?[+-]\d\d:?\d\d)?",
    r"\d\d:\d\d:\d\d(?:\.\d+)?",
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    r"\d+(?:\.\d+)? (?:µs|ms|s|min|h|d)\b",
    r"\b[0-9a-f]{12,32}\b",
)
_PIECES: Final = re.compile("|".join(f"({shape})" for shape in (*_VARIES, "…", r"[^\S\n]+")))


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do; `shown` is what the page says it prints, None if it says nothing."""

    command: str
    shown: str | None = None
    status: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page, known by the page and the first command of it."""

    page: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        command = re.sub(r"\s+# .*", "", self.text.splitlines()[0])
        return f"{self.page}: {command}"

    @property
    def program(self) -> str | None:
        """Name of the file that it is, if it is one."""
        found = _PROGRAM.match(self.text)
        return found[1] if found and self.language in _PROGRAMS else None

    @property
    def steps(self) -> list[Step]:
        return [Step(self.text)] if self.language == "sh" else list(_dialogue(self.text))


def blocks_of(page: Path) -> list[Block]:
    """Return what is to be done on the page, in its order."""
    return [block for block in all_blocks_of(page) if block.language in {"sh", "console"} or block.program]


def all_blocks_of(page: Path) -> list[Block]:
    """Return all blocks of the page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        block = Block(str(page.relative_to(ROOT)), line, match[2], textwrap.dedent(match[3]))
        found.append(block)
    return found


def _dialogue(text: str) -> Iterator[Step]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *lines = part.splitlines()
        while lines and lines[0].startswith("> "):
            command += f"\n{lines.pop(0)[2:]}"
        status = _STATUS.search(command)
        yield Step(command, "\n".join(lines), int(status[1]) if status else 0)


def same(shown: str, printed: str) -> bool:
    """Whether the page shows what was printed, by the rules above."""
    pattern = ""
    for line in shown.strip().splitlines():
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += "".join(_pattern(piece) for piece in _pieces(line.strip())) + r"[^\S\n]*\n"
    return re.fullmatch(pattern, "".join(f"{line.strip()}\n" for line in printed.strip().splitlines())) is not None


def _pieces(line: str) -> Iterator[str]:
    at = 0
    for match in _PIECES.finditer(line):
        yield line[at : match.start()]
        yield match[0]
        at = match.end()
    yield line[at:]


def _pattern(piece: str) -> str:
    if piece == "…":
        return ".*?"
    if piece.strip() == "":
        return r"[^\S\n]+" if piece else ""
    return next((shape for shape in _VARIES if re.fullmatch(shape, piece)), re.escape(piece))


class Terminal:
    """A shell in a folder, in which the blocks of a page are run one after another; variables and jobs stay."""

    def __init__(self, folder: Path, *, env: Mapping[str, str], stands_for: Mapping[str, str]) -> None:
        """`stands_for` has what is written on the pages, and what is meant here: ports, keys, folders."""
        self.folder = folder
        self._stands_for: dict[str, str] = {}
        for written, meant in stands_for.items():
            self.stand_for(written, meant)
        self._shell = subprocess.Popen(
            [shutil.which("bash") or "bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(env),
            start_new_session=True,
        )
        # What fails is told even where more commands follow; where a page asks for its status, it may.
        self._run(f'set -E -o pipefail; trap \'printf "{_FAILED}%s\\n" "$BASH_COMMAND"\' ERR')

    def stand_for(self, written: str, meant: str) -> None:
        # The longest first: a port may stand within an address.
        longest_first = sorted({**self._stands_for, written: meant}.items(), key=lambda pair: -len(pair[0]))
        self._stands_for = dict(longest_first)

    def do(self, block: Block) -> None:
        """Run the block. Fails, with what was printed, if anything is not as the page says."""
        if block.program:
            (self.folder / block.program).write_text(self._meant(block.text), encoding="utf-8")
            return
        for step in block.steps:
            self._do(step, where=f"{block.page}:{block.line}")

    def _do(self, step: Step, *, where: str) -> None:
        end = time.monotonic() + _PATIENCE_S
        while True:
            printed, status = self._run(self._meant(step.command))
            problem = _problem(step, self._written(printed), status)
            if not problem:
                return
            if step.shown is None or not _LOOKS.match(step.command) or time.monotonic() > end:
                raise AssertionError(f"{where}: {problem}\n$ {step.command}\n{printed[-_TOLD:]}")
            time.sleep(0.05)

    def _run(self, command: str) -> tuple[str, int]:
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{{ {command}\n}} </dev/null; printf '{_MARK}%s{_MARK}\\n' \"$?\"\n".encode())
        self._shell.stdin.flush()
        printed = ""
        with selectors.DefaultSelector() as waiting:
            assert self._shell.stdout is not None
            waiting.register(self._shell.stdout, selectors.EVENT_READ)
            while not printed.endswith(f"{_MARK}\n"):
                assert waiting.select(_SILENCE_S), f"nothing more comes after\n$ {command}\n{printed}"
                piece = os.read(self._shell.stdout.fileno(), 65536).decode(errors="replace")
                assert piece, f"the shell has ended\n$ {command}\n{printed}"
                printed += piece
        text, status, _ = printed.rsplit(_MARK, 2)
        return text, int(status)

    def _meant(self, text: str) -> str:
        for written, meant in self._stands_for.items():
            text = re.sub(rf"(?<!\w){re.escape(written)}(?!\w)", lambda _, meant=meant: meant, text)  # type: ignore[misc]
        return text

    def _written(self, text: str) -> str:
        for written, meant in self._stands_for.items():
            text = text.replace(meant, written)
        return text

    def close(self) -> None:
        """End the shell with all that it has started."""
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        try:
            self._shell.wait(5)
        except subprocess.TimeoutExpired:
            self._shell.kill()
            self._shell.wait(5)
        assert self._shell.stdout is not None
        self._shell.stdout.close()
        try:
            os.killpg(self._shell.pid, signal.SIGTERM)
        except ProcessLookupError:
            return


def _problem(step: Step, printed: str, status: int) -> str:
    failed = re.findall(f"{_FAILED}(.*)", printed)
    printed = re.sub(f"{_FAILED}.*\n", "", printed)
    if step.shown is not None:
        if status != step.status:
            return f"ended with status {status}"
        return "" if same(step.shown, printed) else f"the page shows\n{step.shown}\nand this was printed"
    return f"failed: {failed[0]}" if failed else ""
