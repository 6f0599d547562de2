"""For Python programs that hand in tasks: `push`, `push_many`, `wait`, `cancel`.

A plain RPUSH does without it. What it adds: an Id for each task, delays at once, a refusal of what
cannot be a task, and the wait for results.

    from goophry.client import Client

    with Client("redis://127.0.0.1:6379/0", "myqueue") as tasks:
        task_id = tasks.push("resize", "in.png", "200", delay_s=5)
        result = tasks.wait(task_id, timeout_s=60)
        print(result.outcome if result else "still at it")
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypedDict, Unpack

from goophry.config import Settings, TaskType, load, of_values, type_named
from goophry.engine.intake import Cancellation
from goophry.errors import ConfigError, GoophryError, StoreError
from goophry.record import TaskRecord
from goophry.retry import parse as parse_retry
from goophry.submission import InvalidSubmission, Submission, UnknownType
from goophry.wiring.outside import Outside

__all__ = [
    "Cancellation",
    "Client",
    "ConfigError",
    "Connection",
    "GoophryError",
    "InvalidSubmission",
    "StoreError",
    "TaskOptions",
    "TaskRecord",
    "UnknownType",
]

#: A type's name in a configuration that has none: see `_AnyType`.
_ANY: Final = "any"

Retry = Sequence[float] | Mapping[str, Any]
"""As an entry's Retry: the seconds before each further try, or `{"Times": 5, "Min": 1, …}`."""


class Connection(TypedDict, total=False):
    """How to log in, where that does not stand in the address: the keys of the configuration, spelt as in Python."""

    redis_username: str
    redis_password: str
    redis_password_file: str
    redis_sentinel_username: str
    redis_sentinel_password: str
    redis_sentinel_password_file: str
    redis_tls_ca_file: str
    redis_tls_cert_file: str
    redis_tls_key_file: str
    redis_db: int
    max_entry_bytes: int


class TaskOptions(TypedDict, total=False):
    """What may be said of a task beside its type and arguments; at most one of `delay_s` and `at_s`."""

    delay_s: float
    """Seconds until it may begin."""
    at_s: float
    """Unix seconds before which it does not begin."""
    timeout_s: float
    """Seconds that it may run, instead of the type's Timeout; 0 = no limit."""
    env: Mapping[str, str]
    """Environment variables."""
    retry: Retry
    """When it is tried again, instead of the type's Retry."""


