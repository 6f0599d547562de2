"""`goophry init`: a configuration and a sample script to start from."""

import json
import shlex
import socket
import sys
from pathlib import Path
from typing import Any, Final

from goophry import exit_codes
from goophry.cli.configuration import DEFAULT_NAME
from goophry.config_address import EMBEDDED
from goophry.errors import StartError
from goophry.store.embedded import find_program

_USUAL_REDIS: Final = ("127.0.0.1", 6379)
_SCRIPT_NAME: Final = "hello.sh"
_SCRIPT: Final = """\
#!/bin/sh
# Runs once for each entry of the queue myqueue:hello; the entry's Args are $1, $2, …
# Success is exit status 0 and nothing on stdout. Try `exit 3` to see a failure.
echo "$(date +%T) Hello, $1" >> "$(dirname "$0")/hello.log"
"""


def init(folder: Path, *, redis_address: str | None = None) -> int:
    """Write both files into `folder`, made if need be, and print what to do next. Overwrites nothing."""
    config, script = folder / DEFAULT_NAME, folder / _SCRIPT_NAME
    for path in (config, script):
        if path.exists():
            print(f"goophry: {path} exists already, nothing was written", file=sys.stderr)
            return exit_codes.FAILED
    address = redis_address or _found_redis()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        script.write_text(_SCRIPT)
        script.chmod(0o755)
        config.write_text(json.dumps(_sample(address), indent=2) + "\n")
    except OSError as error:
        print(f"goophry: {error.filename}: {error.strerror}", file=sys.stderr)
        return exit_codes.FAILED
    _print_next_steps(folder, config, script, address)
    return exit_codes.OK


def _sample(address: str) -> dict[str, Any]:
    return {
        "RedisAddress": address,
        "RedisQueueKey": "myqueue",
        "FailedTasksTTL": 604800,
        "StatsInterface": "127.0.0.1:9137",
        "Tasks": [{"Type": "hello", "Script": f"./{_SCRIPT_NAME}", "Workers": 2, "Timeout": 60}],
    }


def _found_redis() -> str:
    """Return the Redis that answers at the usual place, else the embedded one if it is installed."""
    usual = f"{_USUAL_REDIS[0]}:{_USUAL_REDIS[1]}"
    try:
        socket.create_connection(_USUAL_REDIS, timeout=1).close()
    except OSError:
        try:
            find_program("redis-server")
        except StartError:
            return usual
        return EMBEDDED
    return usual


def _print_next_steps(folder: Path, config: Path, script: Path, address: str) -> None:
    told = "a Redis of goophry's own (RedisAddress embedded)" if address == EMBEDDED else f"the Redis at {address}"
    enter = "" if folder.resolve() == Path.cwd() else f"  cd {shlex.quote(str(folder))}\n"
    print(
        f"Written: {config} and {script}, for {told}.\n\n"
        f"Next:\n{enter}"
        "  goophry check               is everything in place?\n"
        "  goophry -v                  run; Ctrl-C stops\n"
        "and in another terminal\n"
        '  goophry push hello World    or RPUSH myqueue:hello \'{"Args":["World"]}\' from any program\n'
        "  cat hello.log\n"
        "  curl http://127.0.0.1:9137/"
    )
