"""The Ids of a schedule's runs: its name, and the moment for which it runs."""

from datetime import UTC, datetime


def run_id(schedule: str, moment_s: float) -> str:
    """Return `schedule@2026-07-01T00:30:00Z`; what is no whole second has its ms."""
    moment = datetime.fromtimestamp(round(moment_s, 3), UTC)
    text = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return f"{schedule}@{text.removesuffix('+00:00')}Z"


def moment_of(entry_id: str) -> float | None:
    """Return the moment that such an Id names, in Unix seconds; None if it names none."""
    try:
        moment = datetime.fromisoformat(entry_id.rpartition("@")[2])
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None
