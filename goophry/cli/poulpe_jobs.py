"""poulpe's jobs from files and old keys: `goophry dead`, and `goophry import poulpe`."""

import json
import math
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from goophry import exit_codes
from goophry.cli.configuration import path_of, read
from goophry.clock import SystemClock
from goophry.config import Settings
from goophry.config_door_poulpe import PoulpeDoor
from goophry.doors.poulpe_job import Job, place_of, ticket_of
from goophry.errors import ConfigError
from goophry.store.old_poulpe import DELAYED, WORKING, WRONG, OldPoulpe
from goophry.store.poulpe import PoulpeStore
from goophry.submission import InvalidSubmission
from goophry.wiring.outside import Outside
from goophry.wiring.poulpe import Desk

_SOURCES = ("web", "ws", "kafka", "cron")


def dead_ls(config: Path | None, *, as_json: bool) -> int:
    """Print the dead letters, the oldest first. Raises `ConfigError`."""
    _, door = _door(config)
    for path in _letters(door):
        job, about = _read(path)
        if as_json:
            print(json.dumps({"File": str(path)} | dict(about), ensure_ascii=False))
        elif job is None:
            print(f"{path}  unreadable")
        else:
            print(f"{path}  {job.method} {job.name}  {about.get('error', '')}")
    return exit_codes.OK


def dead_replay(config: Path | None, files: Sequence[Path], *, everything: bool) -> int:
    """Have dead jobs run once more; a file goes when its job is in Redis. Raises `ConfigError` and `StoreError`."""
    settings, door = _door(config)
    wanted = list(_letters(door)) if everything else files
    failed = 0
    with Outside(settings) as outside:
        desk = _desk(settings, door, outside)
        for path in wanted:
            job, _ = _read(path)
            if job is None:
                print(f"{path}: not a dead letter, left")
                failed += 1
                continue
            ticket = ticket_of(job.key, uuid.uuid4())
            desk.take([(replace(job, delay=0, posted=int(time.time())), ticket)])
            path.unlink(missing_ok=True)
            print(f"{path}: {job.key} runs again")
    return exit_codes.FAILED if failed else exit_codes.OK


def import_poulpe(settings: Settings, door: PoulpeDoor, outside: Outside, counts: Counter[str], *, go: bool) -> None:
    """Take over working, failed and delayed jobs, and results that wait. Raises `StoreError`."""
    old = OldPoulpe(outside.links)
    desk = _desk(settings, door, outside)

    def take(what: str, job: Job | None, *removes: Callable[[], Any]) -> None:
        try:
            if go and job is not None:
                desk.take([(job, ticket_of(job.key, uuid.uuid4()))])
        except InvalidSubmission as error:
            print(f"left where it is, for goophry cannot run it: {error}")
            counts[f"{what}, left"] += 1
            return
        counts[what if job is not None else "entries without a task"] += 1
        for remove in removes if go else ():
            remove()

    for name, what in ((WORKING, "waiting or running jobs"), (WRONG, "jobs to be tried again")):
        for key in old.members(name):
            take(what, _job(old.task(key)), partial(old.remove, name, key, key))
    for member in old.members(DELAYED):
        key, _, due = member.rpartition(b" ")
        job = _job(old.task(key))
        if job is not None and due.isdigit():
            job = replace(job, delay=max(0, math.ceil(int(due) - time.time())))
        take("delayed jobs", job, partial(old.remove, DELAYED, member, key))
    _import_results(old, PoulpeStore(outside.links, queue_key=settings.redis_queue_key), counts, go=go)


def _import_results(old: OldPoulpe, store: PoulpeStore, counts: Counter[str], *, go: bool) -> None:
    for place, said in old.results():
        counts["results"] += len(said)
        for each in reversed(said) if go else ():
            store.put_back(place_of(place), b"!" + each)
        if go:
            old.remove_results(place)


def _desk(settings: Settings, door: PoulpeDoor, outside: Outside) -> Desk:
    store = PoulpeStore(outside.links, queue_key=settings.redis_queue_key)
    queue_key = settings.redis_queue_key
    return Desk(outside.intake, store, _hears_nothing, queue_key=queue_key, workers=door.workers, clock=SystemClock())


def _hears_nothing(channel: str, hear: object) -> Callable[[], None]:
    del channel, hear
    return lambda: None


def _door(config: Path | None) -> tuple[Settings, PoulpeDoor]:
    settings = read(path_of(config))
    door = None if settings.doors is None else settings.doors.poulpe
    if door is None:
        raise ConfigError(["Doors.Poulpe: missing, it says where dead letters are"])
    return settings, door


def _letters(door: PoulpeDoor) -> Sequence[Path]:
    return sorted(door.dead_dir.glob("*/*.json"), key=lambda path: (path.parent.name, path.stat().st_mtime, path.name))


def _read(path: Path) -> tuple[Job | None, Mapping[str, Any]]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        return None, {"error": str(error)}
    job = _job(raw)
    return job, json.loads(raw) if job is not None else {"error": "unreadable"}


def _job(raw: bytes | None) -> Job | None:
    """Read a task as poulpe wrote it, and as dead letters are; None if it is none."""
    try:
        value = json.loads(raw or b"")
        texts = {name: value[field] for name, field in _TEXTS.items()}
        numbers = {name: value[field] for name, field in _NUMBERS.items()}
        job = Job(**texts, **numbers, cc=tuple(value["cc"]))
    except (ValueError, KeyError, TypeError):
        return None
    is_sound = all(isinstance(text, str) for text in texts.values()) and all(
        isinstance(number, int) for number in (*numbers.values(), *job.cc)
    )
    return job if is_sound and job.source in _SOURCES else None


_TEXTS = {"key": "id", "method": "tk_tp", "name": "name", "params": "params", "source": "src_chn"}
_NUMBERS = {"delay": "delay", "wait": "waiting_resp", "posted": "post_time"}
