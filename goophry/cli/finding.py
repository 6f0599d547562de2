"""What a check has found, as a line."""

from dataclasses import dataclass
from typing import Literal

Mark = Literal["ok", "problem", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    mark: Mark
    text: str

    @classmethod
    def of(cls, what: str, problem: str) -> "Finding":
        """Tell of something that is good unless there is a problem."""
        return cls("problem", f"{what}: {problem}") if problem else cls("ok", what)
