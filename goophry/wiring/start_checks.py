"""What must hold before goophry takes anything: each check raises `StartError` with a sentence."""

import logging
import os
import resource
from collections.abc import Iterable
from typing import Final

from goophry.config import Settings, TaskType
from goophry.config_address import names_cluster
from goophry.engine.presence import Presence
from goophry.engine.redis_trouble import redis_error
from goophry.errors import StartError, StoreError
from goophry.extras import missing_extras
from goophry.runners.base import Notice
from goophry.runners.error_script import ErrorScriptRunner
from goophry.runners.live import LivePids
from goophry.runners.possible import check_possible
from goophry.store.client import LinkPool
from goophry.store.views import ServerInfo, server_info

#: Oldest Redis for each delivery, and for a RateLimit: BLMOVE and LMOVE came with 6.2, CLIENT UNBLOCK with 5.0.
REDIS_AT_LEAST_ONCE: Final = (6, 2)
REDIS_AT_MOST_ONCE: Final = (5, 0)

_log = logging.getLogger(__name__)


def impossible(settings: Settings) -> list[str]:
    """Return a sentence for each User, Limits and the like of a type that cannot be had."""
    return [problem for task_type in settings.tasks for problem in check_possible(task_type)]


def check_types(settings: Settings) -> None:
    """Raise `StartError` for types whose User, Limits and the like cannot be had."""
    problems = impossible(settings)
    if problems:
        raise StartError("; ".join(problems))


def check_extras(settings: Settings) -> None:
    """Raise `StartError` for keys whose extra is not installed."""
    problems = missing_extras(settings)
    if problems:
        raise StartError("; ".join(problems))


def check_redis(settings: Settings, links: LinkPool, presence: Presence, live: LivePids) -> None:
    """Raise `StartError` unless Redis answers and is new enough; tell the ErrorScript, as the original did."""
    try:
        info = server_info(links)
    except StoreError as error:
        if settings.error_script is not None:
            caller = ErrorScriptRunner(instance_id=presence.id, environ=os.environ, live=live)
            caller.run(settings.error_script, Notice(redis_error(str(error)), outcome="redis"))
        raise StartError(f"Redis at {settings.redis_address}: {error}") from error
    problem = unfit(info, settings)
    if problem:
        raise StartError(problem)
    if info.maxmemory_policy != "noeviction":
        _log.warning(
            "Redis may evict entries that wait: its maxmemory-policy is %s, it should be noeviction",
            info.maxmemory_policy,
            extra={"action": "eviction_policy"},
        )


def unfit(info: ServerInfo, settings: Settings) -> str:
    """Return a sentence if this server is too old for what the types want, or one of many, else nothing."""
    if info.in_cluster and not names_cluster(settings.redis_address):
        return f"Redis at {settings.redis_address} is a node of a cluster, whose RedisAddress is redis+cluster://…"
    what, wanted = _wanted(settings)
    if info.version >= wanted:
        return ""
    needed = ".".join(map(str, wanted))
    return f"Redis {info.version_text} is too old: {what} needs {needed} or newer"


def new_problems(settings: Settings, *, before: Settings, links: LinkPool) -> list[str]:
    """Return what speaks against going on with `settings` instead of `before`, a sentence each."""
    problems = impossible(settings)
    if _wanted(settings) != _wanted(before):
        try:
            problem = unfit(server_info(links), settings)
        except StoreError as error:
            problem = f"Redis cannot be asked whether it is new enough: {error}"
        problems += [problem] if problem else []
    return problems


#: Clients that the API serves at a time: each waiter for a result keeps a connection.
API_CONNECTIONS: Final = 4096


def allow_descriptors(types: Iterable[TaskType], *, connections: int = 0) -> None:
    """Raise the soft limit of open files where these types, and so many connections of clients, may need more.

    Only there: scripts inherit it, and programs that use select(2) expect 1,024 at most.
    """
    wanted = 256 + 2 * connections + sum(2 + 8 * task_type.workers for task_type in types)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _wanted(settings: Settings) -> tuple[str, tuple[int, int]]:
    if any(task_type.delivery == "at-least-once" for task_type in settings.tasks):
        return "Delivery at-least-once", REDIS_AT_LEAST_ONCE
    if any(task_type.rate_limit is not None for task_type in settings.tasks):
        return "RateLimit", REDIS_AT_LEAST_ONCE
    return "Delivery at-most-once", REDIS_AT_MOST_ONCE
