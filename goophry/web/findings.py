"""What somebody should look at, the worst first: what is stuck, since when, and why."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from goophry.web.models import Finding, Instance, RedisState, TypeRow

#: Seconds for which entries may wait while nothing runs: a worker takes one in milliseconds.
IDLE_S: Final = 10.0

#: Seconds for which all workers may be busy while something waits before that is told: a backlog is no trouble.
BUSY_S: Final = 300.0

#: A run is told of when it has been going on for so many seconds, and so many times as long as others.
LONG_S: Final = 300.0
LONG_TIMES: Final = 10.0

#: Failed runs of an hour that are told of as trouble if they are so large a share of all.
FAILURES: Final = 3
SHARE: Final = 0.2


def findings(
    rows: Sequence[TypeRow],
    instances: Sequence[Instance],
    redis: RedisState,
    *,
    troubles: Mapping[str, str],
    quiet: bool,
    now: float,
) -> list[Finding]:
    """Return the findings; `troubles` is what the loops of this instance say keeps them from their work."""
    found: list[Finding] = []
    if not redis.up:
        found.append(Finding(level="trouble", text=f"Redis cannot be reached: {redis.reason}", since=redis.since))
    found += [_gone(each) for each in instances if not each.alive]
    if quiet:
        found.append(Finding(level="notice", text="This instance is quiet: it takes nothing more"))
    for row in rows:
        found += _of_type(row, troubles.get(row.type), now=now)
    return sorted(found, key=lambda each: (each.level != "trouble", each.since or now))


def _gone(instance: Instance) -> Finding:
    held = f" with {_entries(instance.holds)} in its hands" if instance.holds else ""
    text = f"The instance {instance.host or instance.id} went away{held}"
    return Finding(level="trouble" if instance.holds else "notice", text=text, since=instance.seen)


def _of_type(row: TypeRow, trouble: str | None, *, now: float) -> Iterator[Finding]:
    stuck = _stuck(row, trouble, now=now)
    if stuck is not None:
        yield stuck
    long = _long_run(row, now=now)
    if long is not None:
        yield long
    if row.failed_hour:
        many = row.failed_hour >= FAILURES and row.failed_hour >= SHARE * (row.failed_hour + row.done_hour)
        text = f"{row.failed_hour:,} of {row.failed_hour + row.done_hour:,} runs failed in the last hour"
        if row.last_error_at is not None:
            text += f", the last one here {duration(max(0.0, now - row.last_error_at))} ago: {row.last_error}"
        yield Finding(level="trouble" if many else "notice", type=row.type, text=text)


def _stuck(row: TypeRow, trouble: str | None, *, now: float) -> Finding | None:
    if trouble:
        return Finding(level="trouble", type=row.type, text=f"Nothing is taken: {trouble}", since=row.waiting_since)
    if row.paused:
        text = f"Paused, {_wait(row.waiting)}" if row.waiting else "Paused"
        return Finding(level="notice", type=row.type, text=text, since=row.waiting_since)
    waited = now - row.waiting_since if row.waiting and row.waiting_since is not None else 0.0
    if row.waiting and not row.instances and waited > IDLE_S:
        text = f"{_wait(row.waiting).capitalize()}, and no instance serves the type"
        return Finding(level="trouble", type=row.type, text=text, since=row.waiting_since)
    if waited > IDLE_S and not row.running and not row.per_minute:
        text = f"{_wait(row.waiting).capitalize()}, and nothing runs"
        return Finding(level="trouble", type=row.type, text=text, since=row.waiting_since)
    if waited > BUSY_S and row.running >= row.workers:
        busy = "its worker is" if row.workers == 1 else f"all {row.workers} workers are"
        text = f"{_wait(row.waiting).capitalize()}, {busy} busy"
        if not row.per_minute:
            text += ", and no run has ended lately"
        return Finding(
            level="notice" if row.per_minute else "trouble", type=row.type, text=text, since=row.waiting_since
        )
    return None


def _long_run(row: TypeRow, *, now: float) -> Finding | None:
    if row.oldest_running is None:
        return None
    age = now - row.oldest_running
    if age < LONG_S or (row.p95 is not None and age < LONG_TIMES * row.p95):
        return None
    text = "A run takes long"
    if row.p95 is not None:
        text += f", others took at most {duration(row.p95)}"
    return Finding(level="notice", type=row.type, text=text, since=row.oldest_running)


def duration(seconds: float) -> str:
    """Write a span as people say it, in one unit or two."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    whole = int(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"  # noqa: PLR2004 below ten a digit more says something


def _wait(count: int) -> str:
    return "one entry waits" if count == 1 else f"{count:,} entries wait"


def _entries(count: int) -> str:
    return "one entry" if count == 1 else f"{count:,} entries"
