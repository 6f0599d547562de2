"""poulpe's cron file: one job a line, seven fields of time, then name, method and params."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from goophry.cron import Cron, parse_poulpe
from goophry.doors.poulpe_job import Job, words
from goophry.errors import InvalidCron

_FIELDS: Final = 7
_LEAST: Final = 9


@dataclass(frozen=True, slots=True)
class CronLine:
    """A line that says what is to be done, and when."""

    number: int
    """Among all lines but comments, from 1 on."""
    cron: Cron
    name: str
    method: str
    params: str

    def job(self, moment_s: int) -> Job:
        """Return the job of one moment."""
        return Job(
            key=f"ST:{self.number}-{moment_s}",
            method=self.method,
            delay=0,
            name=self.name,
            params=self.params,
            cc=(),
            wait=0,
            source="cron",
            posted=moment_s,
        )


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is passed over."""

    line: int
    """In the file, from 1 on."""
    reason: str


def read_cron_file(content: bytes, zone: tzinfo) -> Iterator[CronLine | BadLine]:
    """Yield what stands in the file; a blank line, and a comment, are nothing."""
    number = 0
    for line, raw in enumerate(content.split(b"\n"), 1):
        if raw.startswith(b"#"):
            continue
        number += 1
        try:
            found = words(raw.decode())
        except UnicodeDecodeError:
            yield BadLine(line, "it is not UTF-8")
            continue
        if found:
            yield _read(line, number, found, zone)


def _read(line: int, number: int, found: list[str], zone: tzinfo) -> CronLine | BadLine:
    if len(found) < _LEAST:
        return BadLine(line, f"expected 7 fields of time, a name and a method, found {len(found)} words")
    try:
        cron = parse_poulpe(" ".join(found[:_FIELDS]), zone)
    except InvalidCron as error:
        return BadLine(line, str(error))
    name, method, *params = found[_FIELDS:]
    return CronLine(number, cron, name, method, " ".join(params))
