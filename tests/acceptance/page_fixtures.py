"""A pytest plugin: the desk at which a page is read."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import command_front
import pytest
from acceptance.page_desk import Desk
from conftest import RedisServer, eventually, free_port, redis_binary
from pages import ROOT, Terminal, blocks_of

RESIZE = """#!/bin/sh
case "$1" in none.png) echo "no picture $1" >&2; exit 3;; esac
"""
#: Pages that start what they need.
FROM_NOTHING = {"docs/tutorial.md", "docs/embedded.md"}

#: Pages that find a goophry that runs; others find its configuration, and a Redis if they speak with one.
RUNNING = {"README.md"} | {
    f"docs/{name}.md"
    for name in ("api", "cli", "client", "metrics", "howto/backup", "howto/monitoring", "howto/producers")
}
_SPEAKS = re.compile("goophry|redis|curl|push")


def redis_cli() -> str:
    return shutil.which("redis-cli") or str(Path(redis_binary()).with_name("redis-cli"))


@pytest.fixture(scope="module")
def command_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("commands") / "socket"
    with subprocess.Popen([sys.executable, command_front.__file__, str(path)]) as process:
        eventually(path.exists)
        yield path
        process.kill()


@pytest.fixture
def desk(tmp_path: Path, command_socket: Path, request: pytest.FixtureRequest) -> Iterator[Desk]:
    page = str(request.param.relative_to(ROOT))
    ports = {port: str(free_port()) for port in ("6379", "6390", "9137", "8300")}
    # The path of a Unix socket must be short.
    folder = Path(tempfile.mkdtemp(prefix="pages-"))
    for name, text in {
        "bin/redis-cli": f'#!/bin/sh\nexec "{redis_cli()}" -p {ports["6379"]} "$@"\n',
        "resize.sh": RESIZE,
        "in.png": "",
        ".curlrc": "silent\nshow-error\n",  # as in a terminal, where there is no progress to be seen
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    command_front.front(folder / "bin" / "goophry", socket_path=command_socket)
    path = f"{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "HOME": str(folder), "FAKETTY": "1", "TOKEN": "any", "GOFLAGS": "-modcacherw"}
    env["GOCACHE"] = str(Path.home() / ".cache" / "go-build")  # HOME is another one here
    terminal = Terminal(folder, env=env, stands_for=ports)
    desk = Desk(folder, terminal, ports)
    if page not in FROM_NOTHING and any(_SPEAKS.search(block.text) for block in blocks_of(request.param)):
        desk.server = RedisServer(tmp_path / "redis", "--repl-diskless-sync-delay", "0")
        desk.server.port = int(ports["6379"])
        desk.server.start()
        desk.write("goophry.config.json", json.dumps(desk.config))
        if page in RUNNING:
            desk.start()
    yield desk
    terminal.close()
    if desk.goophry is not None:
        if desk.goophry.process.poll() is None:
            desk.goophry.stop()  # and with it a Redis of its own, which would outlive a kill
        desk.goophry.clean_up()
    if desk.server is not None:
        desk.server.end()
    shutil.rmtree(folder)
