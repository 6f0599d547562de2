"""What a running goophry takes over from a configuration that was read again, and what has to wait."""

from typing import Final

from goophry.config_door_types import own_tasks, with_door_types
from goophry.config_fields import keys_of
from goophry.config_models import Settings
from goophry.config_sentences import shown
from goophry.config_task import TaskType

#: Fields of `Settings` that are used once, at the start.
NEED_RESTART: Final = frozenset(
    {
        *("redis_address", "redis_network", "redis_username", "redis_password", "redis_password_file", "redis_db"),
        *("redis_tls_ca_file", "redis_tls_cert_file", "redis_tls_key_file"),
        *("redis_sentinel_username", "redis_sentinel_password", "redis_sentinel_password_file"),
        *("redis_queue_key", "redis_data_dir", "embedded_port", "logfile", "log_format"),
        *("stats_interface", "stats_pattern", "stats_tls_cert_file", "stats_tls_key_file"),
        *("api_interface", "api_tokens", "api_tls_cert_file", "api_tls_key_file"),
        *("doors", "intake"),
    }
)


def taken_over(old: Settings, new: Settings) -> tuple[Settings, list[str]]:
    """Return the configuration to go on with, and the keys whose new values need a restart."""
    waiting = [name for name in type(old).model_fields if name in NEED_RESTART and _differ(old, new, name)]
    keys = {name: key for key, name in zip(keys_of(Settings), Settings.model_fields, strict=True)}
    before = {task.type: task for task in old.tasks}
    tasks, of_types = [], []
    for task in own_tasks(new):
        known = before.get(task.type)
        if known is not None and known.delivery != task.delivery:
            of_types.append(f"Delivery of the type {shown(task.type)}")
            task = _with_delivery_of(known, task)  # noqa: PLW2901 - the one that counts from here on
        tasks.append(task)
    update = {name: getattr(old, name) for name in waiting} | {"tasks": tuple(tasks)}
    return with_door_types(new.model_copy(update=update)), [*(keys[name] for name in waiting), *of_types]


def _differ(old: Settings, new: Settings, name: str) -> bool:
    return bool(getattr(old, name) != getattr(new, name))


def _with_delivery_of(known: TaskType, task: TaskType) -> TaskType:
    return task.model_copy(update={"delivery": known.delivery})
