"""All that runs under one RedisQueueKey, as Redis knows it: instances, their runs, the lists of every type."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from goophry.store import keys
from goophry.store.client import Command, LinkPool
from goophry.store.views import Views

#: Seconds within which a delayed entry counts as due soon: what an instance may take to be there and at work.
SOON_S: Final = 60


@dataclass(frozen=True, slots=True)
class Run:
    """One run in progress, as its instance tells of it."""

    type: str
    run: str
    id: str | None
    args: str
    """As a person reads them, cut."""
    started_s: float | None
    """Unix seconds, by the clock of its host; None = not told."""
    attempt: int
    instance: str
    timeout_s: float | None = None
    """0 = no limit; None = not told."""


@dataclass(frozen=True, slots=True)
class Done:
    """What an instance has finished of one type since it started."""

    finished: int
    failed: int
    per_s: float
    """How many it finished a second, lately."""

    def __add__(self, other: "Done") -> "Done":
        return Done(self.finished + other.finished, self.failed + other.failed, self.per_s + other.per_s)


@dataclass(frozen=True, slots=True)
class Instance:
    """One live goophry process. What an older release does not tell is empty."""

    id: str
    host: str
    pid: int
    started_s: float | None
    version: str
    busy: int
    """Entries that it holds."""
    quiet: bool
    """Whether it takes nothing more."""
    types: tuple[str, ...]
    workers: Mapping[str, int]
    done: Mapping[str, Done]
    runs: tuple[Run, ...]
    """The oldest of its runs."""


@dataclass(frozen=True, slots=True)
class Silent:
    """An instance that went away."""

    id: str
    seen_s: float
    """Unix seconds of its last beat, by Redis's clock."""
    holds: int
    """Entries that it held and nobody has taken over yet."""


@dataclass(frozen=True, slots=True)
class TypeState:
    """One task type, over all instances."""

    name: str
    configured: bool
    """Whether the configuration at hand has it, too."""
    waiting: int
    delayed: int
    running: int
    failed: int
    """Length of the failed list."""
    instances: int
    """How many serve it."""
    workers: int | None = None
    done: Done | None = None
    """None = no instance tells."""
    paused: bool = False
    soon: int = 0
    """Delayed entries that are due within `SOON_S`, or should have been moved by now."""


@dataclass(frozen=True, slots=True)
class FleetState:
    """Everything at one moment."""

    now_s: float
    """By Redis's clock."""
    instances: tuple[Instance, ...]
    types: tuple[TypeState, ...]
    runs: tuple[Run, ...] = field(default=())
    """The oldest of all runs, the oldest first."""


