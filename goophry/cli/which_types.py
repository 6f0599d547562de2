"""Which task types a command is about."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from goophry.config import Settings
from goophry.errors import GoophryError
from goophry.log_lines import escaped
from goophry.store.client import LinkPool
from goophry.store.console import Console
from goophry.store.delayed import Delayed
from goophry.store.fleet import Fleet
from goophry.wiring.outside import Outside


class NoSuchType(GoophryError):
    """A name is no task type, and no pattern of one."""


def fleet(links: LinkPool, settings: Settings) -> Fleet:
    """Return what looks at all that runs under the configured RedisQueueKey."""
    return Fleet(
        links,
        queue_key=settings.redis_queue_key,
        configured=[task.type for task in settings.tasks],
    )


def delayed(outside: Outside, settings: Settings) -> Delayed:
    """Return what is put off under the configured RedisQueueKey."""
    return Delayed(outside.links, queue_key=settings.redis_queue_key, take_out=outside.intake.remove)


def meant(console: Console, settings: Settings, names: Sequence[str], *, also: Collection[str] = ()) -> list[str]:
    """Return the types that `names` name, all if there are none; `*` and `?` in a name stand for others.

    Types are those of the configuration, those that live instances have, those in `also`, and any
    that has entries in Redis. Raises `NoSuchType` and `StoreError`.
    """
    configured = [task.type for task in settings.tasks]
    if names and all(name in configured for name in names):
        return list(dict.fromkeys(names))
    known = list(dict.fromkeys([*fleet(console.links, settings).types(), *sorted(also)]))
    if not names:
        return known
    found: dict[str, None] = {}
    for name in names:
        matching = [name] if name in known else [each for each in known if fnmatchcase(each, name)]
        if not matching and console.has_entries(name):
            matching = [name]
        if not matching:
            raise NoSuchType(f"{escaped(name)!r} is no task type; there are: {', '.join(map(escaped, known))}")
        found |= dict.fromkeys(matching)
    return list(found)
