"""`scripts/record-formats`: what this release writes in Redis, kept for all releases that come after it."""

# ruff: noqa: T201 - a command prints

import shutil
import sys
import tempfile
from pathlib import Path

from conftest import RedisServer
from formats.dump import RELEASES, write
from formats.scene import play, scene

import goophry

EXAMPLE = Path(__file__).parents[2] / "goophry.config.json.example"


def main() -> int:
    """Record, and say where."""
    path = RELEASES / goophry.__version__ / "redis.json"
    with tempfile.TemporaryDirectory(prefix="goophry-formats-") as folder:
        server = RedisServer(Path(folder) / "redis").start()
        try:
            with server.client() as client, scene(Path(folder), client, server.address) as site:
                write(path, play(site))
        finally:
            server.end()
    shutil.copy(EXAMPLE, path.with_name("goophry.config.json"))
    print(path.parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
