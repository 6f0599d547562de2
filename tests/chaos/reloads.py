"""Types that come, go and change on some instances while others are killed: SIGHUP and pauses under load."""

import json
import time
from pathlib import Path
from typing import Any

from chaos.fleet import KEY, Fleet
from chaos.invariants import Row, account
from chaos.kill_storm import INSTANCES, kill_one


def reload_storm(folder: Path, *, seed: int, tasks: int, rounds: int) -> Row:
    """Change what random instances serve, pause, resume and kill; once all is served again, everything has ended."""
    row = Row("reload storm")
    with Fleet(folder, seed=seed) as fleet:
        fleet.configure(fleet.record_type("t"), fleet.record_type("u"), MaxRecoveries=1_000_000)
        for name in fleet.types():
            fleet.push(tasks // 4, name=name, acts=fleet.mixed)
        for index in range(INSTANCES):
            fleet.start(index)
        for count in range(rounds):
            _change(fleet)
            if count == rounds // 2:
                for name in fleet.types():
                    fleet.push(tasks // 4, name=name, acts=fleet.mixed)
        for name in fleet.types():
            _pause(fleet, name, paused=False)
        fleet.revive()
        for member in fleet.members.values():
            fleet.ready(member).reload(*fleet.config["Tasks"])
        fleet.drain(within=60 + tasks / 100)
        account(row, fleet)
        row.note = f"{sum(len(member.events('config.read')) for member in fleet.members.values())} reloads survived"
        row.require(fleet.alive(), "an instance ended by itself")
    return row


def _change(fleet: Fleet) -> None:
    dice = fleet.random.random()
    if dice < 0.2:
        kill_one(fleet, fleet.random.uniform(0, 0.2))
        for member in fleet.members.values():
            if member.process.poll() is None:
                fleet.ready(member)  # a SIGHUP before that would end it
    elif dice < 0.4:
        name = fleet.random.choice(sorted(fleet.types()))
        _pause(fleet, name, paused=True)
        time.sleep(fleet.random.uniform(0, 0.1))
        _pause(fleet, name, paused=False)
    else:
        alive = [member for member in fleet.members.values() if member.process.poll() is None]
        fleet.random.choice(alive).reload(*_some_types(fleet))


def _some_types(fleet: Fleet) -> list[dict[str, Any]]:
    """Return the types as one instance is to serve them; one of them may be missing."""
    types = []
    for name in sorted(fleet.types()):
        changed: dict[str, Any] = {"Timeout": fleet.random.choice((0, 60, 600))}
        if fleet.random.random() < 0.3:
            changed["RateLimit"] = fleet.random.choice(("50/s", "1000/s"))
        types.append(fleet.record_type(name, workers=fleet.random.randint(1, 6), **changed))
    if fleet.random.random() < 0.4:
        types.pop(fleet.random.randrange(len(types)))
    return types


def _pause(fleet: Fleet, name: str, *, paused: bool) -> None:
    (fleet.client.sadd if paused else fleet.client.srem)(f"{KEY}:paused", name)
    bulletin = {"Event": "pause" if paused else "resume", "Type": name}
    fleet.client.publish(f"{KEY}:events", json.dumps(bulletin))
