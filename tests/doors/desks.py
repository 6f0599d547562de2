"""Desks without goophry behind them."""

from typing import Any

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
