"""Small C programs: they start in a fraction of the time that an interpreter takes."""

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path


@functools.cache
def compiled(source: str) -> str | None:
    """Return the path of the program, made once in this process; None where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    folder = Path(tempfile.mkdtemp(prefix="goophry-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    text, program = folder / "program.c", folder / "program"
    text.write_text(source)
    # A static program starts in half the time; not every machine has the archives for it.
    for options in (["-static"], []):
        command = [compiler, "-O1", *options, "-o", str(program), str(text)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return str(program)
    return None