class Client:
    """Hands in tasks over Redis. Thread-safe; connects when first used; a context manager.

    Every method raises `StoreError` when Redis cannot be reached, or refuses.
    """

    def __init__(self, address: str, queue_key: str, **connection: Unpack[Connection]) -> None:
        """Use the Redis at `address` (as RedisAddress: sentinels and clusters too) and the lists under `queue_key`.

        Without a configuration it cannot know the types: it takes every name, and knows of no Schema and no Unique.
        Raises `ConfigError`.
        """
        self._outside = Outside(_settings(address, queue_key, connection), types=_AnyType())

    @classmethod
    def of_config(cls, path: Path | str, *, environ: Mapping[str, str]) -> "Client":
        """Return a client for the goophry with this configuration file: types, Schema and Unique are those of the file.

        `environ` is where `GOOPHRY_` variables are looked for, mostly `os.environ`. Raises `ConfigError`.
        """
        return _ClientOfConfig(load(Path(path), environ=environ))

    def push(self, task_type: str, *args: str, task_id: str | None = None, **options: Unpack[TaskOptions]) -> str:
        """Hand in a task and return its Id; that of the one that is there, if it is a duplicate.

        Raises `InvalidSubmission` and `UnknownType`; then, and after no other error, it is certain that nothing was stored.
        """
        (pushed_id,) = self.push_many(task_type, [args], task_ids=[task_id], **options)
        return pushed_id

    def push_many(
        self,
        task_type: str,
        argument_lists: Sequence[Sequence[str]],
        *,
        task_ids: Sequence[str | None] | None = None,
        **options: Unpack[TaskOptions],
    ) -> list[str]:
        """Hand in a task for each list of arguments, two hundred in each round trip, and return their Ids in order.

        `task_ids`, if given, has as many Ids; `options` hold for all. Either all of them can be tasks or nothing is stored:
        raises `InvalidSubmission` for the first that cannot. With Ids, all may be handed in again after a `StoreError`.
        """
        ids = [None] * len(argument_lists) if task_ids is None else task_ids
        if len(ids) != len(argument_lists):
            raise InvalidSubmission(f"task_ids: expected {len(argument_lists)} of them, found {len(ids)}")
        if "" in ids:
            raise InvalidSubmission("Id: expected some characters, found none")
        common = _common(options)
        submissions = [
            Submission(task_type, _arguments(args), id=task_id, **common)
            for args, task_id in zip(argument_lists, ids, strict=True)
        ]
        return [each.id for each in self._outside.intake.submit_all(submissions)]

    def wait(self, task_id: str, *, timeout_s: float) -> TaskRecord | None:
        """Wait for the end of the task; None if it has not ended after `timeout_s` seconds.

        An outage of Redis that is over by then is waited through.
        """
        ended = self._outside.waiters.wait(task_id, timeout_s=timeout_s)
        if ended is not None:
            return ended
        # Asked once more: it says whether Redis is there, and nothing that was missed is missed for good.
        record = self.result(task_id)
        return record if record is not None and record.is_final else None

    def result(self, task_id: str) -> TaskRecord | None:
        """Return what is known of the task now; None if nothing is, or nothing any more."""
        return self._outside.intake.record(task_id)

    def cancel(self, task_id: str) -> Cancellation:
        """Have the task not run, or not go on.

        `removed`: it waited, and is gone. `told`: whoever runs it was told. `ended`: it had ended.
        `unknown`: there is no such task.
        """
        return self._outside.intake.cancel(task_id)

    def close(self) -> None:
        """Close the connections."""
        self._outside.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _ClientOfConfig(Client):
    """Knows the types."""

    def __init__(self, settings: Settings) -> None:
        self._outside = Outside(settings)


class _AnyType(Mapping[str, TaskType]):
    """Every name that may be one is that of a type."""

    def __init__(self) -> None:
        self._last: TaskType | None = None  # making one takes as long as a task's round trip does in a pipeline

    def __getitem__(self, name: str) -> TaskType:
        last = self._last
        if last is None or last.type != name:
            try:
                last = self._last = type_named(name)
            except ConfigError as error:
                raise KeyError(name) from error
        return last

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _settings(address: str, queue_key: str, connection: Connection) -> Settings:
    """Return the configuration that a file with these keys would be."""
    unknown = sorted(connection.keys() - Connection.__annotations__.keys())
    if unknown:
        known = ", ".join(Connection.__annotations__)
        raise ConfigError([f"{name}: unknown, expected one of {known}" for name in unknown])
    values: dict[str, Any] = {"RedisAddress": address, "RedisQueueKey": queue_key}
    values["Tasks"] = [{"Type": _ANY, "Script": "unknown"}]
    values |= {str(Settings.model_fields[name].validation_alias): value for name, value in connection.items()}
    return of_values(values, folder=Path.cwd())


def _arguments(args: Sequence[str]) -> tuple[str, ...]:
    if isinstance(args, str):  # whose letters would be the arguments
        raise InvalidSubmission(f"Args: expected a list of strings, found the string {args!r}")
    return tuple(args)


def _common(options: TaskOptions) -> dict[str, Any]:
    """Return what all tasks of one call have in common, as fields of a submission."""
    unknown = sorted(options.keys() - TaskOptions.__annotations__.keys())
    if unknown:
        raise TypeError(f"no such option of a task: {', '.join(unknown)}")
    common: dict[str, Any] = {**options}
    if (retry := options.get("retry")) is not None:
        try:
            common["retry"] = parse_retry(retry)
        except ValueError as error:
            raise InvalidSubmission(f"Retry: expected {error}") from error
    common["env"] = options.get("env") or {}
    return common
