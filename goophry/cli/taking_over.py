"""`goophry import`: takes over what an old daemon left in Redis. Without `--go` it only looks."""

import time
import uuid
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from goophry import exit_codes
from goophry.cli.configuration import path_of, read
from goophry.cli.poulpe_jobs import import_poulpe
from goophry.config import Settings
from goophry.config_door_poulpe import PoulpeDoor
from goophry.config_door_types import (
    COYOTES_DELAYED,
    completed,
    coyotes_channel,
    coyotes_type_name,
    standard_channels,
)
from goophry.config_doors import CoyotesDoor, KingtaskDoor
from goophry.doors.coyotes_task import Channel, old_task
from goophry.doors.gotime import unix_s
from goophry.doors.kingtask_body import TaskBody
from goophry.doors.kingtask_result import Result
from goophry.doors.kingtask_task import retries, rpc_task, script_task
from goophry.entry import MAX_SECONDS
from goophry.errors import ConfigError
from goophry.store.coyotes import CoyotesStore
from goophry.store.kingtask import KingtaskStore
from goophry.store.old_coyotes import OldCoyotes
from goophry.store.old_kingtask import FAILED, WAITING, OldKingtask
from goophry.submission import InvalidSubmission, Submission
from goophry.wiring.coyotes import failed_json
from goophry.wiring.coyotes_channels import channel_json
from goophry.wiring.outside import Outside

_METHODS: Final = {"2": "GET", "3": "POST", "4": "PUT", "5": "DELETE"}


def import_from(system: str, config: Path | None, *, go: bool) -> int:
    """Take over from `coyotes`, `kingtask` or `poulpe`, and print what there was. Raises `ConfigError` and `StoreError`."""
    settings = read(path_of(config))
    door = getattr(settings.doors, system, None)
    if door is None:
        raise ConfigError([f"Doors.{system.capitalize()}: missing, it says what takes over"])
    counts: Counter[str] = Counter()
    outside = Outside(settings)
    try:
        if isinstance(door, CoyotesDoor):
            _Coyotes(settings, door, outside, counts, go=go).run()
        elif isinstance(door, KingtaskDoor):
            _Kingtask(settings, door, outside, counts, go=go).run()
        elif isinstance(door, PoulpeDoor):
            import_poulpe(settings, door, outside, counts, go=go)
    finally:
        outside.close()
    for what, count in counts.items():
        print(f"{count:8} {what}")
    if not counts:
        print("There is nothing to take over.")
    elif not go:
        print("Nothing was changed. Stop the old daemon, then run it again with --go.")
    return exit_codes.OK


class _Taking:
    """What both have in common: to count, and to act only when asked."""

    def __init__(self, settings: Settings, outside: Outside, counts: Counter[str], *, go: bool) -> None:
        self._settings = settings
        self._outside = outside
        self._counts = counts
        self._go = go

    def _take(self, what: str, *acts: Callable[[], Any]) -> None:
        """Count one; put it in, then remove it: interrupted, it is there twice, and never not at all."""
        try:
            for act in acts if self._go else ():
                act()
        except InvalidSubmission as error:
            print(f"left where it is, for goophry cannot run it: {error}")
            what = f"{what}, left"
        self._counts[what] += 1


