"""A script that keeps count: which argument ran, and how often."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from small_programs import compiled

#: Long forms of tests whose short forms are in the suite.
FULL = os.environ.get("GOOPHRY_TEST_FULL") == "1"

_SOURCE = r"""
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
  char line[256];
  int size = snprintf(line, sizeof line, "%s\n", argv[2]);
  int fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0600);
  return argc != 3 || write(fd, line, size) != size;
}
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """A script that appends its argument to a file in one write; the file tells what ran, and how often."""

    script: list[str]
    path: Path

    def lines(self) -> list[str]:
        return self.path.read_text().split() if self.path.exists() else []

    def counts(self) -> Counter[str]:
        return Counter(self.lines())

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0


def make_tally_program(folder: Path) -> str:
    """Return a program, or without a C compiler a slower sh script, that appends its second argument to the first."""
    quick = compiled(_SOURCE)
    if quick is not None:
        return quick
    program = folder / "tally"
    program.write_text('#!/bin/sh\necho "$2" >> "$1"\n')
    program.chmod(0o755)
    return str(program)
