"""What can be wrong with the doors: the folders and files that they name."""

import os
from collections.abc import Iterator
from pathlib import Path

from goophry.cli.finding import Finding
from goophry.config import Settings
from goophry.extras import missing_extras


def findings_of_doors(settings: Settings) -> Iterator[Finding]:
    """Look at what the doors name, and at the extras that they and Intake need."""
    yield from (Finding("problem", text) for text in missing_extras(settings))
    if settings.doors is None:
        return
    kingtask, poulpe = settings.doors.kingtask, settings.doors.poulpe
    if kingtask is not None:
        yield Finding.of(f"Doors.Kingtask.BinPath {kingtask.bin_path}", _folder_problem(kingtask.bin_path))
    if poulpe is not None:
        what = f"Doors.Poulpe.DeadDir {poulpe.dead_dir}"
        yield Finding.of(what, _folder_problem(poulpe.dead_dir, to_write=True, may_be_made=True))
        if poulpe.cron_file is not None:
            what = f"Doors.Poulpe.CronFile {poulpe.cron_file}"
            if poulpe.cron_file.exists():
                yield Finding.of(what, "" if os.access(poulpe.cron_file, os.R_OK) else "cannot be read")
            else:
                yield Finding("warning", f"{what}: is not there yet, nothing begins by the clock")


def _folder_problem(folder: Path, *, to_write: bool = False, may_be_made: bool = False) -> str:
    if may_be_made and not folder.exists():
        folder = next(parent for parent in folder.parents if parent.exists())
    if not folder.is_dir():
        return "no such folder" if not folder.exists() else "not a folder"
    wanted = os.X_OK | (os.W_OK if to_write else os.R_OK)
    return "" if os.access(folder, wanted) else f"not {'writable' if to_write else 'readable'}"