class _Coyotes(_Taking):
    def __init__(
        self, settings: Settings, door: CoyotesDoor, outside: Outside, counts: Counter[str], *, go: bool
    ) -> None:
        prefix = f"{door.biz_name.replace(' ', '-')}:" if door.biz_name else ""
        self._door = door
        self._old = OldCoyotes(outside.links, prefix=prefix)
        self._store = CoyotesStore(outside.links, queue_key=settings.redis_queue_key)
        kept = self._old.channels()
        self._channels = {name: self._channel(name, value) for name, value in kept.items()}
        for name in standard_channels(door):
            self._channels.setdefault(name, Channel(name, door.concurrent, distinct=name != COYOTES_DELAYED))
        self._kept = kept
        types = {
            (name := coyotes_type_name(channel.name)): completed(
                coyotes_channel(door, name, workers=channel.workers, distinct=channel.distinct), settings
            )
            for channel in self._channels.values()
        }
        super().__init__(settings, Outside(settings, types=types), counts, go=go)

    def run(self) -> None:
        old = self._old
        for name, channel in self._channels.items():
            for raw in old.waiting(name):
                self._take("waiting tasks", partial(self._submit, raw, name), partial(old.remove_waiting, name, raw))
            for field, raw in old.interrupted(name).items():
                self._take(
                    "interrupted tasks",
                    partial(self._submit, raw, name),
                    partial(old.remove_interrupted, name, field),
                )
            for field, raw in old.failed(name).items():
                self._take("failed tasks", partial(self._keep, raw, name), partial(old.remove_failed, name, field))
            if name in self._kept:
                self._take(
                    "channels",
                    partial(self._store.add_channel, name, channel_json(channel)),
                    partial(old.remove_channel, name),
                )
        for raw in old.delayed():
            self._take("delayed tasks", partial(self._submit, raw, COYOTES_DELAYED), partial(old.remove_delayed, raw))
        self._outside.close()

    def _channel(self, name: str, value: Any) -> Channel:
        value = value or {}
        workers = value.get("worker_count")
        is_number = isinstance(workers, int) and 0 < workers <= 65_536  # noqa: PLR2004 - as many as a type may have
        return Channel(name, workers if is_number else self._door.concurrent, distinct=value.get("distinct") is True)

    def _submit(self, raw: bytes, channel: str) -> None:
        task = old_task(raw, channel=channel)
        at_s = unix_s(task.execute_at) if channel == COYOTES_DELAYED else None
        self._outside.intake.submit(
            Submission(
                coyotes_type_name(task.channel if task.channel in self._channels else channel),
                task.argv(),
                id=str(uuid.uuid4()),
                at_s=at_s if at_s is None else min(max(at_s, 0.0), MAX_SECONDS),
                fields=task.fields(),
            )
        )

    def _keep(self, raw: bytes, channel: str) -> None:
        task = old_task(raw, channel=channel)
        kept = failed_json(task, entry_id=str(uuid.uuid4()), reason="it had failed before goophry took over")
        self._outside.links.pipeline([self._store.keep_failed(channel, task.task_id, kept)])


class _Kingtask(_Taking):
    def __init__(
        self, settings: Settings, door: KingtaskDoor, outside: Outside, counts: Counter[str], *, go: bool
    ) -> None:
        super().__init__(settings, outside, counts, go=go)
        self._bin_path = str(door.bin_path)
        queue_key = settings.redis_queue_key
        self._old = OldKingtask(outside.links, queue_key=queue_key)
        self._store = KingtaskStore(outside.links, queue_key=queue_key, keep_s=door.result_keep_time)

    def run(self) -> None:
        old = self._old
        for task_id in old.ids(WAITING):
            fields = old.fields(f"t_{task_id}")
            if not fields:
                self._take("ids without a task", partial(old.remove_task, WAITING, task_id))
                continue
            self._take(
                "waiting tasks",
                partial(self._submit, task_id, fields),
                partial(old.remove_task, WAITING, task_id, f"t_{task_id}"),
            )
        for task_id in old.ids(FAILED):
            fields = old.fields(f"r_{task_id}")
            left = _left(fields)
            if fields and left:
                self._take(
                    "tasks to be tried again",
                    partial(self._submit, task_id, fields, after_s=left[0], intervals=left[1:]),
                    partial(old.remove_task, FAILED, task_id, f"r_{task_id}"),
                )
            else:
                self._take("failures that were told", partial(old.remove_task, FAILED, task_id))
        for task_id in old.results():
            fields = old.fields(f"r_{task_id}")
            result = Result(fields.get("is_success") == "1", fields.get("result", "").encode()).to_bytes()
            self._take("results", partial(old.take_result, task_id, self._store, result))
        for name in old.counts():
            self._take("counts of days", partial(old.take_count, name))

    def _submit(
        self, task_id: str, fields: Any, *, after_s: float = 0, intervals: tuple[float, ...] | None = None
    ) -> None:
        now = time.time()
        interval = fields.get("time_interval", "") if intervals is None else " ".join(f"{s:.0f}" for s in intervals)
        limit = fields.get("max_run_time", "")
        body = TaskBody(
            bin_name=fields.get("bin_name", ""),
            url=fields.get("bin_name", ""),
            method=_METHODS.get(fields.get("task_type", "1"), ""),
            args=fields.get("args", ""),
            time_interval=interval,
            start_time=int(now + after_s) + 1 if after_s else 0,
            max_run_time=int(limit) if limit.lstrip("-").isdigit() else 0,
        )
        if body.method:
            self._outside.intake.submit(rpc_task(body, task_id=task_id, now=now))
        else:
            self._outside.intake.submit(script_task(body, task_id=task_id, bin_path=self._bin_path, now=now))


def _left(fields: Any) -> tuple[float, ...]:
    """Return the waits for further tries that a failed task has left."""
    index = fields.get("index", "0")
    waits = retries(fields.get("time_interval", "")).delays_s
    return waits[int(index) :] if index.isdigit() else ()
