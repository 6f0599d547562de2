"""Desks without goophry behind them."""

from typing import Any

from goophry.doors.coyotes_replies import Summary
from goophry.doors.coyotes_task import Channel, CoyotesTask, task_of
from goophry.doors.kingtask_result import Result
from goophry.submission import Submission


class KingtaskTable:
    """What a kingtask door finds; keeps what it is given."""

    def __init__(self, given: dict[str, Any] | None = None) -> None:
        given = given or {}
        self.results = {
            name: Result(success, message.encode(errors="surrogateescape"))
            for name, (success, message) in given.get("results", {}).items()
        }
        self.counts: dict[str, int] = given.get("counts", {})
        self.length: int = given.get("waiting", 0)
        self.submitted: list[Submission] = []

    def submit(self, submission: Submission) -> None:
        self.submitted.append(submission)

    def result(self, task_id: str) -> Result | None:
        return self.results.get(task_id)

    def count(self, day: str, *, success: bool) -> int:
        return self.counts.get(f"{'success' if success else 'failure'}:{day}", 0)

    def waiting(self) -> int:
        return self.length


class CoyotesTable:
    """What a Coyotes door finds; keeps what it is given, and runs nothing."""

    def __init__(self, given: dict[str, Any] | None = None) -> None:
        given = given or {}
        self.served: list[str] = given.get("channels", ["default", "biz", "cron", "delayed"])
        self.running = [task for value in given.get("running", []) if (task := task_of(value))]
        self.failed_tasks = [task for value in given.get("failed", []) if (task := task_of(value))]
        self.delayed_tasks = [task for value in given.get("delayed", []) if (task := task_of(value))]
        self.names_there: list[str] = given.get("names_there", [])
        self.waiting: int = given.get("waiting", 0)
        self.becomes: str = given.get("becomes", "")
        self.pushed: list[tuple[CoyotesTask, float | None]] = []

    def summary(self) -> Summary:
        return Summary(0.0, 3, 1, 2, len(self.served))

    def channels(self) -> list[str]:
        return self.served

    def create(self, channel: Channel) -> bool:
        if channel.name in self.served:
            return False
        self.served.append(channel.name)
        return True

    def remove(self, channel: str) -> int:
        self.served = [name for name in self.served if name != channel]
        return self.waiting

    def push(self, task: CoyotesTask, *, at_s: float | None) -> bool:
        if task.task_name in self.names_there:
            return False
        self._begin(task, at_s)
        return True

    def _begin(self, task: CoyotesTask, at_s: float | None) -> None:
        if self.becomes == "running":
            self.running.append(task)
            self.names_there.append(task.task_name)
        elif self.becomes == "failed":
            self.failed_tasks.append(task.failed(failures=1, at="2026-11-21T01:17:18.054642084Z"))
        else:
            self.pushed.append((task, at_s))

    def tasks(self, channel: str) -> list[tuple[CoyotesTask, str]]:
        waits = [(task, "queued") for task, at_s in self.pushed[::-1] if task.channel == channel and at_s is None]
        return [*waits, *((task, "running") for task in self.running if task.channel == channel)]

    def cancel(self, channel: str, task_id: str) -> CoyotesTask | None:
        for pushed in self.pushed:
            if (pushed[0].channel, pushed[0].task_id) == (channel, task_id):
                self.pushed.remove(pushed)
                return pushed[0]
        return None

    def failed(self, channel: str) -> list[CoyotesTask]:
        return [task for task in self.failed_tasks if task.channel == channel]

    def failed_one(self, channel: str, task_id: str) -> CoyotesTask | None:
        return next((task for task in self.failed(channel) if task.task_id == task_id), None)

    def forget_failed(self, channel: str, task_id: str) -> CoyotesTask | None:
        task = self.failed_one(channel, task_id)
        if task is not None:
            self.failed_tasks.remove(task)
        return task

    def retry_failed(self, channel: str, task_id: str) -> str:
        task = self.forget_failed(channel, task_id)
        if task is None:
            return "任务不存在"
        self._begin(task, None)
        return ""

    def delayed(self) -> list[CoyotesTask]:
        return self.delayed_tasks + [task for task, at_s in self.pushed if at_s is not None]

    def cancel_delayed(self, task_id: str) -> CoyotesTask | None:
        return self.cancel("delayed", task_id)
