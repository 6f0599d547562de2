"""/scale of a real fleet: what an autoscaler is told."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from acceptance.goophry_process import Goophry
from conftest import eventually, free_port

from goophry.store import keys

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]


def scale(port: int) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/scale", timeout=10) as reply:
        return json.loads(reply.read())


def test_every_instance_tells_the_same_of_the_whole_fleet(
    goophry: Start, script: Callable[..., Path], tmp_path: Path
) -> None:
    """Two instances with two workers each and nine tasks, one of which is due soon: three instances are wanted."""
    go = tmp_path / "go"
    task = {"Type": "t", "Script": str(script(f"while [ ! -e {go} ]; do sleep 0.05; done")), "Workers": 2}
    limited = {"Type": "limited", "Script": "/bin/true", "RateLimit": "1/d", "Workers": 1}
    ports = [free_port(), free_port()]
    first, _ = (goophry(task, limited, StatsInterface=f"127.0.0.1:{port}") for port in ports)
    first.push("t", Delay=30)
    first.push("t", Delay=3000)
    eventually(lambda: first.client.zcard(keys.delayed(first.queue("t"))) == 2, what="both are put off")
    for _ in range(5):
        first.push("t")
    for _ in range(4):
        first.push("limited")

    def settled(port: int) -> bool:
        told = scale(port)
        t = told["Types"]["t"]
        return (told["Instances"], t["Running"], t["Soon"], told["Types"]["limited"]["Waiting"]) == (2, 4, 1, 3)

    for port in ports:
        eventually(lambda port=port: settled(port), every=0.2, what="both run what they can")
        told = scale(port)
        assert (
            told["Types"]["t"] | {"Waiting": 1, "Load": 6, "Workers": 4, "WorkersHere": 2, "Wanted": 3}
            == told["Types"]["t"]
        )
        assert told["Types"]["limited"]["Wanted"] == 1
        assert told["Wanted"] == 3
    go.touch()
