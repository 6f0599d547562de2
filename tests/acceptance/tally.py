"""A script that keeps count: which argument ran, and how often."""

import os
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

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
    program = folder / "tally"
    compiler = shutil.which("cc")
    source = folder / "tally.c"
    source.write_text(_SOURCE)
    # A static program starts in half the time; not every machine has the archives for it.
    for options in (["-static"], []) if compiler else ():
        command = [str(compiler), "-O1", *options, "-o", str(program), str(source)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return str(program)
    program.write_text('#!/bin/sh\necho "$2" >> "$1"\n')
    program.chmod(0o755)
    return str(program)
