"""What must hold before goophry takes anything: each check raises `StartError` with a sentence."""

import logging
import os
import resource
from typing import Final

from goophry.config import Settings
from goophry.engine.announce import redis_error
from goophry.engine.presence import Presence
from goophry.errors import StartError, StoreError
from goophry.runners.base import Notice
from goophry.runners.error_script import ErrorScriptRunner
from goophry.runners.live import LivePids
from goophry.runners.possible import check_possible
from goophry.store.client import LinkPool
from goophry.store.views import server_info

#: Oldest Redis for each delivery: BLMOVE and LMOVE came with 6.2, CLIENT UNBLOCK with 5.0.
REDIS_AT_LEAST_ONCE: Final = (6, 2)
REDIS_AT_MOST_ONCE: Final = (5, 0)

_log = logging.getLogger(__name__)


def check_types(settings: Settings) -> None:
    """Raise `StartError` for types whose User, Limits and the like cannot be had."""
    problems = [problem for task_type in settings.tasks for problem in check_possible(task_type)]
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
    at_least_once = any(task_type.delivery == "at-least-once" for task_type in settings.tasks)
    wanted = REDIS_AT_LEAST_ONCE if at_least_once else REDIS_AT_MOST_ONCE
    if info.version < wanted:
        needed = ".".join(map(str, wanted))
        delivery = "at-least-once" if at_least_once else "at-most-once"
        raise StartError(f"Redis {info.version_text} is too old: Delivery {delivery} needs {needed} or newer")
    if info.maxmemory_policy != "noeviction":
        _log.warning(
            "Redis may evict entries that wait: its maxmemory-policy is %s, it should be noeviction",
            info.maxmemory_policy,
            extra={"action": "eviction_policy"},
        )


def allow_descriptors(settings: Settings) -> None:
    """Raise the soft limit of open files where the configuration may need more.

    Only there: scripts inherit it, and programs that use select(2) expect 1,024 at most.
    """
    wanted = 256 + sum(2 + 8 * task_type.workers for task_type in settings.tasks)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
