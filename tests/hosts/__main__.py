"""`scripts/fleet`: a small fleet to play with, on hosts in network namespaces; Ctrl-C ends it and leaves nothing behind."""

# ruff: noqa: T201 - a command prints

import argparse
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from hosts.goophry_on import HostGoophry
from hosts.network import Host, HostRedis, Network, why_not

#: What the interface is called by which this machine reaches the hosts.
INTERFACE: Final = "goophry-fleet"

KEY: Final = "fleet"
STATS_PORT: Final = 3333
MOST: Final = 20

#: The signals that end it.
ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_ABOUT: Final = """\
{count} hosts with a goophry each, and one with a Redis, on a switch of their own. Ctrl-C ends all of it.
In another terminal, as root:

  push            {redis} rpush {key}:{first} '{{"Args":["5"]}}'
  look            {goophry} top
  and page by page
{pages}
  logs            tail -f {folder}/*/goophry.log
  cut a host off  ip -n {switch} link set {port} nomaster
  plug it in      ip -n {switch} link set {port} master switch
  lose a host     kill -9 {pid}
  on a host       ip netns exec {space} sh
"""


def main(arguments: Sequence[str]) -> int:
    """Run the fleet until a signal ends it."""
    parser = argparse.ArgumentParser(prog="scripts/fleet", description="A small fleet on one machine, to play with.")
    parser.add_argument("hosts", nargs="?", type=int, default=3, help=f"how many, 1 to {MOST}; 3 unless given")
    parser.add_argument("-c", "--config", type=Path, help="whose Tasks and Schedules are served, instead of samples")
    asked = parser.parse_args(arguments)
    if not 1 <= asked.hosts <= MOST:
        parser.error(f"expected 1 to {MOST} hosts, found {asked.hosts}")
    if reason := why_not() or _in_use():
        print(reason, file=sys.stderr)
        return 1
    for number in ENDS:
        signal.signal(number, _as_ctrl_c)
    with ExitStack() as at_end, contextlib.suppress(KeyboardInterrupt):
        folder = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="goophry-fleet-")))
        network = at_end.enter_context(Network())
        members = at_end.enter_context(_fleet(folder, network, hosts=asked.hosts, config=asked.config))
        _watch(members)
    print("All of it is gone.")
    return 0


@contextmanager
def _fleet(folder: Path, network: Network, *, hosts: int, config: Path | None) -> Iterator[Sequence[HostGoophry]]:
    """Start everything and say how to look at it."""
    with ExitStack() as at_end:
        network.let_this_machine_in(INTERFACE)
        redis = HostRedis(folder / "redis", host=network.host("redis"))
        at_end.callback(redis.end)
        client = redis.start().client()
        at_end.callback(client.close)
        document = _samples(folder) if config is None else _of(config)
        document |= {"RedisAddress": redis.address, "RedisQueueKey": KEY, "StatsInterface": f":{STATS_PORT}"}
        members = []
        for number in range(1, hosts + 1):
            host = network.host(f"host{number}")
            member = HostGoophry(folder / host.name, document, client=client, host=host)
            at_end.callback(member.clean_up)
            members.append(member)
        for member in members:
            member.wait_ready()
        print(_about(folder, network, members, redis, document), flush=True)
        yield members


def _watch(members: Sequence[HostGoophry]) -> None:
    """Tell of hosts that are lost, until none is left or somebody ends it."""
    left = list(members)
    while left:
        signal.sigtimedwait([], 0.5)
        for member in left[:]:
            if member.process.poll() is not None:
                print(f"{member.host.name} is lost.", flush=True)
                left.remove(member)


def _about(
    folder: Path, network: Network, members: Sequence[HostGoophry], redis: HostRedis, document: Mapping[str, Any]
) -> str:
    last = members[-1]
    cli = shutil.which("redis-cli") or "redis-cli"
    return _ABOUT.format(
        count=len(members),
        redis=f"{cli} -h {redis.host.address} -p {redis.port}",
        key=KEY,
        first=document["Tasks"][0]["Type"],
        goophry=f"{Path(sys.executable).parent / 'goophry'} -c {last.path}",
        pages="\n".join(f"    {member.host.name:12}  http://{_page(member.host)}/" for member in members),
        folder=folder,
        switch=network.switch,
        port=last.host.port,
        pid=last.pid,
        space=last.host.space,
    )


def _page(host: Host) -> str:
    return f"{host.address}:{STATS_PORT}"


def _samples(folder: Path) -> dict[str, Any]:
    scripts = {"nap": 'sleep "${1:-1}"', "tick": "true", "fail": "echo not today >&2; exit 3"}
    for name, body in scripts.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    tasks: list[dict[str, Any]] = [{"Type": name, "Script": str(folder / name), "Workers": 2} for name in scripts]
    tasks[-1] |= {"Retry": [5, 10], "FailedTasksTTL": 3600}
    return {"Tasks": tasks, "Schedules": [{"Name": "each second", "Cron": "* * * * * *", "Type": "tick"}]}


def _of(config: Path) -> dict[str, Any]:
    """Return what a fleet takes from a configuration; paths in it are those of its folder."""
    document = json.loads(config.read_text())
    tasks = [task | {"Script": _absolute(task["Script"], config)} for task in document["Tasks"] if "Script" in task]
    return {"Tasks": tasks, "Schedules": document.get("Schedules", [])}


def _absolute(script: Any, config: Path) -> Any:
    if isinstance(script, str):
        return str(config.parent.resolve() / script)
    return [script[0] if script[0].startswith("/") else str(config.parent.resolve() / script[0]), *script[1:]]


def _in_use() -> str:
    found = subprocess.run(["ip", "link", "show", INTERFACE], capture_output=True, check=False).returncode == 0
    return f"There is an interface {INTERFACE} already: another fleet is running." if found else ""


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    # A second one would leave something behind.
    for each in ENDS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
