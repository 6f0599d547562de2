"""The cron file on a real Redis: each moment once for all instances, whoever dies on the way."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from doors.poulpe_instance import EVERY_SECOND, START_S, Make
from engine.service_contract import stress
from fakes import FakeClock, PathToRedis

from goophry.clock import SystemClock
from goophry.errors import StoreError
from goophry.wiring.poulpe_services import LATE_S, PUT_IN_S, DeadLetters

pytest_plugins = ("doors.poulpe_fixtures",)


def ids(line: int, *seconds: int) -> list[str]:
    return [f"poulpe.ST:{line}-{int(START_S) + second}" for second in seconds]


def test_the_first_start_of_all_begins_with_what_is_due_from_now_on(
    make: Make, clock: FakeClock, jobs: Callable[[], list[str]]
) -> None:
    instance = make()
    instance.cron.turn()
    assert jobs() == []

    clock.forward(2)
    instance.cron.turn()

    assert jobs() == ids(1, 1, 2)


def test_a_restart_makes_up_for_what_was_due_meanwhile_and_repeats_nothing(
    make: Make, clock: FakeClock, jobs: Callable[[], list[str]]
) -> None:
    before = make()
    before.cron.turn()
    clock.forward(1)
    before.cron.turn()

    clock.forward(3)
    after = make()
    after.cron.turn()
    assert jobs() == ids(1, 1, 2, 3, 4)
    clock.forward(LATE_S + 10)
    make().cron.turn()

    assert jobs() == ids(1, 1, 2, 3, 4, *range(15, 20))


def test_a_moment_and_its_job_are_noted_in_one_step_and_put_in_by_whoever_lives(
    make: Make, path_to: Callable[[], PathToRedis], clock: FakeClock, jobs: Callable[[], list[str]]
) -> None:
    """An instance that dies right after it has taken the moment: the worst that can be, and nothing is lost."""
    path = path_to()
    dies, lives = make(address=path.address), make()
    dies.cron.turn()
    lives.turn()
    path.cut_before(lambda request: b"RPUSH" in request)  # the script that puts the task in

    clock.forward(1)
    with pytest.raises(StoreError):
        dies.cron.turn()
    path.cut()
    lives.turn()
    assert jobs() == []
    assert list(lives.store.noted()) == [ids(1, 1)[0].removeprefix("poulpe.")]

    lives.path.write_text("")
    clock.forward(PUT_IN_S + 1)
    lives.turn()
    lives.turn()

    assert jobs() == ids(1, 1)
    assert lives.store.noted() == {}


def test_one_that_was_put_in_and_not_told_of_is_not_put_in_again(  # noqa: PLR0917 - fixtures
    make: Make,
    path_to: Callable[[], PathToRedis],
    clock: FakeClock,
    jobs: Callable[[], list[str]],
    r: "redis.Redis[bytes]",
    queue_key: str,
) -> None:
    """Neither while it waits, nor when it has ended."""
    path = path_to()
    dies, lives = make(address=path.address), make()
    dies.cron.turn()
    path.cut_before(lambda request: b"Forget the note" in request)
    clock.forward(1)
    with pytest.raises(StoreError):
        dies.cron.turn()
    path.cut()
    assert jobs() == ids(1, 1)
    noted = lives.store.noted()
    assert len(noted) == 1

    lives.path.write_text("")
    clock.forward(PUT_IN_S + 1)
    lives.turn()

    assert jobs() == ids(1, 1)
    assert lives.store.noted() == {}
    # Its end removes the note too: whoever looks after that finds none.
    r.hset(f"{{{queue_key}:poulpe}}:noted", mapping=noted)
    (key,) = noted
    commands = lives.store.ended(key, f"poulpe.{key}", attempt=1, place="", said=b"", is_last=True)
    lives.links.pipeline(commands)
    assert lives.store.noted() == {}
    assert lives.store.tickets() == set()


def test_a_fleet_begins_each_moment_once(
    make: Make, r: "redis.Redis[bytes]", queue_key: str, jobs: Callable[[], list[str]]
) -> None:
    """Four instances whose clocks are seconds apart, all at once, on three lines."""
    text = f"{EVERY_SECOND} a PUT\n{EVERY_SECOND} b PUT\n0/2 * * * * * * c PUT\n"
    clocks = [FakeClock(START_S + n) for n in range(4)]
    fleet = [make(text, by=each) for each in clocks]
    for instance in fleet:
        instance.cron.turn()

    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for each in clocks:
                each.forward(1)
            list(pool.map(lambda instance: instance.cron.turn(), fleet))

    seconds = range(1, 9)
    assert jobs() == sorted(
        ids(1, *seconds) + ids(2, *seconds) + ids(3, *(s for s in seconds if (START_S + s) % 2 == 0))
    )
    # The least busy worker gets each: both have their share.
    lengths = [r.llen(f"{queue_key}:poulpe.{worker}") for worker in (0, 1)]
    assert abs(lengths[0] - lengths[1]) <= 4


def test_a_line_that_is_too_long_is_told_of_and_harms_no_other(
    make: Make, clock: FakeClock, jobs: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    instance = make(f"{EVERY_SECOND} n PUT {'x' * 5000}\n{EVERY_SECOND} n PUT\n", max_entry_bytes=5000)
    instance.cron.turn()

    clock.forward(1)
    instance.cron.turn()

    assert jobs() == ids(2, 1)
    assert "Line 1 of the cron file is no job: " in caplog.text
    assert instance.store.noted() == {}
    assert instance.store.tickets() == set(ids(2, 1))


def test_the_file_is_read_again_when_it_changes_and_stays_in_force_while_it_is_missing(
    make: Make, clock: FakeClock, jobs: Callable[[], list[str]]
) -> None:
    instance = make()
    instance.cron.turn()
    instance.path.unlink()
    clock.forward(1)
    instance.cron.turn()

    instance.path.write_text(f"// no comment, but a line\n#\n{EVERY_SECOND} n PUT\n")
    clock.forward(1)
    instance.cron.turn()

    assert jobs() == ids(1, 1) + ids(2, 2)


def test_a_dead_letter_replaces_one_of_the_same_name(make: Make, tmp_path: Path) -> None:
    instance = make("")
    dead = DeadLetters(
        instance.store, folder=tmp_path / "dead", interval_s=1, outage=instance.outage("dead"), clock=FakeClock(START_S)
    )
    for ticket, text in (("t1", "first"), ("t2", "second")):
        instance.store.enter([("task-a", "task-a", ticket)])
        letter = json.dumps({"id": "task-a", "error": text}).encode()
        instance.links.pipeline(
            instance.store.ended("task-a", ticket, attempt=1, place="", said=b"", is_last=True, dead=letter)
        )
        dead.turn()

    (file,) = (tmp_path / "dead").rglob("*.json")
    assert (file.parent.name, file.name) == ("2024-01-08", "task-a.json")
    assert json.loads(file.read_bytes())["error"] == "second"
    assert instance.store.dead() == {}


def test_rubbish_among_the_noted_is_thrown_away(
    make: Make, r: "redis.Redis[bytes]", queue_key: str, jobs: Callable[[], list[str]]
) -> None:
    instance = make("")
    r.hset(
        f"{{{queue_key}:poulpe}}:noted",
        mapping={"a": "rubbish", "b": "{}", "c": '{"Job":{},"Worker":0,"Ticket":"","After":""}'},
    )
    r.set(f"{{{queue_key}:poulpe}}:looked", "rubbish")

    instance.turn()

    assert instance.store.noted() == {}
    assert jobs() == []


@pytest.mark.parametrize("which", ["cron", "late", "dead"])
def test_they_keep_the_contract_of_a_service(make: Make, tmp_path: Path, which: str) -> None:
    def service() -> Any:
        instance = make("", by=SystemClock())
        if which != "dead":
            return instance.cron if which == "cron" else instance.late
        outage = instance.outage("dead letters")
        return DeadLetters(
            instance.store, folder=tmp_path / "dead", interval_s=0.01, outage=outage, clock=SystemClock()
        )

    stress(service)
