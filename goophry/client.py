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
from typing import Any, Self

from goophry.config import Settings, TaskType, load
from goophry.engine.intake import Cancellation
from goophry.errors import GoophryError, StoreError
from goophry.record import TaskRecord
from goophry.retry import parse as parse_retry
from goophry.submission import InvalidSubmission, Submission, UnknownType
from goophry.wiring.outside import Outside

__all__ = [
    "Cancellation",
    "Client",
    "GoophryError",
    "InvalidSubmission",
    "StoreError",
    "TaskRecord",
    "UnknownType",
]


class Client:
    """Hands in tasks over Redis. Thread-safe; connects when first used; a context manager.

    Every method raises `StoreError` while Redis cannot be reached.
    """

    def __init__(self, address: str, queue_key: str, **settings: Any) -> None:
        """Use the Redis at `address` (as RedisAddress) and the lists under `queue_key` (RedisQueueKey).

        Further settings are fields of the configuration, as `redis_username` and `redis_password`.
        Without a configuration it cannot know the types: it takes every name, and knows of no Schema and no Unique.
        """
        given = {"redis_address": address, "redis_queue_key": queue_key, "tasks": (_any_type("any"),), **settings}
        self._outside = Outside(Settings.model_validate(given), types=_AnyType())

    @classmethod
    def of_config(cls, path: Path | str, *, environ: Mapping[str, str]) -> "Client":
        """Return a client for the goophry with this configuration file: types, Schema and Unique are those of the file.

        `environ` is where `GOOPHRY_` variables are looked for, mostly `os.environ`. Raises `ConfigError`.
        """
        return _ClientOfConfig(load(Path(path), environ=environ))

    def push(
        self,
        task_type: str,
        *args: str,
        task_id: str | None = None,
        delay_s: float | None = None,
        at_s: float | None = None,
        timeout_s: float | None = None,
        env: Mapping[str, str] | None = None,
        retry: Sequence[float] | Mapping[str, Any] | None = None,
    ) -> str:
        """Hand in a task and return its Id; that of the one that is there, if it is a duplicate.

        `at_s` is in Unix seconds; `retry` as an entry's Retry. Raises `InvalidSubmission` and `UnknownType`.
        """
        try:
            policy = None if retry is None else parse_retry(retry)
        except ValueError as error:
            raise InvalidSubmission(f"Retry: expected {error}") from error
        submission = Submission(
            task_type,
            args,
            id=task_id,
            env=env or {},
            delay_s=delay_s,
            at_s=at_s,
            timeout_s=timeout_s,
            retry=policy,
        )
        (task_id,) = self._submitted([submission])
        return task_id

    def push_many(self, task_type: str, argument_lists: Sequence[Sequence[str]]) -> list[str]:
        """Hand in a task for each list of arguments, some hundred in each round trip, and return their Ids in order.

        Raises `InvalidSubmission` for the first that cannot be a task; the others were taken in.
        """
        return self._submitted([Submission(task_type, tuple(args)) for args in argument_lists])

    def wait(self, task_id: str, *, timeout_s: float) -> TaskRecord | None:
        """Wait for the end of the task; None if it has not ended after `timeout_s` seconds."""
        return self._outside.waiters.wait(task_id, timeout_s=timeout_s)

    def result(self, task_id: str) -> TaskRecord | None:
        """Return what is known of the task now; None if nothing is, or nothing any more."""
        return self._outside.intake.record(task_id)

    def cancel(self, task_id: str) -> Cancellation:
        """Have the task not run, or not go on.

        `removed`: it waited, and is gone. `told`: whoever runs it was told. `ended`: it had ended.
        `unknown`: there is no such task.
        """
        return self._outside.intake.cancel(task_id)

    def _submitted(self, submissions: Sequence[Submission]) -> list[str]:
        ids = []
        for reception in self._outside.intake.submit_many(submissions):
            if isinstance(reception, InvalidSubmission):
                raise reception
            ids.append(reception.id)
        return ids

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
    """Every name is that of a type."""

    def __getitem__(self, name: str) -> TaskType:
        return _any_type(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _any_type(name: str) -> TaskType:
    return TaskType(type=name, script=("unknown",))
