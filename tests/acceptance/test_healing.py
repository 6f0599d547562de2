"""Any of goophry's own keys deleted, or filled with something else, by hand: repaired, told, nothing lost."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from acceptance.goophry_process import Goophry, entry
from acceptance.tally import Tally
from conftest import eventually, free_port

from goophry import exit_codes

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
MakeScript = Callable[..., Path]
MakeTally = Callable[[str], Tally]

#: What somebody may do to a key.
DAMAGES: dict[str, Callable[["redis.Redis[bytes]", bytes], Any]] = {
    "deleted": lambda r, key: r.delete(key),
    "a string": lambda r, key: r.set(key, "rubbish"),
    "a list": lambda r, key: r.pipeline().delete(key).rpush(key, "rubbish").execute(),
    "a hash": lambda r, key: r.pipeline().delete(key).hset(key, "rub", "bish").execute(),
    "a set": lambda r, key: r.pipeline().delete(key).sadd(key, "rubbish").execute(),
    "expiring": lambda r, key: r.pexpire(key, 1),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("helper", ["running", "instances", "step", "taken", "instance"])
def test_a_helper_key_that_was_changed_is_put_right(
    goophry: Start, script: MakeScript, tmp_path: Path, helper: str, damage: str
) -> None:
    """While two tasks run and a third waits; all run once, and those that come after."""
    out = tmp_path / "out"

    def ran() -> list[str]:
        return sorted(out.read_text().split()) if out.exists() else []

    program = script(f"touch {tmp_path}/up.$1; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo $1 >> {out}")
    running = goophry({"Type": "t", "Script": str(program), "Workers": 2})
    client = running.client
    for name in ("a", "b", "c"):
        running.push("t", name)
    eventually(lambda: len(list(tmp_path.glob("up.*"))) == 2)
    instance = next(client.scan_iter(f"{running.queue_key}:instance:*")).decode().rpartition(":")[2]
    tag = f"{{{running.queue('t')}}}"
    key = {
        "running": f"{tag}:running:{instance}",
        "instances": f"{tag}:instances",
        "step": f"{tag}:step:{instance}",
        "taken": f"{tag}:taken:{instance}",
        "instance": f"{running.queue_key}:instance:{instance}",
    }[helper].encode()

    DAMAGES[damage](client, key)
    (tmp_path / "go").touch()

    eventually(lambda: ran() == ["a", "b", "c"])
    running.push("t", "d")
    eventually(lambda: ran() == ["a", "b", "c", "d"])
    eventually(lambda: running.drained("t"))
    if helper == "running" and damage != "expiring":
        running.wait_event("helper.repaired")
    assert running.stop() == exit_codes.OK
    assert "Traceback" not in running.log
    assert ran() == ["a", "b", "c", "d"]


def test_an_idle_type_heals_too_and_is_told_of(goophry: Start, tally: MakeTally) -> None:
    made = tally("t")
    running = goophry({"Type": "t", "Script": made.script, "Workers": 3})
    client = running.client
    running.push("t", "a")
    eventually(lambda: running.drained("t") and made.lines() == ["a"])
    instance = next(client.scan_iter(f"{running.queue_key}:instance:*")).decode().rpartition(":")[2]

    client.set(f"{{{running.queue('t')}}}:running:{instance}", "rubbish")
    for name in ("b", "c", "d", "e"):
        running.push("t", name)

    eventually(lambda: sorted(made.lines()) == ["a", "b", "c", "d", "e"])
    assert running.wait_event("helper.repaired")["what"].endswith("held another kind of value")
    assert not running.events("store.lost")
    client.delete(f"{{{running.queue('t')}}}:instances")
    running.wait_event("helper.repaired", what="this instance missing from the set of owners")
    eventually(lambda: client.smembers(f"{{{running.queue('t')}}}:instances") == {instance.encode()})
    assert running.stop() == exit_codes.OK


@pytest.mark.parametrize("delivery", ["at-least-once", "at-most-once"])
def test_a_queue_that_is_no_list_is_told_of_once_and_waited_for(
    goophry: Start, tally: MakeTally, delivery: str
) -> None:
    bad, good = tally("bad"), tally("good")
    tasks = [
        {"Type": "bad", "Script": bad.script, "Delivery": delivery},
        {"Type": "good", "Script": good.script, "Delivery": delivery},
    ]
    port = free_port()
    running = goophry(*tasks, StatsInterface=f"127.0.0.1:{port}")
    running.client.set(running.queue("bad"), "somebody's")
    lost = running.wait_event("store.lost", who="bad")
    assert lost["reason"] == f"nothing can be taken from {running.queue('bad')}, which holds no list"
    running.push("good", "1")
    eventually(lambda: good.lines() == ["1"])

    running.client.delete(running.queue("bad"))
    running.push("bad", "2")

    eventually(lambda: bad.lines() == ["2"])
    running.wait_event("store.back", who="bad")
    assert len(running.events("store.lost")) == 1
    assert running.stop() == exit_codes.OK


def test_a_bad_queue_does_not_keep_other_types_from_being_recovered(
    goophry: Start, script: MakeScript, tmp_path: Path
) -> None:
    program = str(script(f'echo "$GOOPHRY_TYPE" >> {tmp_path}/ran; [ -e {tmp_path}/go ] || sleep 1000'))
    tasks = [{"Type": name, "Script": program} for name in ("a", "b", "c")]
    first = goophry(*tasks)
    for name in ("a", "b", "c"):
        first.push(name)
    eventually(lambda: (tmp_path / "ran").exists() and len((tmp_path / "ran").read_text().split()) == 3)
    first.kill()
    (tmp_path / "go").touch()
    first.client.set(first.queue("a"), "somebody's")

    second = goophry(*tasks)
    for name in ("b", "c"):
        second.wait_event("entries.recovered", type=name)
    first.client.delete(first.queue("a"))

    second.wait_event("entries.recovered", type="a")
    eventually(lambda: second.drained("a", "b", "c"))
    assert sorted((tmp_path / "ran").read_text().split()) == ["a", "a", "b", "b", "c", "c"]
    assert second.stop() == exit_codes.OK


@pytest.mark.parametrize("when", ["while an instance lives", "while none does"])
def test_the_dead_are_found_although_the_set_of_owners_is_gone(
    goophry: Start, script: MakeScript, tmp_path: Path, when: str
) -> None:
    program = str(script(f"echo ran >> {tmp_path}/ran; [ -e {tmp_path}/go ] || sleep 1000"))
    task = {"Type": "t", "Script": program}
    first = goophry(task)
    first.push("t", "a")
    eventually((tmp_path / "ran").exists)
    if when == "while an instance lives":
        second = goophry(task)
    first.kill()
    (tmp_path / "go").touch()
    first.client.delete(f"{{{first.queue('t')}}}:instances")
    if when != "while an instance lives":
        second = goophry(task)

    second.wait_event("entries.recovered", count=1)
    eventually(lambda: second.drained("t"))
    assert (tmp_path / "ran").read_text().split() == ["ran", "ran"]
    assert second.stop() == exit_codes.OK


def test_a_failed_list_that_is_somebody_elses_holds_nobody_up(goophry: Start, script: MakeScript) -> None:
    running = goophry({"Type": "t", "Script": str(script("exit 3"))}, FailedTasksTTL=600)
    running.client.set(f"{running.queue('t')}:failed", "somebody's")
    running.push("t", "a")

    running.wait_event("keep_failed", level="error")
    eventually(lambda: running.drained("t"))

    aside = f"{{{running.queue('t')}}}:failed-aside"
    assert running.client.lrange(aside, 0, -1) == [b'{"Args":["a"],"ErrorMessage":"exit status 3"}']
    assert running.client.get(f"{running.queue('t')}:failed") == b"somebody's"
    assert running.stop() == exit_codes.OK


def test_what_ends_as_lost_names_those_who_died_with_it(
    goophry: Start, script: MakeScript, r: "redis.Redis[bytes]"
) -> None:
    task = {"Type": "t", "Script": str(script("kill -9 $PPID; sleep 1000"))}
    made: list[Goophry] = []
    for _ in range(2):
        made.append(goophry(task, MaxRecoveries=1, ready=False))
        if not r.exists(made[0].queue("t")) and len(made) == 1:
            made[0].push("t", "a")
        made[-1].wait()
    assert 0 < r.ttl(f"{{{made[0].queue('t')}}}:recovered") <= 86_400

    last = goophry(task, MaxRecoveries=1)
    (kept,) = last.wait_failed("t")
    sentence, _, history = json.loads(kept)["ErrorMessage"].partition("\n\n")
    assert sentence == "lost: its instance died 2 times while it was running"
    deaths = [death.split(" at ") for death in history.split(", ")]
    assert [int(instance.split("-")[-3]) for instance, _ in deaths] == [each.pid for each in made]
    assert all(at.startswith(time.strftime("%Y-", time.gmtime())) and at.endswith("Z") for _, at in deaths)
    eventually(lambda: not r.exists(f"{{{last.queue('t')}}}:recovered"))
    eventually(lambda: last.drained("t"))
    assert entry("a") not in last.waiting("t")
    assert last.stop() == exit_codes.OK