class Fleet:
    """Looks at all instances and types. `configured` are the types of the configuration at hand."""

    def __init__(self, links: LinkPool, *, queue_key: str, configured: Sequence[str]) -> None:
        self._links = links
        self._queue_key = queue_key
        self._configured = tuple(configured)

    def instances(self) -> list[Instance]:
        """Return the live instances, the oldest first. Raises `StoreError`."""
        owners: list[Command] = [
            ("SMEMBERS", keys.instances(keys.queue(self._queue_key, name))) for name in self._configured
        ]
        names = {
            member.decode(errors="replace")
            for members in self._links.found([("ZRANGE", keys.seen(self._queue_key), 0, -1), *owners])
            for member in members or ()
        }
        ids = sorted(names)
        beats = self._links.found([("GET", keys.heartbeat(self._queue_key, name)) for name in ids])
        found = [_instance(name, beat) for name, beat in zip(ids, beats, strict=True) if beat is not None]
        return sorted(found, key=lambda each: (each.started_s or 0, each.id))

    def silent(self) -> list[Silent]:
        """Return the instances that neither beat nor signed off, for a day after their last beat. Raises `StoreError`."""
        seen = self._links.found([("ZRANGE", keys.seen(self._queue_key), 0, -1, "WITHSCORES")])[0] or []
        last = {name.decode(errors="replace"): float(score) for name, score in zip(seen[::2], seen[1::2], strict=True)}
        beats = self._links.found([("EXISTS", keys.heartbeat(self._queue_key, name)) for name in last])
        gone = [name for name, beat in zip(last, beats, strict=True) if not beat]
        lists = [(name, keys.queue(self._queue_key, each)) for name in gone for each in self._configured]
        lengths = self._links.found([("LLEN", keys.running(q, name)) for name, q in lists])
        holds = dict.fromkeys(gone, 0)
        for (name, _), length in zip(lists, lengths, strict=True):
            holds[name] += length or 0
        return [Silent(name, last[name], holds[name]) for name in gone]

    def types(self, instances: Iterable[Instance] | None = None) -> list[str]:
        """Return the types of the configuration, then those that only instances have. Raises `StoreError`."""
        told = {name for each in (self.instances() if instances is None else instances) for name in each.types}
        return [*self._configured, *sorted(told - set(self._configured))]

    def look(self) -> FleetState:
        """Return everything. Raises `StoreError`."""
        instances = self.instances()
        names = self.types(instances)
        lengths = Views(self._links, queue_key=self._queue_key, types=lambda: names).lengths()
        (seconds, micros), paused = self._links.found([("TIME",), ("SMEMBERS", keys.paused(self._queue_key))])
        held = {name.decode(errors="replace") for name in paused or ()}
        runs = sorted((run for each in instances for run in each.runs), key=lambda run: run.started_s or 0)
        now_s = int(seconds) + int(micros) / 1e6
        soon = self._soon(names, now_s)
        states = (self._type_state(name, lengths[name], instances) for name in names)
        types = tuple(replace(state, paused=state.name in held, soon=soon[state.name]) for state in states)
        return FleetState(now_s, tuple(instances), types, tuple(runs))

    def _soon(self, names: Sequence[str], now_s: float) -> dict[str, int]:
        until_ms = int((now_s + SOON_S) * 1000)
        sets = [keys.delayed(keys.queue(self._queue_key, name)) for name in names]
        counts = self._links.found([("ZCOUNT", key, "-inf", until_ms) for key in sets])
        return {name: count or 0 for name, count in zip(names, counts, strict=True)}

    def _type_state(self, name: str, lengths: Mapping[str, int], instances: Sequence[Instance]) -> TypeState:
        serving = [each for each in instances if name in each.types]
        workers = [each.workers[name] for each in serving if name in each.workers]
        done = [each.done[name] for each in serving if name in each.done]
        # At most once, nothing in Redis tells of what runs.
        told = sum(run.type == name for each in serving for run in each.runs)
        return TypeState(
            name,
            name in self._configured,
            lengths["waiting"],
            lengths["delayed"],
            max(lengths["running"], told),
            lengths["failed"],
            len(serving),
            sum(workers) if workers else None,
            sum(done[1:], done[0]) if done else None,
        )


_NO_ABOUT: Final[Mapping[str, Any]] = {}


def _instance(name: str, beat: bytes) -> Instance:
    """Read a heartbeat; whatever makes no sense there counts as not told."""
    about = _object(beat)
    types = tuple(each for each in _list(about.get("Types")) if isinstance(each, str))
    workers = {key: value for key, value in _mapping(about.get("Workers")).items() if _is_count(value)}
    done = {name: Done(0, 0, 0.0) for name in types} if "Done" in about else {}
    done |= {key: value for key, told in _mapping(about.get("Done")).items() if (value := _done(told)) is not None}
    return Instance(
        id=name,
        host=_text(about.get("Host")),
        pid=about["Pid"] if _is_count(about.get("Pid")) else 0,
        started_s=_number(about.get("Started")),
        version=_text(about.get("Version")),
        busy=about["Busy"] if _is_count(about.get("Busy")) else 0,
        quiet=about.get("Quiet") is True,
        types=types,
        workers=workers,
        done=done,
        runs=tuple(_run(run, name) for run in _list(about.get("Running")) if isinstance(run, dict)),
    )


def _run(told: Mapping[str, Any], instance: str) -> Run:
    return Run(
        type=_text(told.get("Type")),
        run=_text(told.get("Run")),
        id=_text(told.get("Id")) or None,
        args=_text(told.get("Args")),
        started_s=_number(told.get("Started")),
        attempt=told["Attempt"] if _is_count(told.get("Attempt")) else 1,
        instance=instance,
        timeout_s=_number(told.get("Timeout")),
    )


def _done(told: Any) -> Done | None:
    told = _mapping(told)
    per_s = _number(told.get("PerS"))
    if not _is_count(told.get("Finished")) or not _is_count(told.get("Failed")) or per_s is None:
        return None
    return Done(told["Finished"], told["Failed"], per_s)


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(raw))
    except (ValueError, RecursionError):
        return _NO_ABOUT


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else _NO_ABOUT


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
